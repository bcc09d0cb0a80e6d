"""The Winograd domain on a CPU: a chunk at a time, its gather-GEMMs with tiles in lanes."""

from sparsetvm.schedules.common.moves import (
    extent,
    largest_divisor,
    unroll_all,
    vectorize_inner,
    weights_in_vectors,
)

from sparsetvm.kernels.tile import best_tile
from sparsetvm.schedules import rule


@rule("winograd", "cpu")
def winograd(sch, pick) -> None:
    """chunk -> channel: x transformed
    -> round -> point -> group -> tile -> column -> (filters x vectors x lanes in registers)
             -> filter: transformed back
    """
    block, lanes = sch.get_sblock("gather_gemm"), pick.target.lanes
    sch.parallel(sch.fuse(*sch.get_loops(sch.get_sblock("chunk"))))

    point, group, filters, position, column = sch.get_loops(block)
    vectors = extent(sch, position) // lanes
    best = best_tile(extent(sch, filters), vectors, pick.target.registers)
    v = largest_divisor(vectors, best.vectors)

    vector, lane = sch.split(position, [None, lanes])
    tile, vector = sch.split(vector, pick.tile(sch, vector, default=(v,)))
    slice_, filters = sch.split(filters, pick.tile(sch, filters, default=(best.filters,)))
    column, step = sch.split(column, [None, pick.one_of(sch, [1, 2, 4], default=1)])
    sch.reorder(point, group, tile, slice_, column, step, filters, vector, lane)

    total = sch.cache_write(block, 0, "local")
    sch.reverse_compute_at(total, slice_, preserve_unit_loops=True)
    sch.split(sch.get_loops(total)[-1], [None, lanes])
    vectorize_inner(sch, total, keep=4)

    sch.vectorize(lane)
    unroll_all(sch, [step, filters, vector])
    vectorize_inner(sch, sch.decompose_reduction(block, column), keep=4)
    weights_in_vectors(sch, block, pick.target)
