"""What surrounds the operator where an image lies in blocks: pixel by pixel, from any frame.

Kernels write a pixel of each block together, one in each lane; what stays in its lane, as a pool
from blocks to blocks half as large does, is a vector operation.
"""

from collections.abc import Callable

import numpy as np

from .._tvm import T, tirx, tvm
from .blocks import BlockFrame
from .builder import store
from .frame import Flat, Window

Size = tuple[int, int, int]


def lie_in_blocks(*values: Flat) -> bool:
    return any(isinstance(value.frame, BlockFrame) for value in values)


def at(flat: Flat, c, n, d, h, w):
    """Where a pixel lies in an activation."""
    return flat.start(c) + flat.frame.place(n, d, h, w)


def phase(place: Callable, size: Size, stride: Size, phases: tuple[Size, ...]) -> Callable:
    """The pixel (d, h, w) of one phase of the image x[place(...)], row = (channel, phase)."""

    def value(x, row, n, d, h, w):
        c, number = row // len(phases), row % len(phases)
        pixel = [
            index * step + _choose(number, [p[axis] for p in phases])
            for axis, (index, step) in enumerate(zip((d, h, w), stride, strict=True))
        ]
        if max(stride) == 1:
            return x[place(c, n, *pixel)]
        inside = tirx.all(*(p < limit for p, limit in zip(pixel, size, strict=True)))
        return tirx.if_then_else(inside, x[place(c, n, *pixel)], T.float32(0))

    return value


def largest(dest: Flat, source: Flat, window: Window) -> Callable:
    """The largest of a window on `source`, as a function of (x, channel, image, d, h, w)."""

    def value(x, c, n, *pixel):
        best = None
        for inside, read in window_of(x, source, window, dest.size, (c, n, *pixel)):
            if inside is not None:
                read = tirx.Select(inside, read, T.float32(float("-inf")))
            best = read if best is None else tirx.max(best, read)
        return best

    return value


def window_of(x, source: Flat, window: Window, output: Size, index):
    """(condition for being inside the image or None where that is certain, read) for each place."""
    c, n, *place = index
    for offsets in np.ndindex(*window.kernel):
        first = [o * d - b for o, d, b in zip(offsets, window.dilation, window.before, strict=True)]
        where = [p * s + f for p, s, f in zip(place, window.stride, first, strict=True)]
        inside = None
        for axis, (low, limit) in enumerate(zip(first, source.size, strict=True)):
            last = low + (output[axis] - 1) * window.stride[axis]
            if low < 0 or last >= limit:
                here = tirx.all(where[axis] >= 0, where[axis] < limit)
                inside = here if inside is None else tirx.all(inside, here)
        yield inside, x[at(source, c, n, *where)]


def write_blocks(y, dest: Flat, c, value: Callable) -> None:
    """y = value(c, 0, 0, h, w) for each pixel of a channel in blocks."""
    frame, (_, H, W) = dest.frame, dest.size
    down, across = frame.strides[2:]
    lines, columns = frame.block
    with T.grid(lines, columns) as (line, column), T.vectorized(0, frame.lanes) as lane:
        h, w = frame.pixel(line, column, lane)
        pixel = _simplify(value(c, 0, 0, h, w), {line: lines, column: columns, lane: frame.lanes})
        if not frame.covers(dest):
            pixel = tirx.if_then_else(tirx.all(h < H, w < W), pixel, T.float32(0))
        store(y, [frame.start(c) + line * down + column * across + lane], pixel)


def _choose(index, values: list[int]):
    """values[index] for an index that is only known when the kernel runs."""
    if len(set(values)) == 1:
        return values[0]
    result = tirx.const(values[-1], "int32")
    for i, value in enumerate(values[:-1]):
        result = tirx.Select(index == i, tirx.const(value, "int32"), result)
    return result


def _simplify(expression, extents: dict):
    """The expression for loop variables below these: what stays in its lane is seen to do so."""
    analyzer = tvm.sym.Analyzer()
    for variable, extent in extents.items():
        analyzer.bind(variable, tvm.ir.Range(0, extent))
    return analyzer.simplify(expression)
