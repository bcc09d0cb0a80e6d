"""The operator in the Winograd domain: x transformed, a gather-GEMM for each point, y back."""

from contextlib import contextmanager
from dataclasses import dataclass
from typing import ClassVar

from .._tvm import T, tirx
from .builder import store, tensor, tensor_function
from .cut import Cut, Work, tiles
from .epilogue import activation
from .frame import ALIGN, Frame, round_up
from .transforms import Domain
from .vectors import Vectors


@dataclass(frozen=True)
class Winograd:
    """The static extents of one kernel, stride 1; layers that agree in all of them share it.

    frame     of input and output
    outputs   channels of the output: filters that groups repeat are not counted twice
    before    margins before the image (planes, lines, pixels) that the filter reaches into
    epilogue  what follows, as in ir.Layer
    """

    work: Work
    frame: Frame
    before: tuple[int, int, int]
    epilogue: tuple[str, ...]
    lanes: int
    cut: Cut
    outputs: int

    kind: ClassVar[str] = "winograd"

    @property
    def facts(self) -> dict[str, int | str]:
        """As those of kernels/gather_gemm.py."""
        return {
            "kind": self.kind,
            "groups": self.work.groups,
            "filters": self.work.filters,
            "blocks": self.points,
            "columns": self.work.columns,
        }

    @property
    def points(self) -> int:
        """Multiplications of one tile, gather-GEMMs of one layer."""
        return self.work.domain.points

    @property
    def tiles(self) -> tuple[int, int, int]:
        """Planes, rows and columns of tiles in an image."""
        return tiles(self.work.domain, self.work.size)

    @property
    def bands(self) -> int:
        """Rows of tiles in all images."""
        return self.frame.batch * self.tiles[0] * self.tiles[1]

    @property
    def segment(self) -> int:
        """Tiles side by side in a chunk."""
        return self.tiles[2] // self.cut.segments

    @property
    def width(self) -> int:
        """Tiles that a chunk computes, whole vectors."""
        return round_up(self.cut.bands * self.segment, self.lanes)

    @property
    def room(self) -> int:
        """Elements of u that hold a chunk's tiles: the last band's vectors may reach past them."""
        last = (self.cut.bands - 1) * self.segment + self.last + self.lanes
        return max(self.width, round_up(last, self.lanes))

    @property
    def slack(self) -> int:
        """Pixels before a band's first: a vector longer than a band may have to begin earlier."""
        return self.lanes * self.work.domain.plane.outputs if self.segment < self.lanes else 0

    @property
    def rounds(self) -> int:
        """R."""
        return self.work.groups // self.cut.groups

    @property
    def chunks(self) -> int:
        return -(-self.bands // self.cut.bands) * self.cut.segments

    @property
    def last(self) -> int:
        """The first tile of a segment's last vector, which may overlap the one before."""
        return max(self.segment - self.lanes, 0)


def reach(domain: Domain) -> tuple[int, int, int]:
    """How far past an image (planes, lines, pixels) vectors of input are loaded at most."""
    plane = domain.plane
    return (domain.depth.points + domain.slices - 2, plane.points, (plane.outputs + 1) * ALIGN)


def winograd(shape: Winograd):
    """The unscheduled PrimFunc

        u[p, c, t]    = (BT @ tile t of source c @ B)[p]
        m[g, b, p, t] = sum over k of values[r, p, g, k, b] * u[p, source[r, g, k], t]
        y[row[r, g, b] + tile t] = epilogue(AT @ m[g, b, :, t] @ A + bias[r, g, b])

    x         float32 [length]              the input activation, flat (kernels/frame.py)
    values    float32 [R, points, G, K, B]  transformed filters, in the order of their use
    source    int32   [R, G, K]             which ones a group keeps
    row       int32   [R, G, B]             where a filter's first pixel lies in y
    bias      float32 [R, G, B]
    residual  float32 [length]              only with 'add' in the epilogue; laid out as y
    y         float32 [length]              margins between pixels are written too

    A source is a channel of x. A kernel with several planes is transformed from plane to plane
    too, there and back; or these stay apart, and a source is x[channel], as many planes further
    (domain.slices).

    Lanes run over tiles side by side. A chunk of tiles is transformed, then multiplied and
    transformed back in R rounds of G groups, so that u and m stay in cache.
    """
    work, P, F, S, W = shape.work, shape.points, shape.frame, shape.width, shape.room
    R, G, B, K, C = shape.rounds, shape.cut.groups, work.filters, work.columns, work.sources
    with tensor_function() as function:
        x = tensor("x", F.length(work.channels))
        values = tensor("values", R, P, G, K, B)
        source = tensor("source", R, G, K, dtype="int32")
        row = tensor("row", R, G, B, dtype="int32")
        bias = tensor("bias", R, G, B)
        length = F.length(shape.outputs)
        residual = tensor("residual", length) if "add" in shape.epilogue else None
        y = tensor("y", length)
        read = [x, values, source, row, bias] + ([] if residual is None else [residual])

        with T.grid(shape.cut.parts, shape.chunks) as loops, T.sblock("chunk"):
            part, chunk = T.axis.remap("SS", loops)
            T.reads(*map(_whole, read))
            T.writes(_whole(y))
            # in one dimension, which TVM leaves as it is; one source more than there are, else
            # all points' vectors fall into one cache set
            u = T.sblock_alloc_buffer((P, (C + 1) * W))

            with T.grid(C, shape.cut.bands) as loops, T.sblock("input"):
                c, band = T.axis.remap("SS", loops)
                T.reads(_whole(x))
                T.writes(u[0:P, c * W : (c + 1) * W])
                start = _source(shape, c) + _corner(shape, chunk, band)
                _transform_input(shape, x, start, u, c * W + band * shape.segment)

            with T.grid(R // shape.cut.parts) as loop, T.sblock("round"):
                r = T.axis.spatial(R, part * (R // shape.cut.parts) + loop)
                T.reads(_whole(u), *map(_whole, read[1:]))
                T.writes(_whole(y))
                m = T.sblock_alloc_buffer((G, B, P, S))  # a filter's points side by side

                with T.grid(P, G, B, S, K) as loops, T.sblock("gather_gemm"):
                    T.sblock_attr({"sparsity": shape.facts})
                    p, g, b, s, k = T.axis.remap("SSSSR", loops)
                    T.reads(values[r, p, g, k, b], source[r, g, k], u[p, 0 : C * W])
                    T.writes(m[g, b, p, s])
                    with T.init():
                        store(m, [g, b, p, s], T.float32(0))
                    product = values[r, p, g, k, b] * u[p, source[r, g, k] * W + s]
                    store(m, [g, b, p, s], m[g, b, p, s] + product)

                with T.grid(G, B, shape.cut.bands) as loops, T.sblock("output"):
                    g, b, band = T.axis.remap("SSS", loops)
                    T.reads(m[g, b, 0:P, 0:S], *map(_whole, read[3:]))
                    T.writes(_whole(y))
                    lines = _transform_output(shape, m, g, b, band)
                    place, constant = row[r, g, b], bias[r, g, b]
                    _write(shape, lines, chunk, band, y, place, constant, residual)
    return function.get()


def _band(shape: Winograd, chunk, band):
    """(image, plane of tiles, row of tiles, segment) of one band of a chunk."""
    index = tirx.floordiv(chunk, shape.cut.segments) * shape.cut.bands + band
    segment = tirx.floormod(chunk, shape.cut.segments)
    if shape.bands % shape.cut.bands:
        index = tirx.min(index, shape.bands - 1)  # the last chunk is short: it repeats a band
    planes, rows, _ = shape.tiles
    image, index = tirx.floordiv(index, planes * rows), tirx.floormod(index, planes * rows)
    return image, tirx.floordiv(index, rows), tirx.floormod(index, rows), segment


def _source(shape: Winograd, c):
    """Where in x the row of a source begins."""
    frame, slices = shape.frame, shape.work.domain.slices
    if slices == 1:
        return frame.guard + c * frame.row
    plane = tirx.floormod(c, slices) * frame.strides[1]
    return frame.guard + tirx.floordiv(c, slices) * frame.row + plane


def _corner(shape: Winograd, chunk, band):
    """Where in a row of x the first tile of a band begins."""
    image, plane, line, segment = _band(shape, chunk, band)
    images, planes, lines, _ = shape.frame.strides
    d, m, _ = shape.work.domain.outputs
    back, up, left = shape.before
    start = image * images + (plane * d - back) * planes + (line * m - up) * lines
    return start + segment * (shape.segment * m) - left


def _transform_input(shape: Winograd, x, start, u, place) -> None:
    """Columns first, while vectors are still neighbours; then every m-th pixel makes a vector."""
    vectors, tile, depth = Vectors(shape.lanes), shape.work.domain.plane, shape.work.domain.depth
    m, points, pitch = tile.outputs, tile.points, shape.frame.pitch[-1]
    with _starts(shape) as first:
        planes = _across_planes(shape, x, start + first * m) if depth.points > 1 else None

        def load(p, i, pixel):
            if planes is None:
                return vectors.load(x, start + i * pitch + first * m + pixel)
            return vectors.load(planes, p, i, pixel)

        with T.serial(0, depth.points) as p:
            lines = [[load(p, i, j * shape.lanes) for j in range(m + 1)] for i in range(points)]
            columns = [vectors.transform(tile.BT, column) for column in zip(*lines)]
            for i, (*line, following) in enumerate(zip(*columns)):
                pixels = vectors.apart(line)
                for j in range(points - m):  # pixel m + j is pixel j of the next tile
                    pixels.append(vectors.moved(pixels[j], following, j))
                for j, value in enumerate(vectors.transform(tile.BT, pixels)):
                    store(u, [(p * points + i) * points + j, vectors.at(place + first)], value)


def _across_planes(shape: Winograd, x, start):
    """Transformed from plane to plane: what a vector of tiles sees, float32 [points, lines,
    pixels]."""
    vectors, depth, tile = Vectors(shape.lanes), shape.work.domain.depth, shape.work.domain.plane
    lines, across, (_, plane, pitch, _) = tile.points, tile.outputs + 1, shape.frame.strides
    planes = T.sblock_alloc_buffer((depth.points, lines, across * shape.lanes), scope="local")
    with T.grid(lines, across) as (i, j):
        first = start + i * pitch + j * shape.lanes
        seen = [vectors.load(x, first + d * plane) for d in range(depth.points)]
        for p, value in enumerate(vectors.transform(depth.BT, seen)):
            store(planes, [p, i, vectors.at(j * shape.lanes)], value)
    return planes


def _transform_output(shape: Winograd, m, g, b, band):
    """The lines of pixels of a band, float32 [points in depth, lines, pixels]; the first is at
    `slack`."""
    vectors, tile, depth = Vectors(shape.lanes), shape.work.domain.plane, shape.work.domain.depth
    outputs, points = tile.outputs, tile.points
    pixels = shape.slack + (shape.last + shape.lanes) * outputs
    lines = T.sblock_alloc_buffer((depth.points, outputs, pixels), scope="local")
    with _starts(shape) as first, T.serial(0, depth.points) as p:
        begin = band * shape.segment
        place = tirx.min(begin + first, shape.width - shape.lanes)
        columns = []
        for j in range(points):
            column = [
                vectors.load(m, g, b, (p * points + i) * points + j, place) for i in range(points)
            ]
            columns.append(vectors.transform(tile.AT, column))
        for i, line in enumerate(zip(*columns)):
            for j, value in enumerate(vectors.together(vectors.transform(tile.AT, line))):
                pixel = shape.slack + (place - begin) * outputs + j * shape.lanes
                store(lines, [p, i, vectors.at(pixel)], value)
    return lines


def _write(shape: Winograd, lines, chunk, band, y, row, bias, residual) -> None:
    """Pixels with their epilogue, zeros in the margins right of, below and behind the image."""
    (planes, height, width), strides = shape.work.size, shape.frame.strides
    domain, activate = shape.work.domain, activation(shape.epilogue)
    depth, m, _ = domain.outputs
    image, plane, line, segment = _band(shape, chunk, band)
    pixels = width // shape.cut.segments

    def one_line(start) -> None:
        first = start + segment * pixels
        with T.serial(0, pixels) as w:
            points = [lines[p, i, shape.slack + w] for p in range(domain.depth.points)]
            value = _sum(domain.depth.AT[d], points) + bias
            if residual is not None:
                value = value + residual[first + w]
            store(y, [first + w], activate(value))
        _zeros(y, start + width, strides[2] - width)

    below = strides[1] - height * strides[2]
    for d in range(depth):
        corner = row + image * strides[0] + (plane * depth + d) * strides[1]
        with _where(plane * depth + d < planes, planes % depth == 0):
            for i in range(m):
                with _where(line * m + i < height, height % m == 0):
                    one_line(corner + (line * m + i) * strides[2])
            with _where(line == shape.tiles[1] - 1, not below):
                _zeros(y, corner + height * strides[2], below)
    behind = strides[0] - planes * strides[1]
    is_last = tirx.all(plane == shape.tiles[0] - 1, line == shape.tiles[1] - 1)
    with _where(is_last, not behind):
        _zeros(y, row + image * strides[0] + planes * strides[1], behind)


@contextmanager
def _where(condition, always: bool):
    """What follows where the condition holds; at once where that is known."""
    if always:
        yield
    else:
        with T.If(condition), T.Then():
            yield


@contextmanager
def _starts(shape: Winograd):
    """A loop over the vectors of a segment: the first tile of each."""
    with T.serial(0, -(-shape.segment // shape.lanes)) as i:
        yield tirx.min(i * shape.lanes, shape.last)


def _sum(factors, values: list):
    """The sum of factor * value."""
    terms = [v if f == 1 else v * T.float32(f) for f, v in zip(factors, values) if f]
    return sum(terms[1:], terms[0])


def _zeros(y, start, count: int) -> None:
    if count:
        with T.serial(0, count) as i:
            store(y, [start + i], T.float32(0))


def _whole(buffer):
    return buffer[tuple(slice(0, int(n)) for n in buffer.shape)]
