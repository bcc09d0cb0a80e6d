"""What surrounds the operator: change of raster, pooling, mean, concatenation, depthwise.

All of them write whole rows, margins included, one channel after the other; each line is a plain
loop that LLVM vectorizes.
"""

from collections.abc import Callable
from contextlib import contextmanager
from math import prod

import numpy as np

from .._tvm import T, tirx
from .builder import store, tensor, tensor_function
from .frame import Flat, Window

Size = tuple[int, int, int]
Index = Callable[..., object]
"""(channel, image, depth, height, width) -> an expression."""


def from_plain(dest: Flat, channels: int, size: Size, stride: Size, phases: tuple[Size, ...]):
    """plain [batch, channels, *size] -> flat; one row for each (channel, phase), see _phase."""

    def at(c, n, d, h, w):
        return (((n * channels + c) * size[0] + d) * size[1] + h) * size[2] + w

    length = dest.frame.batch * channels * prod(size)
    return _write_rows(dest, _phase(at, size, stride, phases), x=length)


def from_flat(dest: Flat, source: Flat, stride: Size, phases: tuple[Size, ...]):
    """flat -> flat in another frame; one row for each (channel, phase), see _phase."""
    return _write_rows(dest, _phase(_at(source), source.size, stride, phases), x=source.length)


def _phase(at: Index, size: Size, stride: Size, phases: tuple[Size, ...]) -> Callable:
    """A strided layer reads every stride-th pixel: each phase of the input becomes an image of
    its own.

    a b c d e   stride 2, phases 0 and 1   ->   a c e   and   b d .
    """

    def value(x, row, n, d, h, w):
        c, phase = row // len(phases), row % len(phases)
        place = []
        for axis, (index, step) in enumerate(zip((d, h, w), stride)):
            place.append(index * step + _choose(phase, [p[axis] for p in phases]))
        inside = [p < limit for p, limit in zip(place, size)]
        return (
            _if_all(inside, lambda: x[at(c, n, *place)]) if max(stride) > 1 else x[at(c, n, *place)]
        )

    return value


