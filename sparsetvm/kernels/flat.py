"""What surrounds the operator in the flat layout: change of raster, pooling, mean, concatenation, depthwise.

All of them write whole rows, margins included, one channel after the other; each line is a plain
loop that LLVM vectorizes.
"""

from collections.abc import Callable
from math import prod

import numpy as np

from .._tvm import T, tvm
from .frame import Flat, Window

Size = tuple[int, int, int]
Index = Callable[..., object]
"""(channel, image, depth, height, width) -> an expression."""


def from_plain(dest: Flat, channels: int, size: Size, stride: Size, phases: tuple[Size, ...]):
    """plain [batch, channels, *size] -> flat; one row for each (channel, phase), see `phase_rows`."""

    def at(c, n, d, h, w):
        return (((n * channels + c) * size[0] + d) * size[1] + h) * size[2] + w

    length = dest.frame.batch * channels * prod(size)
    return _write_rows(dest, length, _phase(at, size, stride, phases))


def from_flat(dest: Flat, source: Flat, stride: Size, phases: tuple[Size, ...]):
    """flat -> flat in another frame; one row for each (channel, phase), see `phase_rows`."""
    return _write_rows(dest, source.length, _phase(_at(source), source.size, stride, phases))


def _phase(at: Index, size: Size, stride: Size, phases: tuple[Size, ...]) -> Callable:
    """A strided layer reads every stride-th pixel: each phase of the input becomes an image of its own.

        a b c d e   stride 2, phases 0 and 1   ->   a c e   and   b d .
    """

    def value(x, row, n, d, h, w):
        c, phase = row // len(phases), row % len(phases)
        place = []
        for axis, (index, step) in enumerate(zip((d, h, w), stride)):
            place.append(index * step + _choose(phase, [p[axis] for p in phases]))
        inside = [p < limit for p, limit in zip(place, size)]
        return _if_all(inside, lambda: x[at(c, n, *place)]) if max(stride) > 1 else x[at(c, n, *place)]

    return value


