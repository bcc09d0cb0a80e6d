"""Pictures for reports, as text that stands inside a page: data URIs and SVG."""

import base64
import io
import re
from collections.abc import Mapping, Sequence
from itertools import cycle

import numpy as np
from matplotlib import rc_context
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch
from matplotlib.ticker import LogLocator, NullFormatter, PercentFormatter, StrMethodFormatter
from PIL import Image

from ..runtime.timeline import Span

INK, QUIET, DENSE, SPARSE = "#1d2733", "#7a8794", "#c3ccd5", "#0f766e"
"""Text, lesser text, and the two colours of every comparison."""
STREAMS = (SPARSE, "#e0a030", "#3b6fb6", "#b5487a", "#7a8794", "#8a6d3b")
"""Colours of nets side by side."""
WIDTH, LETTER = 7.6, 0.085
"""Inches: of a wide drawing, and of a letter in it."""

_STYLE = {
    "font.family": "sans-serif",
    "font.size": 10,
    "svg.fonttype": "none",
    "svg.hashsalt": "sparsetvm",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": QUIET,
    "axes.labelcolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "text.color": INK,
}


def picture(pixels: np.ndarray) -> str:
    """uint8 [h, w, 3], or floats 0 .. 1 [h, w] printed dark on light -> a data URI."""
    is_map = pixels.ndim == 2
    if is_map:
        pixels = np.uint8(255 * (1 - np.clip(pixels, 0, 1)))
    file = io.BytesIO()
    kind, options = ("png", {}) if is_map else ("jpeg", {"quality": 88})
    Image.fromarray(pixels).save(file, kind, **options)
    return f"data:image/{kind};base64,{base64.b64encode(file.getvalue()).decode()}"


@rc_context(_STYLE)
def layer_bars(
    names: Sequence[str],
    dense_ms: Sequence[float],
    sparse_ms: Sequence[float],
    notes: Sequence[str],
    labels: tuple[str, str] = ("dense", "sparse"),
) -> str:
    """A pair of bars for each layer, our dense form above our sparse one, and a note after them."""
    places = np.arange(len(names))
    height = 0.42 * len(names) + 0.9
    figure = _figure(WIDTH, height)
    left = max(0.06, (0.15 + LETTER * max(map(len, names))) / WIDTH)
    axes = figure.add_axes((left, 0.5 / height, 0.96 - left, 1 - 0.9 / height))
    axes.barh(places - 0.19, dense_ms, 0.34, color=DENSE, label=labels[0])
    axes.barh(places + 0.19, sparse_ms, 0.34, color=SPARSE, label=labels[1])
    for place, dense, sparse, note in zip(places, dense_ms, sparse_ms, notes, strict=True):
        end = max(dense, sparse)
        axes.annotate(
            note, (end, place), (6, 0), textcoords="offset points", va="center", fontsize=9
        )
    axes.set_yticks(places, names)
    axes.set_xlim(0, 1.28 * max([*dense_ms, *sparse_ms]))
    axes.set_xlabel("ms")
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.tick_params(length=0)
    axes.legend(frameon=False, ncols=2, loc="lower right", bbox_to_anchor=(1, 1))
    return _svg(figure, "milliseconds of each layer, dense and sparse")


@rc_context(_STYLE)
def search_curves(speeds: Mapping[str, np.ndarray], goal: float) -> str:
    """Trials against the best speed so far; each search: float [seeds, trials] of the best known.

    A line is the mean of the seeds, a band from the worst to the best of them.
    """
    figure = _figure(WIDTH, 3.6)
    axes = figure.add_axes((0.08, 0.14, 0.9, 0.78))
    for (name, seeds), colour in zip(speeds.items(), (QUIET, INK, SPARSE), strict=False):
        trials = np.arange(1, seeds.shape[1] + 1)
        axes.fill_between(trials, seeds.min(0), seeds.max(0), color=colour, alpha=0.15, lw=0)
        axes.plot(trials, seeds.mean(0), color=colour, label=name)
    axes.axhline(goal, color=QUIET, lw=0.8, ls=":")
    axes.set_xlim(1, trials[-1])
    axes.set_xlabel("trials of each kernel")
    axes.set_ylabel("best so far, of the best known")
    axes.legend(frameon=False, loc="lower right")
    return _svg(figure, "how soon each search finds fast schedules")


@rc_context(_STYLE)
def depth_line(
    layers: Sequence[int],
    seconds: Sequence[float],
    kernels: Sequence[int],
    line: tuple[float, float],
    r2: float,
) -> str:
    """Seconds to compile against layers, the line through them, and the kernels of each net."""
    figure = _figure(WIDTH, 3.6)
    axes = figure.add_axes((0.08, 0.14, 0.9, 0.78))
    slope, start = line
    ends = np.array([0, max(layers)])
    axes.plot(ends, slope * ends + start, color=DENSE, label=f"a line, R2 {r2:.4f}")
    axes.plot(layers, seconds, "o", color=SPARSE, label="compile")
    for depth, taken, count in zip(layers, seconds, kernels, strict=True):
        note = f"{depth}: {taken:.0f} s\n{count} kernels"
        axes.annotate(note, (depth, taken), (6, -6), textcoords="offset points", va="top", size=8)
    axes.set_xlim(0, 1.15 * max(layers))
    axes.set_ylim(0, 1.1 * max(seconds))
    axes.set_xlabel("layers")
    axes.set_ylabel("processor seconds to compile")
    axes.legend(frameon=False, loc="upper left")
    return _svg(figure, "what compiling costs against depth")


