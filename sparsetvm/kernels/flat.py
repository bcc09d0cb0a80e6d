"""What surrounds the operator: change of raster, pooling, mean, concatenation, depthwise.

All of them write whole rows, margins included, one channel after the other.
"""

from collections.abc import Callable
from contextlib import contextmanager
from functools import partial
from math import prod

import numpy as np

from .._tvm import T, tirx
from .builder import store, tensor, tensor_function
from .frame import Flat, Window
from .margins import Margins
from .pixels import at, largest, lie_in_blocks, phase, window_of, write_blocks
from .sliding import (
    Raster,
    flat_raster,
    plain_raster,
    slide,
    span,
    spread,
    write_apart,
    write_tile,
)

SMALL = 1 << 15
"""Elements that one thread handles before a second one has begun (some microseconds)."""

MEAN_RUN = 16
"""Vectors whose sum is taken at once."""

Size = tuple[int, int, int]


def from_plain(
    dest: Flat, channels: int, size: Size, stride: Size, phases: tuple[Size, ...], lanes: int
):
    """plain [batch, channels, *size] -> flat; one row for each (channel, phase), see _phases."""
    source = plain_raster(dest.frame.batch, channels, size)
    if lie_in_blocks(dest):
        return _write_pixels(dest, phase(source.at, size, stride, phases), x=source.length)
    return _phases(dest, source, stride, phases, lanes)


def from_flat(dest: Flat, source: Flat, stride: Size, phases: tuple[Size, ...], lanes: int):
    """flat -> flat in another frame; one row for each (channel, phase), see _phases."""
    if lie_in_blocks(dest, source):
        value = phase(partial(at, source), source.size, stride, phases)
        return _write_pixels(dest, value, x=source.length)
    return _phases(dest, flat_raster(source), stride, phases, lanes)


def _phases(dest: Flat, source: Raster, stride: Size, phases: tuple[Size, ...], lanes: int):
    """A strided layer reads every stride-th pixel: each phase of the input becomes an image of
    its own.

    a b c d e   stride 2, phases 0 and 1   ->   a c e   and   b d .
    """
    window = Window(tuple(max(axis) + 1 for axis in zip(*phases, strict=True)), stride)
    positions = [int(np.ravel_multi_index(phase, window.kernel)) for phase in phases]
    cut = slide(source, flat_raster(dest), window, lanes)
    with _scheduled_function() as function:
        x, y = tensor("x", source.length), tensor("y", dest.length)
        with T.sblock("root"):
            _fill_guards(dest, y)
            with _rows(source.channels, dest) as c:
                rows = {place: c * len(phases) + i for i, place in enumerate(positions)}
                with T.grid(*cut.extents) as place:
                    write_apart(cut, x, y, c, rows, place)
                for row in rows.values():
                    _fill_margins(y, dest, row, cut.written)
    return function.get()


