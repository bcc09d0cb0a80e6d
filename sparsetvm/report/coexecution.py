"""The report on nets that ran side by side: who had which core when, and how long answers took."""

import math
from collections.abc import Sequence
from pathlib import Path

from ..bench.coexecution import Coexecution, Side
from ..files import write_whole
from ..runtime.timeline import Span
from . import plots
from .page import cards, page, section, small, table, wide

PERIODS = 4
"""How much of the timeline is drawn: so many requests of the slowest stream, the last ones."""


def write_coexecution_report(
    result: Coexecution, path: str | Path, overwrite: bool = False
) -> None:
    """Write the report to one HTML file, whole or not at all."""
    html = _report(result)
    write_whole(path, lambda new: new.write_text(html, encoding="utf-8"), overwrite)


def _report(result: Coexecution) -> str:
    names = ", ".join(stream.name for stream in result.sides[0].streams)
    lead = (
        f"{names} on {len(result.cpus)} cores of {result.machine.cpu}, {result.seconds:g} s"
        f"{' on each side, in turns' if len(result.sides) > 1 else ''}."
    )
    parts = [_headline(result), _timeline(result), _latencies(result), _times(result)]
    return page("Nets side by side", lead, parts)


def _headline(result: Coexecution) -> str:
    facts = [(f"{side.missed:.1%}", f"of deadlines missed: {side.name}") for side in result.sides]
    if result.spans:
        known = max(span.end for span in result.spans) - result.spans[0].start
        whole = min(known, result.seconds)  # others had their turns between
        load = sum(_busy(result.spans, cpu) for cpu in result.cpus) / whole / len(result.cpus)
        facts.append((f"{load:.0%}", "of the cores' time given to nets"))
    facts.append((f"{result.saved.weights / 1e6:.2f} MB", "of weights in memory once for several"))
    if result.saved.activations:
        saved = f"{result.saved.activations / 1e6:.0f} MB"
        facts.append((saved, "of activations read once for several nets"))
    return cards(facts)


def _busy(spans: Sequence[Span], cpu: int) -> float:
    """Seconds that a core was anybody's."""
    busy, end = 0.0, -math.inf
    for span in sorted((span for span in spans if span.core == cpu), key=lambda span: span.start):
        busy += max(0.0, span.end - max(span.start, end))
        end = max(end, span.end)
    return busy


def _timeline(result: Coexecution) -> str:
    text = (
        "Each bar is a stretch of time that a net had a core. Long nets are drawn behind the short "
        "ones, and have what these leave of a core."
    )
    if not result.spans:
        return section("Timeline", "Nothing ran.")
    end = max(span.end for span in result.spans)
    slowest = min(stream.rate for stream in result.sides[0].streams)
    start = end - PERIODS / slowest
    drawn = [span for span in result.spans if span.end > start]
    names = [stream.name for stream in result.sides[0].streams]
    names.sort(key=lambda name: name not in result.behind)  # who gives way is drawn first
    return section("Timeline", text, wide(plots.timeline(drawn, names, result.cpus, start, end)))


def _latencies(result: Coexecution) -> str:
    head = ("side", "stream", "per second", "due ms", "p50", "p90", "p99", "max", "missed",
            "dropped")  # fmt: skip
    rows = [row for side in result.sides for row in _rows(side)]
    text = "Milliseconds from a request to its answer; missed is what came late or not at all."
    notes = [
        small(f"{side.name}: meanwhile others used {side.others:.2f} cores.")
        for side in result.sides
        if not math.isnan(side.others)
    ]
    return section("Latencies", text, wide(table(head, rows, words=2)), *notes)


def _rows(side: Side) -> list[tuple[str, ...]]:
    return [
        (
            side.name,
            stream.name,
            f"{stream.rate:g}",
            *(f"{ms:.2f}" for ms in (stream.deadline_ms, stream.p50_ms, stream.p90_ms)),
            *(f"{ms:.2f}" for ms in (stream.p99_ms, stream.max_ms)),
            f"{stream.missed:.1%}",
            str(stream.dropped),
        )
        for stream in side.streams
    ]


def _times(result: Coexecution) -> str:
    rows = [
        (
            name,
            str(width + 1),
            f"{1e3 * alone:.2f}",
            f"{1e3 * beside:.2f}",
            f"{beside / alone:.2f}x",
        )
        for name, times in result.times.items()
        for width, (alone, beside) in enumerate(zip(times.alone, times.beside, strict=True))
    ]
    text = (
        "Milliseconds of a run, as measured before the start: alone, and while the other nets run "
        "on the cores that are left. The cores are divided by these, and by what runs take later."
    )
    head = ("net", "cores", "alone", "beside the others", "interference")
    return section("What the nets take", text, wide(table(head, rows)))
