"""Pictures for reports, as text that stands inside a page: data URIs and SVG."""

import base64
import io
import re
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib import rc_context
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch
from PIL import Image

INK, QUIET, DENSE, SPARSE = "#1d2733", "#7a8794", "#c3ccd5", "#0f766e"
"""Text, lesser text, and the two colours of every comparison."""

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
) -> str:
    """A pair of bars for each layer, our dense form above our sparse one, and a note after them."""
    places = np.arange(len(names))
    height = 0.42 * len(names) + 0.9
    figure = _figure(7.6, height)
    axes = figure.add_axes((0.16, 0.5 / height, 0.8, 1 - 0.9 / height))
    axes.barh(places - 0.19, dense_ms, 0.34, color=DENSE, label="dense")
    axes.barh(places + 0.19, sparse_ms, 0.34, color=SPARSE, label="sparse")
    for place, dense, sparse, note in zip(places, dense_ms, sparse_ms, notes, strict=True):
        end = max(dense, sparse)
        axes.annotate(
            note, (end, place), (6, 0), textcoords="offset points", va="center", fontsize=9
        )
    axes.set_yticks(places, names)
    axes.set_xlim(0, 1.22 * max([*dense_ms, *sparse_ms]))
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
    figure = _figure(7.6, 3.6)
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
