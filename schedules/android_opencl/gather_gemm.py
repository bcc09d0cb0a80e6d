"""Gather-GEMM on a phone's GPU: positions across work-items, a tile of sums in the registers of
each."""

from sparsetvm.schedules.common.threads import sums_of_threads

from sparsetvm.schedules import rule


@rule("gather_gemm", "android_opencl")
def gather_gemm(sch, pick) -> None:
    """(group, slice) x tile of positions -> work-group -> work-item -> column -> filters x vectors

    All work-items read the same weights and offsets, which the cache gives them at once.
    """
    _, n, k = sums_of_threads(sch, pick)
    _, step = sch.split(k, [None, pick.one_of(sch, [1, 2, 4], default=1)])
    sch.unroll(step)
    sch.decompose_reduction(sch.get_sblock("gather_gemm"), n)
