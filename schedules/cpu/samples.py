"""Linear layers on a CPU: lanes run over filters, a tile of samples x vectors in registers."""

from sparsetvm.schedules.common.moves import (
    add_up_parts,
    extent,
    unroll_all,
    vectorize_inner,
)

from sparsetvm.kernels.tile import LATENCY
from sparsetvm.schedules import rule


@rule("samples", "cpu")
def samples(sch, pick) -> None:
    """round of samples -> tile of filters -> column -> (samples x vectors x lanes in registers)

    The inputs of a round stay in the first cache while all tiles read them. Where a few samples
    leave the multipliers waiting for each other's sums, each sum is taken in several parts.
    """
    block, epilogue = sch.get_sblock("gather_gemm"), sch.get_sblock("epilogue")
    _, tile, sample, unit, column = sch.get_loops(block)
    lanes = pick.target.lanes
    sums = extent(sch, sample) * extent(sch, unit) // lanes
    enough = next((n for n in (1, 2) if n * sums >= 2 * LATENCY), 4)
    parts = pick.nest([1, 2, 4], default=enough)

    summing, unrolled = block, []
    if parts > 1:
        _, part = sch.split(column, [None, parts])
        summing = sch.rfactor(part, 0)
        sch.compute_at(summing, tile, preserve_unit_loops=True)
        sch.set_scope(summing, 0, "local")
    sch.reverse_compute_at(epilogue, tile, preserve_unit_loops=True)
    sch.set_scope(block, 0, "local")
    sch.split(sch.get_loops(epilogue)[-1], [None, lanes])
    sch.parallel(sch.fuse(*sch.get_loops(block)[:2]))
    vectorize_inner(sch, epilogue, keep=1)
    if parts > 1:
        _, part, _, _, sample, unit, column = sch.get_loops(summing)
        unrolled.append(part)
        add_up_parts(sch, block, lanes, keep=1)

    vector, lane = sch.split(unit, [None, lanes])
    column, step = sch.split(column, [None, pick.one_of(sch, [1, 2, 4], default=1)])
    unrolled += [step, sample, vector]
    sch.reorder(column, *unrolled, lane)
    sch.vectorize(lane)
    unroll_all(sch, unrolled)
    vectorize_inner(sch, sch.decompose_reduction(summing, column), keep=1)