@rc_context(_STYLE)
def roofline(
    names: Sequence[str],
    forms: Sequence[str],
    intensity: Sequence[float],
    gflops: Sequence[float],
    peak: float,
    bandwidth: float,
) -> str:
    """Layers by operations a byte and GFLOP/s, below what the machine can do (`peak`, GFLOP/s) and
    what its memory can bring (`bandwidth`, GB/s).

    Colours say whether zeros are left out, round is direct and square the Winograd domain. A name
    for which there is no room is left out.
    """
    figure = _figure(WIDTH, 4.6)
    axes = figure.add_axes((0.08, 0.11, 0.9, 0.79))
    axes.set(xscale="log", yscale="log")
    ridge, most = peak / bandwidth, max([*gflops, peak])
    left, right = min([*intensity, ridge]) / 1.6, max([*intensity, ridge]) * 2.5
    low = min([*gflops, left * bandwidth]) / 1.5
    axes.set(xlim=(left, right), ylim=(low, most * 1.6))
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axis.set_major_formatter(StrMethodFormatter("{x:g}"))
        axis.set_minor_formatter(NullFormatter())
    axes.plot([left, ridge, right], [left * bandwidth, peak, peak], color=INK, lw=1.2)
    axes.annotate(
        f"multiply-adds: {peak:.0f} GFLOP/s", (right, peak), (-2, 4),
        textcoords="offset points", ha="right", fontsize=9,
    )  # fmt: skip
    start = left * (ridge / left) ** 0.04
    axes.annotate(
        f"from memory: {bandwidth:.0f} GB/s", (start, start * bandwidth), (0, 6), rotation=45,
        textcoords="offset points", transform_rotates_text=True, rotation_mode="anchor", fontsize=9,
    )  # fmt: skip
    for sparse, colour in ((True, SPARSE), (False, QUIET)):
        for direct, marker in ((True, "o"), (False, "s")):
            kind = f"{'sparse' if sparse else 'dense'}, {'direct' if direct else 'Winograd'}"
            mine = [
                i
                for i, form in enumerate(forms)
                if form.startswith("sparse") == sparse and form.endswith("direct") == direct
            ]
            if mine:
                x, y = np.take(intensity, mine), np.take(gflops, mine)
                axes.plot(x, y, marker, color=colour, ms=6, mec="white", mew=0.6, label=kind)
    roof = np.geomspace(left, right, 200)
    _name_points(axes, names, (intensity, gflops), (roof, np.minimum(roof * bandwidth, peak)))
    axes.set_xlabel("operations a byte (weights, input and output moved once)")
    axes.set_ylabel("GFLOP/s")
    axes.legend(frameon=False, ncols=4, loc="lower right", bbox_to_anchor=(1, 1))
    return _svg(figure, "roofline: each layer's speed below the machine's ceilings")


def _name_points(axes, names: Sequence[str], points: tuple, roof: tuple) -> None:
    """Write each name right, left, above or below of its point, where nothing else stands: no
    point, no name, and not the roof with what is written on it."""
    places = axes.transData.transform(np.column_stack(points))
    scale = axes.figure.dpi
    taken = [(px - 4, py - 4, px + 4, py + 4) for px, py in places]
    on_roof = axes.transData.transform(np.column_stack(roof))
    taken += [(px - 3, py - 3, px + 3, py + 0.2 * scale) for px, py in on_roof]
    for i, ((px, py), name) in enumerate(zip(places, names, strict=True)):
        wide, high = 0.8 * LETTER * scale * len(name), 0.13 * scale
        others = taken[:i] + taken[i + 1 :]
        for dx, dy in (
            (7, -high / 2),
            (-7 - wide, -high / 2),
            (-wide / 2, 6),
            (-wide / 2, -6 - high),
        ):
            box = (px + dx, py + dy, px + dx + wide, py + dy + high)
            if not any(_overlap(box, other) for other in others):
                taken.append(box)
                corner = axes.transData.inverted().transform(box[:2])
                axes.text(*corner, name, fontsize=8, va="bottom")
                break


def _overlap(a: tuple[float, ...], b: tuple[float, ...]) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


