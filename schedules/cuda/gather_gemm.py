"""Gather-GEMM on an NVIDIA GPU: positions across threads, weights and offsets in shared memory."""

from sparsetvm.schedules.common.moves import extent, largest_divisor
from sparsetvm.schedules.common.threads import fetched_together, sums_of_threads

from sparsetvm.schedules import rule
from sparsetvm.schedules.pick import LARGEST_FACTOR

VALUES, OFFSET = 0, 2
"""What a block fetches, by its place among what the operator reads."""


@rule("gather_gemm", "cuda")
def gather_gemm(sch, pick) -> None:
    """(group, slice) x tile of positions -> block -> columns fetched -> column -> filters x vectors

    All threads of a block read the same weights and offsets: together they bring those of some
    columns into shared memory, while x, of which each reads its own, comes through the first cache.
    """
    threads, n, k = sums_of_threads(sch, pick)
    some = pick.tile(sch, k, default=(largest_divisor(extent(sch, k), LARGEST_FACTOR),))
    columns, column = sch.split(k, some)
    block = sch.get_sblock("gather_gemm")
    for place in (VALUES, OFFSET):
        fetched = sch.cache_read(block, place, "shared")
        sch.compute_at(fetched, columns, preserve_unit_loops=True)
        fetched_together(sch, fetched, threads, keep=6)
    _, step = sch.split(column, [None, pick.one_of(sch, [1, 2, 4], default=1)])
    sch.unroll(step)
    sch.decompose_reduction(block, n)
