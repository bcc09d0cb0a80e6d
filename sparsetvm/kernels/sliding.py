"""A window that slides over images: a tile of lines at once, each vector of x read only once.

kernel 3x3, tile of 2 lines        x line h-1    the kernel's line 0 for y line h
                                   x line h      line 1 for y h, line 0 for y h+1
                                   x line h+1    line 2 for y h, line 1 for y h+1
                                   x line h+2                    line 2 for y h+1
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from .._tvm import T, tirx
from .builder import store
from .frame import Flat, Window

MOST_LINES = 8
"""Totals that fit into the registers beside the vectors that they read."""

Size = tuple[int, int, int]


@dataclass(frozen=True)
class Raster:
    """Where images lie in memory: the first pixel, and the elements from one channel, image,
    plane and line to the next."""

    size: Size
    channels: int
    batch: int
    first: int
    steps: tuple[int, int, int, int]
    length: int

    def at(self, channel, image, plane, line, pixel):
        places = (channel, image, plane, line)
        return sum((p * step for p, step in zip(places, self.steps)), self.first + pixel)

    @property
    def line(self) -> int:
        return self.steps[-1]


def flat_raster(flat: Flat) -> Raster:
    frame = flat.frame
    steps = (frame.row, *frame.strides[:3])
    return Raster(flat.size, flat.channels, frame.batch, flat.start(0), steps, flat.length)


def plain_raster(batch: int, channels: int, size: Size) -> Raster:
    """[batch, channels, *size]"""
    D, H, W = size
    steps = (D * H * W, channels * D * H * W, H * W, W)
    return Raster(size, channels, batch, 0, steps, batch * channels * D * H * W)


@dataclass(frozen=True)
class Slide:
    """How the outputs of a window are cut: into tiles of `lines` vectors, one below the other.

    A vector holds `lanes` pixels of a line; where lines are shorter, as many whole ones as fit.
    With a stride of 2, lanes take the even or the odd elements of two vectors of x; `parity` says
    which shifts of the window are even.
    """

    source: Raster
    dest: Raster
    window: Window
    lanes: int
    parity: int = 0
    lines: int = 1

    @property
    def folded(self) -> int:
        """Lines in one vector."""
        is_same = self.source.line == self.dest.line and not self.window.is_strided
        is_narrow = self.dest.size[2] < self.lanes
        return max(1, self.lanes // self.dest.line) if is_same and is_narrow else 1

    @property
    def column(self) -> int:
        """Vectors one below the other in an image."""
        return -(-self.dest.size[1] // self.folded)

    @property
    def extents(self) -> tuple[int, int, int, int]:
        """(images, planes, tiles, vectors side by side): what to loop over."""
        D, _, W = self.dest.size
        return (self.dest.batch, D, -(-self.column // self.lines), -(-W // self.lanes))

    @property
    def written(self) -> int:
        """Elements of each line that vectors write, pixels or zeros."""
        return self.dest.line if self.folded > 1 else max(self.lanes, self.dest.size[2])

    @property
    def fits(self) -> bool:
        """Lanes are used well, no read lies outside x, and no write in the next channel's row."""
        if self.lanes == 1:
            return True
        D, _, W = self.dest.size
        stride = self.window.stride
        if stride[2] > 2 or (self.folded == 1 and 2 * W <= self.lanes):
            return False
        last = (D - 1, (self.column - 1) * self.folded, max(W - self.lanes, 0))
        written = self.dest.at(0, self.dest.batch - 1, *last) + self.lanes - self.dest.first
        reads = [offset for offset, _ in replace(self, lines=1).reads]
        corner = (self.source.channels - 1, self.source.batch - 1)
        read = self.source.at(*corner, *(n * s for n, s in zip(last, stride)))
        read += max(reads) + self.lanes * stride[2]
        return (
            written <= self.dest.steps[0]
            and read <= self.source.length
            and self.source.first + min(reads) >= 0
        )

    @property
    def cycles(self) -> float:
        """Of a column: two uses in a cycle; a read takes one, for it straddles two cache lines."""
        uses = sum(map(len, self.reads.values()))
        return self.extents[2] * (max(uses / 2, len(self.reads) * self.window.stride[2]) + 2)

    @property
    def shifts(self) -> list[Size]:
        """What each kernel position reads relative to the output's own place, times the stride."""
        window = self.window
        return [
            tuple(i * d - b for i, d, b in zip(position, window.dilation, window.before))
            for position in np.ndindex(*window.kernel)
        ]

    @cached_property
    def reads(self) -> dict[tuple[int, int], list[tuple[int, int]]]:
        """(offset in x from the tile's corner, first lane) -> its uses, (line, kernel position).

        Column after column, so that few weights are in use at a time.
        """
        found: dict[tuple[int, int], list[tuple[int, int]]] = {}
        order = sorted(enumerate(self.shifts), key=lambda item: (item[1][2], item[0]))
        for position, (plane, line, pixel) in order:
            odd = (pixel - self.parity) % 2 if self.window.stride[2] == 2 else 0
            offset = plane * self.source.steps[2] + line * self.source.line + pixel - odd
            for i in range(self.lines):
                below = i * self.folded * self.window.stride[1] * self.source.line
                found.setdefault((offset + below, odd), []).append((i, position))
        return found