def to_plain(source: Flat, shape: tuple[int, ...]):
    """flat -> plain, of `shape`: [batch, channels, *size], or [..., features] of samples."""
    N, C, (D, H, W) = source.frame.batch, source.channels, source.size
    with _scheduled_function() as function:
        x, y = tensor("x", source.length), tensor("y", *shape)
        with T.sblock("root"), _rows(N * C, source) as row, T.grid(D, H, W) as (d, h, w):
            index = ((row * D + d) * H + h) * W + w
            store(y, _unravel(index, shape), x[at(source, row % C, row // C, d, h, w)])
    return function.get()


def max_pool(dest: Flat, source: Flat, window: Window, lanes: int):
    """The largest of each window; what lies outside the image does not count."""
    if lie_in_blocks(dest, source):
        return _write_pixels(dest, largest(dest, source, window), x=source.length)
    cut = slide(flat_raster(source), flat_raster(dest), window, lanes)

    def larger(best, _position, value):
        return value if best is None else tirx.max(best, value)

    with _scheduled_function() as function:
        x, y = tensor("x", source.length), tensor("y", dest.length)
        with T.sblock("root"):
            _fill_guards(dest, y)
            with _rows(dest.channels, dest) as c:
                with T.grid(*cut.extents) as place:
                    write_tile(cut, x, y, c, place, larger, outside=float("-inf"))
                _fill_margins(y, dest, c, cut.written)
    return function.get()


def avg_pool(dest: Flat, source: Flat, window: Window, count_padding: bool):
    """The mean of each window, over the whole window or over its part inside the image."""

    def value(x, c, n, d, h, w):
        total, count = T.float32(0), T.float32(0)
        for inside, read in window_of(x, source, window, dest.size, (c, n, d, h, w)):
            one = read if inside is None else tirx.Select(inside, read, T.float32(0))
            total = total + one
            here = inside is None or count_padding
            count = count + (
                T.float32(1) if here else tirx.Select(inside, T.float32(1), T.float32(0))
            )
        return total / count

    return _write_pixels(dest, value, x=source.length)


def depthwise(dest: Flat, source: Flat, window: Window, activate: Callable, lanes: int):
    """One kernel per channel: y[c] = activate(bias[c] + sum over the window of weight[c, place] *
    x[c])."""
    C, K = source.channels, prod(window.kernel)
    cut = slide(flat_raster(source), flat_raster(dest), window, lanes)
    with _scheduled_function() as function:
        x, weight = tensor("x", source.length), tensor("weight", C * K)
        bias, y = tensor("bias", C), tensor("y", dest.length)
        with T.sblock("root"):
            _fill_guards(dest, y)
            with _rows(C, dest) as c:

                def add(total, position, value):
                    start = spread(bias[c], cut.lanes) if total is None else total
                    return start + spread(weight[c * K + position], cut.lanes) * value

                with T.grid(*cut.extents) as place:
                    write_tile(cut, x, y, c, place, add, activate)
                _fill_margins(y, dest, c, cut.written)
    return function.get()


def mean(source: Flat, shape: tuple[int, ...], lanes: int):
    """flat -> plain, of `shape`: the mean over all pixels of each channel of each image.

    Margins hold zeros: an image is one run of elements, cut into vectors, and these into runs.
    """
    if lie_in_blocks(source):
        return _mean_of_pixels(source, shape)
    N, C, raster = source.frame.batch, source.channels, flat_raster(source)
    length = raster.at(0, 0, *(n - 1 for n in source.size)) + 1 - raster.first
    run = MEAN_RUN * lanes
    with _scheduled_function() as function:
        x, y = tensor("x", source.length), tensor("y", *shape)

        def total(start, count: int):
            vectors = [x[span(start + i, lanes)] for i in range(0, count - lanes + 1, lanes)]
            numbers = [x[start + i] for i in range(len(vectors) * lanes, count)]
            return sum(numbers, _sum_of_lanes(sum(vectors), lanes) if vectors else T.float32(0))

        with T.sblock("root"), T.serial(0, N * C) as row:  # little to do: one addition each
            place, start = _unravel(row, shape), raster.at(row % C, row // C, 0, 0, 0)
            store(y, place, total(start + length // run * run, length % run))
            with T.serial(0, length // run) as i:
                store(y, place, y[place] + total(start + i * run, run))
            store(y, place, y[place] * T.float32(1 / prod(source.size)))
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
                with _rows(rows, dest) as c, T.serial(0, row) as i:
                    store(y, [guard + (start + c) * row + i], source[guard + c * row + i])
    return function.get()


def _sum_of_lanes(vector, lanes: int):
    """Halves added, again and again, until one lane is left."""
    while lanes > 1:
        vector = T.bind(vector)
        lanes //= 2
        low, high = range(lanes), range(lanes, 2 * lanes)
        vector = _lanes_of(vector, low) + _lanes_of(vector, high)
    return vector


def _lanes_of(vector, lanes):
    """These lanes of a vector; of one, the number in it."""
    return tirx.Shuffle([vector], list(lanes))


def _unravel(index, shape: tuple[int, ...]) -> tuple:
    """The place of the index-th element of a tensor."""
    place = []
    for size in reversed(shape):
        place.append(tirx.floormod(index, size))
        index = tirx.floordiv(index, size)
    return tuple(reversed(place))


def _mean_of_pixels(source: Flat, shape: tuple[int, ...]):
    N, C, size = source.frame.batch, source.channels, source.size
    with _scheduled_function() as function:
        x, y = tensor("x", source.length), tensor("y", *shape)
        with T.sblock("root"), T.serial(0, N * C) as row:
            place = _unravel(row, shape)
            store(y, place, T.float32(0))
            with T.grid(*size) as pixel:
                store(y, place, y[place] + x[at(source, row % C, row // C, *pixel)])
            store(y, place, y[place] * T.float32(1 / prod(size)))
    return function.get()


def _write_pixels(dest: Flat, value: Callable, **inputs: int):
    """A kernel of tensors of these lengths that writes value(*inputs, channel, image, d, h, w) to
    each pixel."""
    with _scheduled_function() as function:
        arguments = [tensor(name, length) for name, length in inputs.items()]
        y = tensor("y", dest.length)
        with T.sblock("root"):
            if not lie_in_blocks(dest):
                _fill_guards(dest, y)
            with _rows(dest.channels, dest) as c:
                if lie_in_blocks(dest):
                    write_blocks(y, dest, c, partial(value, *arguments))
                else:
                    with T.grid(dest.frame.batch, *dest.size) as (n, d, h, w):
                        place = at(dest, c, n, d, h, w)
                        store(y, [place], value(*arguments, c, n, d, h, w))
                    _fill_margins(y, dest, c, dest.size[2])
    if lie_in_blocks(dest):
        return Margins(dest.frame, dest.channels, lanes=0).written_by(function.get())
    return function.get()


def _rows(count: int, place: Flat):
    """The loop over channels: on all threads, where that gains more than it takes to call them."""
    is_small = place.length < SMALL
    return T.serial(0, count) if is_small else T.parallel(0, count)


def _fill_guards(dest: Flat, y) -> None:
    after = dest.frame.guard + dest.channels * dest.frame.row
    _fill(y, 0, dest.frame.guard)
    _fill(y, after, dest.length - after)


def _fill_margins(y, dest: Flat, c, written: int) -> None:
    """Zeros in a row after the first `written` elements of each line, the last line of each
    plane, the last plane of each image, and the last image."""
    N, (D, H, _) = dest.frame.batch, dest.size
    image, plane, line, _ = dest.frame.strides
    with T.grid(N, D) as (n, d):
        if line > written:
            with T.serial(0, H) as h:
                _fill(y, at(dest, c, n, d, h, written), line - written)
        _fill(y, at(dest, c, n, d, H, 0), plane - H * line)
    with T.serial(0, N) as n:
        _fill(y, at(dest, c, n, D, 0, 0), image - D * plane)
    _fill(y, at(dest, c, N, 0, 0, 0), dest.frame.row - N * image)


@contextmanager
def _scheduled_function():
    """A kernel that is fast as it is."""
    with tensor_function() as function:
        T.func_attr({"tirx.is_scheduled": True})
        yield function


def _fill(buffer, start, count: int) -> None:
    """Zeros."""
    if count:
        with T.serial(0, count) as i:
            store(buffer, [start + i], T.float32(0))