@rc_context(_STYLE)
def tuning_curves(names: Sequence[str], times: Sequence[np.ndarray]) -> str:
    """Trials against the best time so far of each task: float [trials], relative to its default
    schedule's time. Each line ends in its name."""
    step = 0.17
    height = max(3.4, step * len(times) + 1)
    figure = _figure(WIDTH, height)
    right = 0.98 - LETTER * max(map(len, names)) / WIDTH
    axes = figure.add_axes((0.1, 0.5 / height, right - 0.12, 1 - 0.7 / height))
    longest = max(2, *map(len, times))
    finite = np.concatenate([line[np.isfinite(line)] for line in times])
    low, high = min(finite.min(), 0.9), max(finite.max(), 1) + 0.03
    low -= 0.05 * (high - low)
    axes.set(xlim=(1, longest), ylim=(low, high))
    between = step / (height - 0.7) * (high - low)
    order = sorted(range(len(times)), key=lambda i: times[i][-1])
    heights = _apart([times[i][-1] for i in order], between, low, high)
    for i, place in zip(order, heights, strict=True):
        name, line, end = names[i], times[i], times[i][-1]
        colour = SPARSE if "sparse" in name else QUIET
        axes.plot(np.arange(1, len(line) + 1), line, color=colour, lw=1.2, drawstyle="steps-post")
        corners = [len(line), longest, 1.05 * longest], [end, end, place]
        axes.plot(*corners, color=colour, lw=0.6, alpha=0.6, clip_on=False)
        axes.text(1.06 * longest, place, name, fontsize=8, va="center")
    axes.set_xlabel("trials")
    axes.set_ylabel("best so far, of the default's time")
    axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    return _svg(figure, "the best time so far of each kernel, trial by trial")


@rc_context(_STYLE)
def timeline(
    spans: Sequence[Span], names: Sequence[str], cpus: Sequence[int], start: float, end: float
) -> str:
    """Who had which core from `start` to `end`, seconds: a colour for each stream."""
    height = 0.42 * len(cpus) + 1.0
    figure = _figure(WIDTH, height)
    axes = figure.add_axes((0.09, 0.5 / height, 0.89, 1 - 0.95 / height))
    for name, colour in zip(names, cycle(STREAMS)):
        for row, cpu in enumerate(cpus):
            bars = [
                (1e3 * (max(s.start, start) - start), 1e3 * (s.end - max(s.start, start)))
                for s in spans
                if s.stream == name and s.core == cpu
            ]
            axes.broken_barh(
                bars, (row - 0.36, 0.72), facecolors=colour, label=None if row else name
            )
    axes.set_yticks(range(len(cpus)), [f"core {cpu}" for cpu in cpus])
    axes.set(xlim=(0, 1e3 * (end - start)), ylim=(len(cpus) - 0.5, -0.5))
    axes.set_xlabel("ms")
    axes.tick_params(axis="y", length=0)
    place = {"loc": "lower left", "bbox_to_anchor": (0, 1)}
    axes.legend(frameon=False, ncols=len(names), handlelength=1, **place)
    return _svg(figure, "which net had which core when")


def _apart(values: Sequence[float], between: float, low: float, high: float) -> np.ndarray:
    """Rising values, moved as little as need be so that neighbours are `between` apart: isotonic
    regression by pooling those that are too close."""
    steps = between * np.arange(len(values))
    pools: list[tuple[float, int]] = []
    for mean in np.asarray(values) - steps:
        count = 1
        while pools and pools[-1][0] > mean:
            other, others = pools.pop()
            mean = (mean * count + other * others) / (count + others)
            count += others
        pools.append((mean, count))
    return np.clip(np.repeat(*zip(*pools, strict=True)), low, high - steps[-1]) + steps


@rc_context(_STYLE)
def pattern_set(shapes: Sequence[Sequence[int]], kernel: tuple[int, int]) -> str:
    """The places that each pattern keeps, as small grids in a row."""
    height, width = kernel
    figure = _figure(0.95 * len(shapes), 1.0)
    for i, shape in enumerate(shapes):
        axes = figure.add_axes(((i + 0.08) / len(shapes), 0.08, 0.84 / len(shapes), 0.84))
        for place in range(height * width):
            colour = SPARSE if place in shape else "#e8ecf0"
            corner = (place % width + 0.06, place // width + 0.06)
            axes.add_patch(_square(corner, colour))
        axes.set(xlim=(0, width), ylim=(height, 0), aspect="equal")
        axes.axis("off")
    return _svg(figure, "the set of kernel patterns")


def _square(corner: tuple[float, float], colour: str):
    style = "round,pad=0,rounding_size=0.12"
    return FancyBboxPatch(corner, 0.88, 0.88, boxstyle=style, facecolor=colour, edgecolor="none")


def _figure(width: float, height: float) -> Figure:
    return Figure(figsize=(width, height), facecolor="none")


def _svg(figure: Figure, label: str) -> str:
    """The drawing as an <svg> that scales with the page and tells screen readers what it is."""
    text = io.StringIO()
    nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))
    FigureCanvasSVG(figure).print_svg(text, metadata=nothing)
    (view,) = re.findall(r'<svg[^>]* viewBox="([^"]*)"', text.getvalue())
    body = text.getvalue().partition("<defs>")
    head = '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"'
    return f'{head} role="img" aria-label="{label}" viewBox="{view}">{body[1]}{body[2]}'