def to_plain(source: Flat, shape: tuple[int, ...]):
    """flat -> plain, of `shape`: [batch, channels, *size], or [..., features] of samples."""
    N, C, (D, H, W) = source.frame.batch, source.channels, source.size
    at = _at(source)

    @T.prim_func(s_tir=True)
    def main(x: T.Buffer((source.length,), "float32"), y: T.Buffer(shape, "float32")):
        T.func_attr({"tirx.noalias": True, "op_pattern": 8, "tirx.is_scheduled": True})
        with T.sblock("root"):
            for row in T.parallel(N * C):
                for d, h, w in T.grid(D, H, W):
                    y[_unravel(((row * D + d) * H + h) * W + w, shape)] = x[
                        at(row % C, row // C, d, h, w)
                    ]

    return main


def max_pool(dest: Flat, source: Flat, window: Window):
    """The largest of each window; what lies outside the image does not count."""

    def value(x, c, n, d, h, w):
        best = None
        for inside, read in _window(x, source, window, dest.size, (c, n, d, h, w)):
            one = read() if inside is None else tvm.tirx.Select(inside, read(), T.float32(-3.4e38))
            best = one if best is None else tvm.tirx.max(best, one)
        return best

    return _write_rows(dest, source.length, value)


def avg_pool(dest: Flat, source: Flat, window: Window, count_padding: bool):
    """The mean of each window, over the whole window or over its part inside the image."""

    def value(x, c, n, d, h, w):
        total, count = T.float32(0), T.float32(0)
        for inside, read in _window(x, source, window, dest.size, (c, n, d, h, w)):
            one = read() if inside is None else tvm.tirx.Select(inside, read(), T.float32(0))
            total = total + one
            here = inside is None or count_padding
            count = count + (
                T.float32(1) if here else tvm.tirx.Select(inside, T.float32(1), T.float32(0))
            )
        return total / count

    return _write_rows(dest, source.length, value)


def depthwise(dest: Flat, source: Flat, window: Window, activate: Callable):
    """One kernel per channel: y[c] = activate(bias[c] + sum over the window of weight[c, place] * x[c])."""
    C, K = source.channels, prod(window.kernel)

    def value(x, weight, bias, c, n, d, h, w):
        total = bias[c]
        places = _window(x, source, window, dest.size, (c, n, d, h, w))
        for place, (_, read) in enumerate(places):  # the margins hold zeros
            total = total + weight[c * K + place] * read()
        return activate(total)

    return _write_rows_weighted(dest, source.length, C * K, C, value)


def mean(source: Flat, shape: tuple[int, ...]):
    """flat -> plain, of `shape`: the mean over all pixels of each channel of each image."""
    N, C, (D, H, W) = source.frame.batch, source.channels, source.size
    at = _at(source)

    @T.prim_func(s_tir=True)
    def main(x: T.Buffer((source.length,), "float32"), y: T.Buffer(shape, "float32")):
        T.func_attr({"tirx.noalias": True, "op_pattern": 8, "tirx.is_scheduled": True})
        with T.sblock("root"):
            for row in T.parallel(N * C):
                y[_unravel(row, shape)] = T.float32(0)
                for d, h, w in T.grid(D, H, W):
                    y[_unravel(row, shape)] = (
                        y[_unravel(row, shape)] + x[at(row % C, row // C, d, h, w)]
                    )
                y[_unravel(row, shape)] = y[_unravel(row, shape)] * T.float32(1.0 / (D * H * W))

    return main


def concat(dest: Flat, first: Flat, second: Flat):
    """The rows of `first`, then the rows of `second`; all three lie in one frame."""
    frame, rows = dest.frame, (first.channels, second.channels)
    guard, row = frame.guard, frame.row

    @T.prim_func(s_tir=True)
    def main(
        a: T.Buffer((first.length,), "float32"),
        b: T.Buffer((second.length,), "float32"),
        y: T.Buffer((dest.length,), "float32"),
    ):
        T.func_attr({"tirx.noalias": True, "op_pattern": 8, "tirx.is_scheduled": True})
        with T.sblock("root"):
            for i in range(guard):
                y[i] = T.float32(0)
            for i in range(rows[0] * row):
                y[guard + i] = a[guard + i]
            for i in range(rows[1] * row):
                y[guard + rows[0] * row + i] = b[guard + i]

    return main


def _at(flat: Flat) -> Index:
    strides, row, guard = flat.frame.strides, flat.frame.row, flat.frame.guard

    def at(c, n, d, h, w):
        return guard + c * row + n * strides[0] + d * strides[1] + h * strides[2] + w

    return at


def _window(x, source: Flat, window: Window, output: Size, index):
    """(condition for being inside the image or None where that is certain, read) for each place."""
    c, n, *place = index
    at = _at(source)
    for offsets in np.ndindex(*window.kernel):
        first = [o * d - b for o, d, b in zip(offsets, window.dilation, window.before)]
        where = [p * s + f for p, s, f in zip(place, window.stride, first)]
        inside = None
        for axis, (low, limit) in enumerate(zip(first, source.size)):
            last = low + (output[axis] - 1) * window.stride[axis]
            if low < 0 or last >= limit:
                here = tvm.tirx.all(where[axis] >= 0, where[axis] < limit)
                inside = here if inside is None else tvm.tirx.all(inside, here)
        yield inside, (lambda where=where: x[at(c, n, *where)])


def _unravel(index, shape: tuple[int, ...]) -> tuple:
    """The place of the index-th element of a tensor."""
    place = []
    for size in reversed(shape):
        place.append(tvm.tirx.floormod(index, size))
        index = tvm.tirx.floordiv(index, size)
    return tuple(reversed(place))


def _choose(index, values: list[int]):
    """values[index] for an index that is only known when the kernel runs."""
    if len(set(values)) == 1:
        return values[0]
    result = tvm.tirx.const(values[-1], "int32")
    for i, value in enumerate(values[:-1]):
        result = tvm.tirx.Select(index == i, tvm.tirx.const(value, "int32"), result)
    return result


def _if_all(conditions, read):
    return tvm.tirx.if_then_else(tvm.tirx.all(*conditions), read(), T.float32(0))


def _write_rows(dest: Flat, x_length: int, value: Callable):
    C, N, (D, H, W) = dest.channels, dest.frame.batch, dest.size
    PD, PH, PW = dest.frame.pitch
    guard, row, used = dest.frame.guard, dest.frame.row, N * PD * PH * PW

    @T.prim_func(s_tir=True)
    def main(x: T.Buffer((x_length,), "float32"), y: T.Buffer((dest.length,), "float32")):
        T.func_attr({"tirx.noalias": True, "op_pattern": 8, "tirx.is_scheduled": True})
        with T.sblock("root"):
            for i in range(guard):
                y[i] = T.float32(0)
            for c in T.parallel(C):
                for n, d, h in T.grid(N, PD, PH):
                    if d < D and h < H:
                        for w in range(W):
                            y[guard + c * row + ((n * PD + d) * PH + h) * PW + w] = value(x, c, n, d, h, w)
                        for w in range(PW - W):
                            y[guard + c * row + ((n * PD + d) * PH + h) * PW + W + w] = T.float32(0)
                    else:
                        for w in range(PW):
                            y[guard + c * row + ((n * PD + d) * PH + h) * PW + w] = T.float32(0)
                for i in range(row - used):
                    y[guard + c * row + used + i] = T.float32(0)

    return main


def _write_rows_weighted(dest: Flat, x_length: int, weights: int, biases: int, value: Callable):
    C, N, (D, H, W) = dest.channels, dest.frame.batch, dest.size
    PD, PH, PW = dest.frame.pitch
    guard, row, used = dest.frame.guard, dest.frame.row, N * PD * PH * PW

    @T.prim_func(s_tir=True)
    def main(
        x: T.Buffer((x_length,), "float32"),
        weight: T.Buffer((weights,), "float32"),
        bias: T.Buffer((biases,), "float32"),
        y: T.Buffer((dest.length,), "float32"),
    ):
        T.func_attr({"tirx.noalias": True, "op_pattern": 8, "tirx.is_scheduled": True})
        with T.sblock("root"):
            for i in range(guard):
                y[i] = T.float32(0)
            for c in T.parallel(C):
                for n, d, h in T.grid(N, PD, PH):
                    if d < D and h < H:
                        for w in range(W):
                            y[guard + c * row + ((n * PD + d) * PH + h) * PW + w] = value(
                                x, weight, bias, c, n, d, h, w
                            )
                        for w in range(PW - W):
                            y[guard + c * row + ((n * PD + d) * PH + h) * PW + W + w] = T.float32(0)
                    else:
                        for w in range(PW):
                            y[guard + c * row + ((n * PD + d) * PH + h) * PW + w] = T.float32(0)
                for i in range(row - used):
                    y[guard + c * row + used + i] = T.float32(0)

    return main
