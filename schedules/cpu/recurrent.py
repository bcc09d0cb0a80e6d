"""A recurrent layer on a CPU: lanes run over hidden units, sums of all gates side by side."""

from sparsetvm.schedules.common.moves import (
    add_up_parts,
    extent,
    largest_divisor,
    unroll_all,
    vectorize_inner,
)

from sparsetvm.schedules import rule


@rule("recurrent", "cpu")
def recurrent(sch, pick) -> None:
    """samples -> gate -> column -> (gates x samples x vectors x lanes in registers)

    What a step waits for is its weights; where they are near, a multiply-add's latency: then the
    gates' sums run side by side, and each in several parts.
    """
    block, lanes = sch.get_sblock("gather_gemm"), pick.target.lanes
    gate, sample, unit, column = sch.get_loops(block)
    together = pick.nest([True, False], default=True)
    parts = pick.nest([1, 2, 4], default=1)
    sums = extent(sch, unit) // lanes * parts * (extent(sch, gate) if together else 1)
    samples = largest_divisor(extent(sch, sample), (pick.target.registers - 2) // sums)

    unrolled = []
    if parts > 1:
        column, part = sch.split(column, [None, parts])
        partial = sch.rfactor(part, 0)
        sch.set_scope(partial, 0, "local")
        add_up_parts(sch, block, lanes, keep=0)
        block, (gate, sample, unit, column, part) = partial, sch.get_loops(partial)
        unrolled.append(part)
    some, sample = sch.split(sample, [None, samples])
    vector, lane = sch.split(unit, [None, lanes])
    column, step = sch.split(column, [None, pick.one_of(sch, [1, 2], default=1)])
    outer, inner = ([some], [gate]) if together else ([gate, some], [])
    unrolled += [step, *inner, sample, vector]
    sch.reorder(*outer, column, *unrolled, lane)
    sch.vectorize(lane)
    unroll_all(sch, unrolled)
    vectorize_inner(sch, sch.decompose_reduction(block, column), keep=len(outer))
