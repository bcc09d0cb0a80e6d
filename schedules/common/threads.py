"""Moves that schedules of GPUs are made of: loops onto blocks and threads."""

from sparsetvm.schedules.common.moves import extent, largest_divisor

from sparsetvm.kernels.frame import round_up

ENOUGH = 1 << 16
"""Threads that hide each other's waiting, on the largest GPUs."""


def sums_of_threads(sch, pick):
    """A gather-GEMM's positions across threads, each with a tile of filters x vectors in registers.

    (group, slice of filters) x tile of positions -> block -> vector -> thread -> column -> filters

    A vector is one position of each thread: neighbouring threads read neighbours. Returns how many
    threads a block has, and the loops over blocks of channels and over columns.
    """
    block, epilogue = sch.get_sblock("gather_gemm"), sch.get_sblock("epilogue")
    group, filters, line, position, n, k = sch.get_loops(block)
    positions, lanes = extent(sch, line) * extent(sch, position), pick.target.lanes
    groups, most = extent(sch, group), extent(sch, filters)

    tall = largest_divisor(most, 8)
    enough = [v for v in (4, 2) if groups * most // tall * positions // v >= ENOUGH]
    vectors = enough[0] if enough and tall * enough[0] <= pick.target.registers else 1
    threads = min(round_up(-(-positions // vectors), lanes), pick.target.group // 2)

    slice_, filters = sch.split(filters, pick.tile(sch, filters, default=(tall,)))
    vectors = pick.one_of(sch, [1, 2, 4, 8], default=vectors)
    threads = pick.one_of(sch, _counts(lanes, pick.target.group, threads), default=threads)
    tile, vector, thread = sch.split(sch.fuse(line, position), [None, vectors, threads])
    sch.reorder(group, slice_, tile, vector, thread, n, k, filters)

    sch.reverse_compute_at(epilogue, thread)
    sch.set_scope(block, 0, "local")
    sch.bind(sch.fuse(group, slice_), "blockIdx.y")
    sch.bind(tile, "blockIdx.x")
    sch.bind(vector, "vthread.x")
    sch.bind(thread, "threadIdx.x")
    sch.unroll(filters)
    return threads, n, k


def _counts(lanes: int, most: int, default: int) -> list[int]:
    """Threads of a block to choose from."""
    counts = {lanes * 2**i for i in range(8) if lanes * 2**i <= most}
    return sorted(counts | {default})


def fetched_together(sch, block, threads, keep: int) -> None:
    """What `block` copies to shared memory is shared out among `threads`; above it are `keep`
    loops."""
    loop = sch.fuse(*sch.get_loops(block)[keep:])
    _, thread = sch.split(loop, [None, threads])
    sch.bind(thread, "threadIdx.x")