def slide(source: Raster, dest: Raster, window: Window, lanes: int) -> Slide:
    """The widest vectors that fit, in tiles of the lines that take the fewest cycles."""
    while lanes > 1:
        cuts = [Slide(source, dest, window, lanes, parity) for parity in (0, 1)]
        cut = next((cut for cut in cuts if cut.fits), None)
        if cut is not None:
            break
        lanes //= 2
    else:
        cut = Slide(source, dest, window, 1)
    tiles = [replace(cut, lines=n) for n in range(1, min(MOST_LINES, cut.column) + 1)]
    return min(tiles, key=lambda tile: tile.cycles)


def write_tile(
    cut: Slide,
    x,
    y,
    channel,
    place: tuple,
    step: Callable,
    last: Callable = lambda total: total,
    outside: float | None = None,
) -> None:
    """y = last(step(... step(None, position, x there) ...)) for the pixels of one tile.

    `place` is one of cut.extents. `outside` counts for positions outside the image, where the
    zeros of x's margins will not do.
    """
    totals = [None] * cut.lines
    for value, uses in _values(cut, x, channel, place, outside):
        for i, position in uses:
            totals[i] = T.bind(step(totals[i], position, value))
    for i, total in enumerate(totals):
        _write(cut, y, channel, place, i, last(total))


def write_apart(cut: Slide, x, y, channel, rows: dict, place: tuple) -> None:
    """y[rows[position]] = x at that position, 0 outside the image, for the pixels of one tile."""
    for value, uses in _values(cut, x, channel, place, outside=0.0):
        for i, position in uses:
            if position in rows:
                _write(cut, y, rows[position], place, i, value)


def span(start, lanes: int):
    """The places from `start` on, one for each lane."""
    return tirx.Ramp(start, 1, lanes) if lanes > 1 else start


def spread(value, lanes: int):
    """The number in every lane."""
    return tirx.Broadcast(value, lanes) if lanes > 1 else value


def _values(cut: Slide, x, channel, place: tuple, outside: float | None) -> Iterator[tuple]:
    """Every vector that a tile reads, with its uses."""
    image, corner = place[0], _corner(cut, place)
    start = cut.source.at(channel, image, *(p * s for p, s in zip(corner, cut.window.stride)))
    for (offset, odd), uses in cut.reads.items():
        value = _read(cut, x, start + offset, odd)
        if outside is not None:
            value = _where(cut, _inside(cut, corner, *uses[0]), value, outside)
        yield T.bind(value), uses


def _write(cut: Slide, y, channel, place: tuple, i: int, value) -> None:
    """The i-th vector of a tile, zero where it holds no pixel."""
    plane, line, pixel = _corner(cut, place)
    line = line + i * cut.folded
    to = cut.dest.at(channel, place[0], plane, line, pixel)
    store(y, [span(to, cut.lanes)], _where(cut, _pixels(cut, line), value, 0.0))


def _corner(cut: Slide, place: tuple) -> tuple:
    """(plane, line, pixel) of y where a tile begins; the last ones overlap those before."""
    _, plane, tile, vector = place
    _, _, tiles, vectors = cut.extents
    line = _least(tile * cut.lines, cut.column - cut.lines, tiles) * cut.folded
    return plane, line, _least(vector * cut.lanes, max(cut.dest.size[2] - cut.lanes, 0), vectors)


def _least(index, limit: int, extent: int):
    """min(index, limit) for an index below `extent`; 0 where there is only one."""
    return tirx.min(index, limit) if extent > 1 else 0


def _read(cut: Slide, x, start, odd: int):
    if cut.lanes == 1 or cut.window.stride[2] == 1:
        return x[span(start + odd, cut.lanes)]
    halves = [x[span(start, cut.lanes)], x[span(start + cut.lanes, cut.lanes)]]
    return tirx.Shuffle(halves, list(range(odd, 2 * cut.lanes, 2)))


def _lane(cut: Slide) -> tuple:
    """(lines below, pixels right of) the vector's first, for each lane."""
    lane = span(0, cut.lanes)
    if cut.folded == 1:
        return 0, lane
    line = spread(tirx.const(cut.dest.line, "int32"), cut.lanes)
    return tirx.floordiv(lane, line), tirx.floormod(lane, line)


def _pixels(cut: Slide, line) -> list:
    """Conditions for a lane of a vector of y to be a pixel."""
    _, H, W = cut.dest.size
    down, right = _lane(cut)
    is_pixel = [] if cut.folded == 1 and cut.lanes <= W else [right < W]
    return is_pixel + ([] if H % cut.folded == 0 else [line + down < H])


def _inside(cut: Slide, place: tuple, i: int, position: int) -> list:
    """Conditions for a lane of a vector of x to be inside the image."""
    plane, line, pixel = place
    down, right = _lane(cut)
    lanes = (plane, line + i * cut.folded + down, pixel + right)
    shift, conditions = cut.shifts[position], []
    axes = zip(lanes, shift, cut.window.stride, cut.source.size, cut.dest.size)
    for lane, shift, stride, size, outputs in axes:
        if shift < 0:
            conditions.append(lane * stride + shift >= 0)
        if shift + (outputs - 1) * stride >= size:
            conditions.append(lane * stride + shift < size)
    return conditions


def _where(cut: Slide, conditions: list, value, other: float):
    """The value where all conditions hold. A lone lane is not even read elsewhere: with vectors,
    cut.fits has seen to that."""
    if cut.lanes == 1:
        number = T.float32(other)
        return tirx.if_then_else(tirx.all(*conditions), value, number) if conditions else value
    for condition in conditions:
        value = tirx.Select(condition, value, spread(T.float32(other), cut.lanes))
    return value