def to_plain(source: Flat, shape: tuple[int, ...]):
    """flat -> plain, of `shape`: [batch, channels, *size], or [..., features] of samples."""
    N, C, (D, H, W) = source.frame.batch, source.channels, source.size
    at = _at(source)
    with _scheduled_function() as function:
        x, y = tensor("x", source.length), tensor("y", *shape)
        with T.sblock("root"), T.parallel(0, N * C) as row, T.grid(D, H, W) as (d, h, w):
            index = ((row * D + d) * H + h) * W + w
            store(y, _unravel(index, shape), x[at(row % C, row // C, d, h, w)])
    return function.get()


def max_pool(dest: Flat, source: Flat, window: Window):
    """The largest of each window; what lies outside the image does not count."""

    def value(x, c, n, d, h, w):
        best = None
        for inside, read in _window(x, source, window, dest.size, (c, n, d, h, w)):
            one = (
                read() if inside is None else tirx.Select(inside, read(), T.float32(float("-inf")))
            )
            best = one if best is None else tirx.max(best, one)
        return best

    return _write_rows(dest, value, x=source.length)


def avg_pool(dest: Flat, source: Flat, window: Window, count_padding: bool):
    """The mean of each window, over the whole window or over its part inside the image."""

    def value(x, c, n, d, h, w):
        total, count = T.float32(0), T.float32(0)
        for inside, read in _window(x, source, window, dest.size, (c, n, d, h, w)):
            one = read() if inside is None else tirx.Select(inside, read(), T.float32(0))
            total = total + one
            here = inside is None or count_padding
            count = count + (
                T.float32(1) if here else tirx.Select(inside, T.float32(1), T.float32(0))
            )
        return total / count

    return _write_rows(dest, value, x=source.length)


def depthwise(dest: Flat, source: Flat, window: Window, activate: Callable):
    """One kernel per channel: y[c] = activate(bias[c] + sum over the window of weight[c, place] *
    x[c])."""
    C, K = source.channels, prod(window.kernel)

    def value(x, weight, bias, c, n, d, h, w):
        total = bias[c]
        places = _window(x, source, window, dest.size, (c, n, d, h, w))
        for place, (_, read) in enumerate(places):  # the margins hold zeros
            total = total + weight[c * K + place] * read()
        return activate(total)

    return _write_rows(dest, value, x=source.length, weight=C * K, bias=C)


def mean(source: Flat, shape: tuple[int, ...]):
    """flat -> plain, of `shape`: the mean over all pixels of each channel of each image."""
    N, C, (D, H, W) = source.frame.batch, source.channels, source.size
    at = _at(source)
    with _scheduled_function() as function:
        x, y = tensor("x", source.length), tensor("y", *shape)
        with T.sblock("root"), T.parallel(0, N * C) as row:
            place = _unravel(row, shape)
            store(y, place, T.float32(0))
            with T.grid(D, H, W) as (d, h, w):
                store(y, place, y[place] + x[at(row % C, row // C, d, h, w)])
            store(y, place, y[place] * T.float32(1 / (D * H * W)))
    return function.get()


def concat(dest: Flat, first: Flat, second: Flat):
    """The rows of `first`, then the rows of `second`; all three lie in one frame."""
    guard, row = dest.frame.guard, dest.frame.row
    with _scheduled_function() as function:
        a, b = tensor("a", first.length), tensor("b", second.length)
        y = tensor("y", dest.length)
        with T.sblock("root"):
            _fill_guards(dest, y)
            for source, start in ((a, 0), (b, first.channels)):
                rows = first.channels if source is a else second.channels
                with T.parallel(0, rows) as c, T.serial(0, row) as i:
                    store(y, [guard + (start + c) * row + i], source[guard + c * row + i])
    return function.get()


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
                here = tirx.all(where[axis] >= 0, where[axis] < limit)
                inside = here if inside is None else tirx.all(inside, here)
        yield inside, (lambda where=where: x[at(c, n, *where)])


def _unravel(index, shape: tuple[int, ...]) -> tuple:
    """The place of the index-th element of a tensor."""
    place = []
    for size in reversed(shape):
        place.append(tirx.floormod(index, size))
        index = tirx.floordiv(index, size)
    return tuple(reversed(place))


def _choose(index, values: list[int]):
    """values[index] for an index that is only known when the kernel runs."""
    if len(set(values)) == 1:
        return values[0]
    result = tirx.const(values[-1], "int32")
    for i, value in enumerate(values[:-1]):
        result = tirx.Select(index == i, tirx.const(value, "int32"), result)
    return result


def _if_all(conditions, read):
    return tirx.if_then_else(tirx.all(*conditions), read(), T.float32(0))


def _write_rows(dest: Flat, value: Callable, **inputs: int):
    """A kernel of tensors of these lengths that writes value(*inputs, channel, image, d, h, w) to
    each pixel."""
    C, N, (D, H, W) = dest.channels, dest.frame.batch, dest.size
    PD, PH, PW = dest.frame.pitch
    guard, row, used = dest.frame.guard, dest.frame.row, N * PD * PH * PW
    zero = T.float32(0)
    with _scheduled_function() as function:
        arguments = [tensor(name, length) for name, length in inputs.items()]
        y = tensor("y", dest.length)
        with T.sblock("root"):
            _fill_guards(dest, y)
            with T.parallel(0, C) as c:
                start = guard + c * row
                with T.grid(N, PD, PH) as (n, d, h):
                    line = start + ((n * PD + d) * PH + h) * PW
                    with T.If(tirx.all(d < D, h < H)):
                        with T.Then():
                            with T.serial(0, W) as w:
                                store(y, [line + w], value(*arguments, c, n, d, h, w))
                            _fill(y, line + W, PW - W, zero)
                        with T.Else():
                            _fill(y, line, PW, zero)
                _fill(y, start + used, row - used, zero)
    return function.get()


@contextmanager
def _scheduled_function():
    """A kernel that is fast as it is."""
    with tensor_function() as function:
        T.func_attr({"tirx.is_scheduled": True})
        yield function


def _fill_guards(dest: Flat, y) -> None:
    after = dest.frame.guard + dest.channels * dest.frame.row
    _fill(y, 0, dest.frame.guard, T.float32(0))
    _fill(y, after, dest.length - after, T.float32(0))


def _fill(buffer, start, count: int, value) -> None:
    if count:
        with T.serial(0, count) as i:
            store(buffer, [start + i], value)
