"""The input gradient: a gather-GEMM with filters and channels swapped, added bundle by bundle."""

from dataclasses import dataclass

from .._tvm import T, tirx
from .builder import store, tensor, tensor_function
from .tile import Tile
from .vectors import Vectors

RUN = 1 << 14
"""Values that one thread takes at a time."""


@dataclass(frozen=True)
class InputGradient:
    """The static extents of one kernel; layers that agree in all of them share it.

    bundles J, channels C (of one bundle), columns K   a bundle's channels meet the same columns
    rows      channels of x, and one more, the last: it is for what only fills up, and stays zero
    start, row, vectors   where the first row of dx begins, elements to the next, vectors in each
    dy_length, dx_length  elements of both activations
    lanes     positions in a vector
    tile      vectors by channels whose sums are in registers; its channels divide C
    block     tiles of positions that meet one bundle after the other
    """

    bundles: int
    channels: int
    columns: int
    rows: int
    start: int
    row: int
    vectors: int
    dy_length: int
    dx_length: int
    lanes: int
    tile: Tile
    block: int


def input_gradient(shape: InputGradient):
    """The PrimFunc, fast as it is,

        dx[place[j, c] + s] = mask[s] * sum over j, c, k of values[j, k, c] * dy[offset[j, k] + s]

    dy       float32 [dy_length]            the output's gradient, flat (kernels/frame.py)
    values   float32 [J, K, C]              the weights that stay
    offset   int32   [J, K]                 where lane 0 of a column lies in dy
    place    int32   [J, C]                 where lane 0 of a channel lies in dx
    mask     float32 [vectors * lanes]      1 where a lane is a pixel of x
    dx       float32 [dx_length]            laid out as x

    A bundle is what a group of filters does to channels of which it keeps the same kernel
    positions: its sums are added to what other bundles gave those channels, in the first caches.
    """
    J, K, C = shape.bundles, shape.columns, shape.channels
    lanes, tile = shape.lanes, shape.tile
    vectors, width = Vectors(lanes), tile.vectors
    block = shape.block * width
    with tensor_function() as function:
        T.func_attr({"tirx.is_scheduled": True})
        dy, values = tensor("dy", shape.dy_length), tensor("values", J, K, C)
        offset = tensor("offset", J, K, dtype="int32")
        place = tensor("place", J, C, dtype="int32")
        mask = tensor("mask", shape.vectors * lanes)
        dx = tensor("dx", shape.dx_length)

        def bundle(j, channel, first, count: int):
            """`count` vectors by a slice of channels."""
            sums = T.sblock_alloc_buffer((tile.filters * count * lanes,), scope="local")
            places = [(c, v) for c in range(tile.filters) for v in range(count)]

            def total(c: int, v: int):
                return vectors.at((c * count + v) * lanes)

            rows = [T.bind(place[j, channel + c]) for c in range(tile.filters)]
            for c, v in places:
                store(sums, [total(c, v)], dx[vectors.at(rows[c] + (first + v) * lanes)])
            with T.serial(0, K) as k:
                start = T.bind(offset[j, k])
                read = [vectors.load(dy, start + (first + v) * lanes) for v in range(count)]
                for c in range(tile.filters):
                    value = T.bind(T.Broadcast(values[j, k, channel + c], lanes))
                    for v in range(count):
                        store(sums, [total(c, v)], sums[total(c, v)] + value * read[v])
            for c, v in places:
                store(dx, [vectors.at(rows[c] + (first + v) * lanes)], sums[total(c, v)])

        def strip(first, tiles: int, count: int):
            """`tiles` tiles of `count` vectors from `first` on."""
            zero = T.Broadcast(T.float32(0), lanes)
            with T.grid(shape.rows, tiles * count) as (c, v):
                store(dx, [vectors.at(shape.start + c * shape.row + (first + v) * lanes)], zero)
            with T.grid(J, tiles, C // tile.filters) as (j, t, c):
                bundle(j, c * tile.filters, first + t * count, count)
            with T.grid(shape.rows - 1, tiles * count) as (c, v):
                s = (first + v) * lanes
                at = vectors.at(shape.start + c * shape.row + s)
                store(dx, [at], dx[at] * mask[vectors.at(s)])
            with T.serial(0, tiles * count) as v:
                last = shape.start + (shape.rows - 1) * shape.row
                store(dx, [vectors.at(last + (first + v) * lanes)], zero)

        whole = shape.vectors // block
        tail = shape.vectors - whole * block
        with T.sblock("root"):
            if whole:
                with T.parallel(0, whole) as i:
                    strip(i * block, shape.block, width)
            if tail // width:
                strip(whole * block, tail // width, width)
            if tail % width:
                strip(shape.vectors - tail % width, 1, tail % width)
    return function.get()


def bundled_values(bundled: int, packed: int):
    """The PrimFunc, fast as it is, result[i] = values[source[i]]: packed values bundle by bundle.

    values  float32 [packed]
    source  int32   [bundled]
    result  float32 [bundled]
    """
    runs = -(-bundled // RUN)
    with tensor_function() as function:
        T.func_attr({"tirx.is_scheduled": True})
        values = tensor("values", packed)
        source = tensor("source", bundled, dtype="int32")
        result = tensor("result", bundled)
        with T.sblock("root"), T.parallel(0, runs) as run:
            first = T.bind(run * RUN)
            with T.serial(0, tirx.min(RUN, bundled - first)) as i:
                store(result, [first + i], values[source[first + i]])
    return function.get()
