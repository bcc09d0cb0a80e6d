"""Gather-GEMM on a CPU: positions in lanes, a tile of vectors x filters in registers."""

from sparsetvm.schedules.common.moves import (
    extent,
    largest_divisor,
    size,
    unroll_all,
    vectorize_inner,
)

from sparsetvm.kernels.tile import best_tile
from sparsetvm.schedules import rule


@rule("gather_gemm", "cpu")
def gather_gemm(sch, pick) -> None:
    """Rows with a vector or more of positions: lanes run over positions; shorter rows: over
    filters."""
    _, _, position, _, _ = sch.get_loops(sch.get_sblock("gather_gemm"))
    if extent(sch, position) % pick.target.lanes == 0:
        _lanes_over_positions(sch, pick)
    else:
        _lanes_over_filters(sch, pick)


def _lanes_over_positions(sch, pick) -> None:
    """block of tiles -> group -> tile -> column -> (filters x vectors x lanes in registers)

    Weights that outweigh x are read once: a block is all tiles. Otherwise x is, and a block holds
    as many tiles as it takes to do about a thousand columns before the next group's weights.
    """
    block, epilogue = sch.get_sblock("gather_gemm"), sch.get_sblock("epilogue")
    group, filters, position, n, k = sch.get_loops(block)
    x, values, *_ = sch.mod["main"].params
    lanes, vectors = pick.target.lanes, extent(sch, position) // pick.target.lanes

    best = best_tile(extent(sch, filters), vectors, pick.target.registers)
    v = largest_divisor(vectors, best.vectors)
    if size(values) > size(x):
        tiles = vectors // v
    else:
        tiles = largest_divisor(vectors // v, 1024 // (extent(sch, n) * extent(sch, k)))

    vector, lane = sch.split(position, [None, lanes])
    tile_block, tile, vector = sch.split(vector, pick.tile(sch, vector, default=(tiles, v)))
    slice_, filters = sch.split(filters, pick.tile(sch, filters, default=(best.filters,)))
    column = sch.fuse(n, k)
    column, step = sch.split(column, [None, pick.one_of(sch, [1, 2, 4], default=1)])
    sch.reorder(tile_block, group, tile, slice_, column, step, filters, vector, lane)

    sch.reverse_compute_at(epilogue, slice_, preserve_unit_loops=True)
    sch.set_scope(block, 0, "local")
    sch.split(sch.get_loops(epilogue)[-1], [None, lanes])
    vectorize_inner(sch, epilogue, keep=4)
    sch.parallel(sch.fuse(tile_block, group))

    sch.vectorize(lane)
    unroll_all(sch, [step, filters, vector])
    vectorize_inner(sch, sch.decompose_reduction(block, column), keep=3)


def _lanes_over_filters(sch, pick) -> None:
    """group -> position -> column -> (filters in lanes)"""
    block, epilogue = sch.get_sblock("gather_gemm"), sch.get_sblock("epilogue")
    group, filters, position, n, k = sch.get_loops(block)
    lanes = largest_divisor(extent(sch, filters), pick.target.lanes)

    vector, lane = sch.split(filters, [None, lanes])
    column = sch.fuse(n, k)
    sch.reorder(group, position, column, vector, lane)

    sch.reverse_compute_at(epilogue, position, preserve_unit_loops=True)
    sch.set_scope(block, 0, "local")
    sch.parallel(group)

    sch.vectorize(lane)
    sch.unroll(vector)
    vectorize_inner(sch, sch.decompose_reduction(block, column), keep=2)
