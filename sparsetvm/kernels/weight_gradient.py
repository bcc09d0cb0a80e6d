"""What a layer's weights are told: the weight gradient, dot products of columns and filters."""

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
    tile      columns ("vectors") by filters whose sums are in registers; divides K and B
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

        gradient[n, g, k, b] += sum over s of x[offset[n, g, k] + s] * dy[row[g, b] + s]

    x         float32 [x_length]      the layer's input, flat (kernels/frame.py)
    dy        float32 [dy_length]     the output's gradient, flat; zero in the margins
    offset    int32   [N, G, K]       where lane 0 of a column lies in x
    row       int32   [G, B]          where lane 0 of a filter lies in dy
    gradient  float32 [N * G * K * B]

    A vector of x is used for all filters of the tile, one of dy for all columns; lanes are added at
    the end of a chunk.
    """
    G, B, N, K = shape.groups, shape.filters, shape.blocks, shape.columns
    columns, filters = shape.tile.vectors, shape.tile.filters
    vectors, shares = Vectors(shape.lanes), min(shape.threads, G)
    share = -(-G // shares)
    with tensor_function() as function:
        T.func_attr({"tirx.is_scheduled": True})
        x, dy = tensor("x", shape.x_length), tensor("dy", shape.dy_length)
        offset = tensor("offset", N, G, K, dtype="int32")
        row = tensor("row", G, B, dtype="int32")
        gradient = tensor("gradient", N * G * K * B)

        def tile(chunk, g, n, column, filter):
            sums = T.sblock_alloc_buffer((columns * filters * shape.lanes,), scope="local")

            def total(c: int, f: int):
                return vectors.at((c * filters + f) * shape.lanes)

            places = [(c, f) for c in range(columns) for f in range(filters)]
            for c, f in places:
                store(sums, [total(c, f)], T.Broadcast(T.float32(0), shape.lanes))
            starts = [T.bind(offset[n, g, column + c]) for c in range(columns)]
            rows = [T.bind(row[g, filter + f]) for f in range(filters)]
            first = T.bind(chunk * shape.chunk)
            with T.serial(0, tirx.min(shape.chunk, shape.vectors - first)) as vector:
                s = (first + vector) * shape.lanes
                read = [vectors.load(x, start + s) for start in starts]
                given = [vectors.load(dy, start + s) for start in rows]
                for c, f in places:
                    store(sums, [total(c, f)], sums[total(c, f)] + read[c] * given[f])
            runs = [places] if filters == B else [places[i : i + filters] for i in range(0, len(places), filters)]
            for run in runs:
                c, _ = run[0]
                start = ((n * G + g) * K + column + c) * B + filter
                for piece in _powers_of_two(run, shape.lanes):
                    added = vectors.sums([T.bind(sums[total(*place)]) for place in piece])
                    to = tirx.Ramp(start, 1, len(piece)) if len(piece) > 1 else start
                    store(gradient, [to], gradient[to] + added)
                    start = start + len(piece)

        with T.sblock("root"), T.parallel(0, shares) as part:
            with T.grid(-(-shape.vectors // shape.chunk), share) as (chunk, i):
                g = part * share + i
                with T.grid(N, K // columns, B // filters) as (n, k, b):
                    if shares * share == G:
                        tile(chunk, g, n, k * columns, b * filters)
                    else:
                        with T.If(g < G), T.Then():
                            tile(chunk, g, n, k * columns, b * filters)
    return function.get()


def _powers_of_two(items: list, most: int) -> list[list]:
    """24 items -> the first 16 and the other 8."""
    pieces = []
    while items:
        count = min(most, 1 << (len(items).bit_length() - 1))
        pieces.append(items[:count])
        items = items[count:]
    return pieces
