"""The demo's report: what pruning did to the pictures, and what it gave in speed."""

from collections.abc import Iterable
from html import escape
from pathlib import Path

import numpy as np

from ..bench.demo import DemoResult, EdgeMaps
from ..files import write_whole
from ..runtime.threads import in_words
from . import plots
from .page import cards, figure, page, row, section, small, table, wide

NAMES = {
    "sparsetvm": "SparseTVM, sparse",
    "sparsetvm_dense": "SparseTVM, dense",
    "onnxruntime": "ONNX Runtime, dense",
    "torch": "PyTorch, dense",
}


def write_report(result: DemoResult, path: str | Path, overwrite: bool = False) -> None:
    """Write the report to one HTML file, whole or not at all."""
    html = _report(result)
    write_whole(path, lambda new: new.write_text(html, encoding="utf-8"), overwrite)


def _report(result: DemoResult) -> str:
    bench = result.bench
    lead = (
        f"{bench.description}. Pruned in one shot to {1 / result.pruning.rate:.0%} of its weights, "
        f"refitted on a few photographs without labels, {_distilled(result)}compiled and run on "
        f"{bench.machine.cpu}."
    )
    return page(
        "An edge detector, pruned and several times faster",
        lead,
        [
            _headline(result),
            _pictures(result.maps),
            _engines(result),
            _layers(result),
            _small(result),
        ],
    )


def _headline(result: DemoResult) -> str:
    bench = result.bench
    ours, speedup = bench.ours.timing, bench.speedup_over_fastest_dense
    facts = []
    if ours:
        facts.append((f"{ours.ms:.1f} ms", f"a run, {in_words(bench.threads)}"))
    if speedup:
        name = NAMES.get(bench.fastest_dense, bench.fastest_dense).partition(",")[0]
        facts.append((f"{speedup:.1f}x", f"faster than {name}"))
    facts.append((f"{np.mean(result.correlations):.3f}", "correlation with the dense edge maps"))
    if bench.ours.error is not None:
        facts.append((f"{bench.ours.error:.0e}", "largest difference from PyTorch, same zeros"))
    return cards(facts)


def _pictures(maps: Iterable[EdgeMaps]) -> str:
    rows = [
        row(
            figure(plots.picture(one.photograph), one.name),
            figure(plots.picture(one.dense), "dense net"),
            *(
                figure(plots.picture(edges), f"{stage}: {one.correlations[stage]:.3f}")
                for stage, edges in one.pruned.items()
            ),
        )
        for one in maps
    ]
    text = (
        "Photographs that no fit has seen, and the edges that the nets find in them: the dense net "
        "and the pruned one on its way, with the correlation of both maps. The last one is timed."
    )
    return section("What the pruned net sees", text, *rows)


def _engines(result: DemoResult) -> str:
    spread = result.bench.to_json()["spread"]
    names = sorted(spread, key=lambda name: spread[name]["ms"])
    ours = spread.get("sparsetvm", {}).get("ms")
    rows = [
        (
            NAMES.get(name, name) + ("" if spread[name]["quiet"] else " (disturbed)"),
            f"{spread[name]['ms']:.1f}",
            f"{spread[name]['p10']:.1f} to {spread[name]['p90']:.1f}",
            f"{spread[name]['ms'] / ours:.1f}x" if ours else "",
        )
        for name in names
    ]
    text = (
        f"Milliseconds of one image, {in_words(result.bench.threads)}, float32 everywhere: medians "
        "of runs in turns, one engine at a time, each checked against PyTorch on the same weights."
    )
    bars = [spread[name]["ms"] for name in names]
    best = names.index("sparsetvm") if "sparsetvm" in names else None
    head = ("engine", "median", "p10 to p90", "of ours")
    return section("Side by side", text, table(head, rows, bars, best), *_skipped(result))


def _skipped(result: DemoResult) -> Iterable[str]:
    for name, reason in result.bench.to_json()["skipped"].items():
        yield small(f"{NAMES.get(name, name)} was not timed: {reason}")


def _layers(result: DemoResult) -> str:
    layers = [layer for layer in result.bench.layers if layer["dense_ms"] > 0]
    bars = plots.layer_bars(
        [layer["name"] for layer in layers],
        [layer["dense_ms"] for layer in layers],
        [layer["ms"] for layer in layers],
        [_gain(layer) for layer in layers],
    )
    text = (
        "Each layer in our own dense form and pruned. Behind the bars: how much faster, and how "
        "much of the reduction of operations that realises."
    )
    return section("Layer by layer", text, wide(bars), _patterns(result))


def _gain(layer: dict) -> str:
    faster = layer["dense_ms"] / layer["ms"]
    return f"{faster:.1f}x, {layer['realised']:.0%}" if layer["rate"] > 1 else "left dense"


def _patterns(result: DemoResult) -> str:
    """The set that the first patterned layer uses; all layers of a plan's entry share it."""
    shapes = next(
        (s for layer in result.pruning.layers if (s := getattr(layer.structure, "shapes", None))),
        None,
    )
    if shapes is None:
        return ""
    text = "The pattern set, found in the trained weights: the places that a 3x3 kernel may keep."
    drawing = f'<div class="patterns">{plots.pattern_set(shapes, (3, 3))}</div>'
    return section("Patterns", text, drawing)


def _small(result: DemoResult) -> str:
    bench = result.bench
    versions = ", ".join(
        f"{name} {version}" for name, version in bench.to_json()["versions"].items()
    )
    text = (
        f"{bench.machine.cpu}, {in_words(bench.threads)}. About {bench.seconds} s of runs for each "
        f"engine. Seed {result.seed}. {versions}."
    )
    distill = f" --distill {result.minutes:g}" if result.minutes else ""
    line = f"sparsetvm demo --plan {result.plan} --threads {bench.threads}{distill}"
    return section("How this was measured", text, f"<p><code>{escape(line)}</code></p>")


def _distilled(result: DemoResult) -> str:
    if result.distilling is None:
        return ""
    minutes = result.distilling.seconds / 60
    return f"taught by the dense net for {minutes:.0f} minutes, "
