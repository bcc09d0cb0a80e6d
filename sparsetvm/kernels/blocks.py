"""Images cut into a grid of blocks, one in each lane: every kernel position is a shift by whole
vectors.

    one 4x6 image, a 2x2 grid of 2x3 blocks     four lanes: a pixel of each block side by side

        a b c | g h i                               a g m s   b h n t   c i o u
        d e f | j k l                               d j p v   e k q w   f l r x
        -------------
        m n o | s t u                               pixel (0, 1) reads its right neighbour c i o u,
        p q r | v w x                               a vector further on: no load straddles two
                                                    cache lines

Each block has a margin on all sides, which holds what its neighbours have there (zeros at the
image's border): the vector after c i o u is g . s . , for the right neighbour of c is g. This is
the dimension-lifted transpose of Henretty et al. (2011), in both directions of the image.
"""

from dataclasses import dataclass

from .frame import Flat, Frame

Pair = tuple[int, int]
"""(height, width)."""


@dataclass(frozen=True)
class BlockFrame(Frame):
    """The raster of single two-dimensional images in blocks; `pitch` counts vectors, `reach` goes
    beyond all margins.

    grid    blocks of an image
    block   pixels of a block
    back    the margin before a block; what is left of the pitch is behind it
    """

    grid: Pair
    block: Pair
    back: Pair

    @property
    def lanes(self) -> int:
        return self.grid[0] * self.grid[1]

    @property
    def strides(self) -> tuple[int, int, int, int]:
        return tuple(stride * self.lanes for stride in super().strides)

    @property
    def row(self) -> int:
        vectors = self.pitch[1] * self.pitch[2]
        return self.lanes * (vectors | 1)

    @property
    def lead(self) -> int:
        return self.back[0] * self.strides[2] + self.back[1] * self.strides[3]

    def place(self, n, d, h, w):
        lane = h // self.block[0] * self.grid[1] + w // self.block[1]
        line, pixel = h % self.block[0], w % self.block[1]
        return line * self.strides[2] + pixel * self.lanes + lane

    def pixel(self, line, column, lane):
        """(height, width) of the pixel that a lane holds; the inverse of `place`."""
        return (
            lane // self.grid[1] * self.block[0] + line,
            lane % self.grid[1] * self.block[1] + column,
        )

    def covers(self, flat: Flat) -> bool:
        """Whether every lane is a pixel."""
        return flat.size == (1, *(g * b for g, b in zip(self.grid, self.block)))


def block_frame(extent: Pair, back: Pair, ahead: Pair, touched: Pair, lanes: int) -> BlockFrame:
    """The frame with the fewest vectors for images of `extent`, then with the smallest margins.

    back, ahead   pixels of margin before and behind a block
    touched       how far out of an image kernels look that check their bounds
    """
    frames = []
    for height in range(1, lanes + 1):
        if lanes % height == 0:
            grid = (height, lanes // height)
            block = tuple(-(-n // g) for n, g in zip(extent, grid))
            pitch = (1, *(b + m + a for b, m, a in zip(block, back, ahead)))
            down, across = (-(-n // b) for n, b in zip(touched, block))
            reach = lanes + down * grid[1] + across
            frames.append(BlockFrame(1, pitch, reach, grid, block, back))
    return min(frames, key=lambda f: (f.block[0] * f.block[1], f.pitch[1] * f.pitch[2], f.grid[1]))
