"""The weight gradient: dot products of each column with the gradients of its group's filters."""

from collections.abc import Callable
from dataclasses import dataclass

from .._tvm import T, tirx
from .builder import store, tensor, tensor_function
from .tile import Tile
from .vectors import Vectors


@dataclass(frozen=True)
class WeightGradient:
    """The static extents of one kernel; layers that agree in all of them share it.

    groups G, filters B, blocks N, columns K   as in kernels/gather_gemm.py
    vectors   of positions in each row
    x_length, dy_length   elements of both activations
    lanes     positions in a vector
    tile      columns ("vectors") by filters whose sums are in registers; its filters divide B
    chunk     vectors whose dy stays in the first cache while all columns of a group use it
    threads   shares of the groups
    """

    groups: int
    filters: int
    blocks: int
    columns: int
    vectors: int
    x_length: int
    dy_length: int
    lanes: int
    tile: Tile
    chunk: int
    threads: int


def weight_gradient(shape: WeightGradient):
    """The PrimFunc, fast as it is,

        gradient[n, g, k, b] = sum over s of x[offset[n, g, k] + s] * dy[row[g, b] + s]
        bias[g, b]           = sum over s of dy[row[g, b] + s]

    x         float32 [x_length]      the layer's input, flat (kernels/frame.py)
    dy        float32 [dy_length]     the output's gradient, flat; zero in the margins
    offset    int32   [N, G, K]       where lane 0 of a column lies in x
    row       int32   [G, B]          where lane 0 of a filter lies in dy
    gradient  float32 [N * G * K * B]
    bias      float32 [G * B]

    A vector of x is used for all filters of the tile, one of dy for all columns; lanes are added at
    the end of a chunk.
    """
    G, B, N, K = shape.groups, shape.filters, shape.blocks, shape.columns
    columns, filters, lanes = shape.tile.vectors, shape.tile.filters, shape.lanes
    vectors, shares = Vectors(lanes), min(shape.threads, G)
    with tensor_function() as function:
        T.func_attr({"tirx.is_scheduled": True})
        x, dy = tensor("x", shape.x_length), tensor("dy", shape.dy_length)
        offset = tensor("offset", N, G, K, dtype="int32")
        row = tensor("row", G, B, dtype="int32")
        gradient, bias = tensor("gradient", N * G * K * B), tensor("bias", G * B)

        def add(runs: list[tuple], chunk, terms: Callable) -> None:
            """result[start], result[start + 1], ... += the sums over the chunk of these terms, for
            each run (result, start, terms)."""
            count = sum(length for _, _, length in runs)
            sums = T.sblock_alloc_buffer((count * lanes,), scope="local")
            totals = [vectors.at(i * lanes) for i in range(count)]
            for total in totals:
                store(sums, [total], T.Broadcast(T.float32(0), lanes))
            first = T.bind(chunk * shape.chunk)
            with T.serial(0, tirx.min(shape.chunk, shape.vectors - first)) as vector:
                for total, term in zip(totals, terms((first + vector) * lanes), strict=True):
                    store(sums, [total], sums[total] + term)
            for result, start, length in runs:
                _add_lanes(vectors, [sums[total] for total in totals[:length]], result, start)
                totals = totals[length:]

        def tile(chunk, g, n, column, filter, columns: int) -> None:
            starts = [T.bind(offset[n, g, column + c]) for c in range(columns)]
            rows = [T.bind(row[g, filter + f]) for f in range(filters)]

            def terms(s) -> list:
                read = [vectors.load(x, start + s) for start in starts]
                given = [vectors.load(dy, start + s) for start in rows]
                return [a * b for a in read for b in given]

            place = ((n * G + g) * K + column) * B + filter
            runs = [(gradient, place + c * B, filters) for c in range(columns)]
            if filters == B:  # neighbours in memory
                runs = [(gradient, place, columns * filters)]
            add(runs, chunk, terms)

        def group(chunk, g) -> None:
            with T.grid(B // filters) as b:
                rows = [T.bind(row[g, b * filters + f]) for f in range(filters)]
                runs = [(bias, g * B + b * filters, filters)]
                add(runs, chunk, lambda s: [vectors.load(dy, start + s) for start in rows])
            with T.grid(N, B // filters) as (n, b):
                with T.serial(0, K // columns) as k:
                    tile(chunk, g, n, k * columns, b * filters, columns)
                if K % columns:
                    tile(chunk, g, n, K - K % columns, b * filters, K % columns)

        with T.sblock("root"), T.parallel(0, shares) as share:
            first = T.bind(tirx.floordiv(share * G, shares))
            count = T.bind(tirx.floordiv((share + 1) * G, shares) - first)
            with T.grid(N, count * (K * B)) as (n, i):
                store(gradient, [(n * G + first) * (K * B) + i], T.float32(0))
            with T.serial(0, count * B) as i:
                store(bias, [first * B + i], T.float32(0))
            with T.grid(-(-shape.vectors // shape.chunk), count) as (chunk, g):
                group(chunk, first + g)
    return function.get()


def _add_lanes(vectors: Vectors, sums: list, result, start) -> None:
    """result[start + i] += the lanes of the i-th sum."""
    while sums:
        count = min(vectors.lanes, 1 << (len(sums).bit_length() - 1))  # 24: first 16, then 8
        to = tirx.Ramp(start, 1, count) if count > 1 else start
        store(result, [to], result[to] + vectors.sums([T.bind(a) for a in sums[:count]]))
        sums, start = sums[count:], start + count
