"""Where an activation's elements lie: one flat row per channel, with margins that neighbours share.

    one 3x3 image, margin 1, pitch 4x4       row of one channel (length 16)

        a b c .                              a b c . d e f . g h i . . . . .
        d e f .
        g h i .                              one pad column between rows, one pad row between
        . . . .                              channels: the end of one is the start of the next

A kernel position is then a constant shift. Every image is seen as three-dimensional (depth, height,
width, with leading ones); the images of a batch follow each other in the row. Guards before the
first row and after the last hold the zeros that kernels reach to.
"""

from dataclasses import dataclass
from math import prod

import numpy as np

ALIGN = 16
"""Rows begin at multiples of this many elements (64 bytes), the widest vector of any target."""


def round_up(n: int, multiple: int) -> int:
    return -(-n // multiple) * multiple


@dataclass(frozen=True)
class Frame:
    """The common raster of activations that flow into each other without being copied.

    batch   images in each row
    pitch   elements from one (plane, line, pixel) to the next, as counts: (planes, lines, pixels)
    reach   the farthest that any kernel position looks back or ahead
    """

    batch: int
    pitch: tuple[int, int, int]
    reach: int

    @property
    def strides(self) -> tuple[int, int, int, int]:
        """Elements from one image, plane, line and pixel to the next."""
        planes, lines, pixels = self.pitch
        return (planes * lines * pixels, lines * pixels, pixels, 1)

    @property
    def image(self) -> int:
        """Elements of one image, margins included."""
        return prod(self.pitch)

    @property
    def row(self) -> int:
        """Elements from one channel to the next: an odd number of cache lines, so that channels
        spread over all cache sets (vectors when the row is shorter than a line)."""
        needed = self.batch * prod(self.pitch)
        if needed < ALIGN:
            return needed
        lines = round_up(needed, ALIGN) // ALIGN
        return ALIGN * (lines | 1 if lines > 8 else lines)

    @property
    def guard(self) -> int:
        return round_up(self.reach, ALIGN)

    @property
    def lead(self) -> int:
        """Elements from the start of a channel's row to its first pixel."""
        return 0

    def place(self, n, d, h, w):
        """Elements from a channel's first pixel to pixel (d, h, w) of image n; numbers, arrays or
        expressions."""
        images, planes, lines, _ = self.strides
        return n * images + d * planes + h * lines + w

    def start(self, channel):
        """Where the first pixel of a channel lies in an activation."""
        return self.guard + self.lead + channel * self.row

    def length(self, channels: int) -> int:
        """Elements of a whole activation, guards and one vector of slack included."""
        return self.guard + channels * self.row + self.guard + ALIGN


@dataclass(frozen=True)
class Flat:
    """An activation laid out in a frame: `channels` rows with images of `size` (depth, height,
    width).

    It may be a part of a longer one of `rows` channels: those from `first` on.
    """

    frame: Frame
    channels: int
    size: tuple[int, int, int]
    first: int = 0
    rows: int | None = None

    @property
    def length(self) -> int:
        """Elements in memory: of the longer one, if it is a part."""
        return self.frame.length(self.channels if self.rows is None else self.rows)

    def start(self, channel):
        """Where the first pixel of a channel lies in memory."""
        return self.frame.start(self.first + channel)

    @property
    def positions(self) -> int:
        """Elements of a row from the first pixel to the last: what a kernel must compute."""
        return 1 + int(self.index.max())

    @property
    def index(self) -> np.ndarray:
        """int64 [batch, depth, height, width]: where each pixel lies in its row."""
        return self.frame.place(*np.ix_(*map(np.arange, (self.frame.batch, *self.size))))

    @property
    def has_margins(self) -> bool:
        return self.positions != self.frame.batch * prod(self.size)


@dataclass(frozen=True)
class Window:
    """What a layer or a pool sees of its input, per axis (depth, height, width)."""

    kernel: tuple[int, int, int]
    stride: tuple[int, int, int] = (1, 1, 1)
    before: tuple[int, int, int] = (0, 0, 0)
    dilation: tuple[int, int, int] = (1, 1, 1)

    @property
    def is_strided(self) -> bool:
        return max(self.stride) > 1

    @property
    def taps(self) -> list[tuple[tuple[int, int, int], tuple[int, int, int]]]:
        """(phase, shift) of each kernel position, in order: output o reads pixel o + shift of
        that phase.

        stride 2, kernel 3, before 1  ->  (1, -1) (0, 0) (1, 0)
        """
        positions = np.ndindex(*self.kernel)
        steps = [
            [i * d - b for i, d, b in zip(position, self.dilation, self.before)]
            for position in positions
        ]
        return [
            (
                tuple(t % s for t, s in zip(step, self.stride)),
                tuple(t // s for t, s in zip(step, self.stride)),
            )
            for step in steps
        ]

    @property
    def phases(self) -> tuple[tuple[int, int, int], ...]:
        """The phases that any kernel position reads; (0, 0, 0) alone without a stride."""
        return tuple(sorted({phase for phase, _ in self.taps}))

    @property
    def extent(self) -> tuple[int, int, int]:
        """Pixels from the first to one past the last that a window sees."""
        return tuple((k - 1) * d + 1 for k, d in zip(self.kernel, self.dilation))

    def phase_size(self, size: tuple[int, int, int]) -> tuple[int, int, int]:
        """The size of an input image's largest phase."""
        return tuple(-(-n // s) for n, s in zip(size, self.stride))

    def pitch(self, size: tuple[int, int, int], output: tuple[int, int, int]) -> tuple[int, ...]:
        """The least pitch at which no output reads a neighbour's pixels for its own margin."""
        shifts = np.array([shift for _, shift in self.taps])
        back, ahead = -np.minimum(shifts.min(0), 0), np.maximum(shifts.max(0), 0)
        return tuple(
            int(max(n + b, o + a)) for n, o, b, a in zip(self.phase_size(size), output, back, ahead)
        )
