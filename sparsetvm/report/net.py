"""The report on a compiled net: its layers beside our dense forms, the roofline, its tuning."""

from pathlib import Path

import numpy as np

from ..bench.net_report import NetReport
from ..files import write_whole
from ..runtime import LayerTime
from ..runtime.layer_time import HEAD, notes
from ..runtime.threads import in_words
from ..tune.curves import Curve
from ..tune.record import TaskTimes
from . import plots
from .page import cards, page, section, small, table, wide


def write_net_report(result: NetReport, path: str | Path, overwrite: bool = False) -> None:
    """Write the report to one HTML file, whole or not at all."""
    html = _report(result)
    write_whole(path, lambda new: new.write_text(html, encoding="utf-8"), overwrite)


def _report(result: NetReport) -> str:
    lead = (
        f"{result.manifest.source} for {result.manifest.target}, run on "
        f"{result.profile.device} with {in_words(result.profile.threads)}, {result.date} UTC."
    )
    parts = [_headline(result), _layers(result), _roofline(result), _tuning(result), _how(result)]
    return page(f"{result.name}, layer by layer", lead, parts)


def _headline(result: NetReport) -> str:
    profile, layers = result.profile, result.profile.layers
    facts = [
        (f"{profile.total.ms:.3g} ms", f"a run (p10 {profile.total.p10:.3g}, "
         f"p90 {profile.total.p90:.3g}), {in_words(profile.threads)}")
    ]  # fmt: skip
    if operations := sum(layer.facts.work for layer in layers):
        rate = sum(layer.facts.operations for layer in layers) / operations
        facts.append((f"{rate:.1f}x", "fewer operations in its layers than dense and direct"))
    measured = [layer for layer in layers if layer.realised is not None and layer.facts.rate > 1]
    if measured:
        mean = np.mean([layer.realised for layer in measured])
        facts.append((f"{mean:.0%}", "of the fewer operations realised, mean of the sparse layers"))
    return cards(facts)


def _layers(result: NetReport) -> str:
    layers = result.profile.layers
    rows = [_words_first(layer.cells()) for layer in layers]
    text = "The form in which each layer runs, and our own dense forms of the same layer."
    return section(
        "Layers",
        text,
        wide(table(_words_first(HEAD), rows, words=3)),
        *map(small, notes(layers)),
        _bars([layer for layer in layers if layer.facts.dense_ms is not None]),
    )


def _words_first(cells: tuple[str, ...]) -> tuple[str, ...]:
    """Name, form and structure, then the numbers."""
    name, ms, form, *numbers, structure = cells
    return name, form, structure, ms, *numbers


def _bars(layers: list[LayerTime]) -> str:
    if not layers:
        return small("No layer was tuned for this device, so no dense form was measured: "
                     "sparsetvm tune, then compile again.")  # fmt: skip
    notes = [f"{x.facts.dense_ms / x.ms:.1f}x, {x.realised:.0%} realised" for x in layers]
    return wide(
        plots.layer_bars(
            [layer.facts.name for layer in layers],
            [layer.facts.dense_ms for layer in layers],
            [layer.ms for layer in layers],
            notes,
            labels=("dense direct", "as compiled"),
        )
    )


def _roofline(result: NetReport) -> str:
    points, ceilings = result.roofline, result.ceilings
    text = (
        f"Each layer's speed, below what {in_words(ceilings.threads)} of this machine can do: "
        f"{ceilings.gflops:.0f} GFLOP/s in a loop of multiply-adds, {ceilings.bandwidth:.0f} GB/s "
        "read from memory, both measured in this run. Operations are those that the form does; a "
        "layer above the slope had its data in a cache."
    )
    if not points:
        return section("Roofline", "The net has no layers with weights.")
    drawing = plots.roofline(
        [point.layer for point in points],
        [point.form for point in points],
        [point.intensity for point in points],
        [point.gflops for point in points],
        ceilings.gflops,
        ceilings.bandwidth,
    )
    head = ("layer", "form", "GFLOP", "MB", "operations a byte", "GFLOP/s", "of its ceiling")
    rows = [
        (
            point.layer,
            point.form,
            f"{point.gflop:.3g}",
            f"{point.megabytes:.3g}",
            f"{point.intensity:.3g}",
            f"{point.gflops:.0f}",
            f"{point.share:.0%}",
        )
        for point in points
    ]
    return section("Roofline", text, wide(drawing), wide(table(head, rows, words=2)))


def _tuning(result: NetReport) -> str:
    if result.history is None:
        text = "Neither the database nor tuning_logs/ knows a session of this net on this device."
        return section("Tuning", text)
    session = result.history.session
    text = (
        f"{session.net}, plan {session.plan}: {len(session.tasks)} kernels, "
        f"{session.trials} trials each, seed {session.seed}, {session.date} ({session.place})."
    )
    curves = [curve for curve in result.history.curves if np.isfinite(curve.best_ms).any()]
    drawing = _curves(curves) if curves else small("Its trials are not in the database.")
    head = ("kernel", "default ms", "best ms", "faster")
    rows = [_task(task) for task in session.tasks if task.default_ms and task.best_ms]
    return section("Tuning", text, drawing, wide(table(head, rows)))


def _curves(curves: list[Curve]) -> str:
    relative = [np.array(curve.best_ms) / curve.default_ms for curve in curves]
    return wide(plots.tuning_curves([curve.task for curve in curves], relative))


def _task(task: TaskTimes) -> tuple[str, ...]:
    gain = task.default_ms / task.best_ms
    return task.name, f"{task.default_ms:.3f}", f"{task.best_ms:.3f}", f"{gain:.2f}x"


def _how(result: NetReport) -> str:
    versions = ", ".join(f"{name} {version}" for name, version in result.manifest.versions.items())
    text = (
        f"Medians of {result.profile.repeats} runs on random input. {versions}. Dense forms were "
        "timed in the same net when it was tuned, not in this run."
    )
    return section("How this was measured", text)
