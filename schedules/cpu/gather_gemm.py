"""Gather-GEMM on a CPU: positions in lanes, a tile of vectors x filters in registers, tiles across cores."""

from sparsetvm.errors import ScheduleError
from sparsetvm.kernels.tile import Tile, best_tile
from sparsetvm.schedules import rule
from sparsetvm.schedules.common.moves import extent, unroll_all, vectorize_inner


@rule("gather_gemm", "cpu")
def gather_gemm(sch, pick) -> None:
    """Rows with a vector or more of positions: lanes run over positions; shorter rows: over filters."""
    *_, lanes, _, _ = (extent(sch, loop) for loop in sch.get_loops(sch.get_sblock("gather_gemm")))
    if lanes % pick.target.lanes == 0:
        _lanes_over_positions(sch, pick)
    else:
        _lanes_over_filters(sch, pick)


def _lanes_over_positions(sch, pick) -> None:
    """block of tiles -> group -> tile -> column -> (filters x vectors x lanes in registers)

    A block holds several tiles when groups have few columns, so that about a thousand are done
    before the next group's weights and the next block's part of x are needed.
    """
    block, epilogue = sch.get_sblock("gather_gemm"), sch.get_sblock("epilogue")
    group, filters, position, n, k = sch.get_loops(block)
    target = pick.target
    vectors = extent(sch, position) // target.lanes
    B = extent(sch, filters)

    best = best_tile(B, vectors, target.registers)
    v = pick.one_of([v for v in range(1, 17) if vectors % v == 0], default=_divisor(vectors, best.vectors))
    f = pick.one_of([f for f in range(1, B + 1) if B % f == 0], default=best.filters)
    if not Tile(v, f).fits(target.registers):
        raise ScheduleError(f"{v} vectors x {f} filters do not fit in {target.registers} registers")
    tiles = vectors // v
    short = _divisor(tiles, min(32, 1024 // (extent(sch, n) * extent(sch, k))))
    t = pick.one_of([t for t in range(1, 33) if tiles % t == 0], default=short)

    tile_block, tile, vector, lane = sch.split(position, [None, t, v, target.lanes])
    slice_, filter_ = sch.split(filters, [None, f])
    column = sch.fuse(n, k)
    column, step = sch.split(column, [None, pick.one_of([1, 2, 4], default=1)])
    sch.reorder(tile_block, group, tile, slice_, column, step, filter_, vector, lane)
    sch.reverse_compute_at(epilogue, slice_, preserve_unit_loops=True)
    sch.set_scope(block, 0, "local")
    vectorize_inner(sch, epilogue, target.lanes, keep=4)
    sch.parallel(sch.fuse(tile_block, group))

    sch.vectorize(lane)
    unroll_all(sch, [step, filter_, vector])
    start = sch.decompose_reduction(block, column)
    vectorize_inner(sch, start, target.lanes, keep=3)


def _lanes_over_filters(sch, pick) -> None:
    """group -> position -> column -> (filters in lanes)"""
    block, epilogue = sch.get_sblock("gather_gemm"), sch.get_sblock("epilogue")
    group, filters, position, n, k = sch.get_loops(block)
    column = sch.fuse(n, k)
    lanes = _divisor(extent(sch, filters), pick.target.lanes)
    vector, lane = sch.split(filters, [None, lanes])
    sch.reorder(group, position, column, vector, lane)
    sch.reverse_compute_at(epilogue, position, preserve_unit_loops=True)
    sch.set_scope(block, 0, "local")
    sch.parallel(group)
    sch.vectorize(lane)
    unroll_all(sch, [vector])
    start = sch.decompose_reduction(block, column)
    vectorize_inner(sch, start, lanes, keep=2)


def _divisor(n: int, most: int) -> int:
    """The largest divisor of n that is not above `most`."""
    return max(d for d in range(1, max(most, 1) + 1) if n % d == 0)
