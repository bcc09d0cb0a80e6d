"""Linear layers on a GPU: filters across threads, and the columns of each among several."""

from sparsetvm.schedules.common.moves import extent

from sparsetvm.schedules import rule


@rule("samples", "gpu")
def samples(sch, pick) -> None:
    """round of samples x tile of filters -> block -> part of the columns x filter -> thread

    Neighbouring filters lie side by side, so neighbouring threads read neighbours. Parts of a sum
    meet in shared memory.
    """
    block, epilogue = sch.get_sblock("gather_gemm"), sch.get_sblock("epilogue")
    *_, unit, column = sch.get_loops(block)
    most = min(pick.target.group // extent(sch, unit), 8)
    # TVM 0.27's rfactor forgets that the last part may be shorter
    choices = [n for n in (1, 2, 4, 8) if n <= most and extent(sch, column) % n == 0]
    parts = pick.nest(choices, default=choices[-1])

    _, part = sch.split(column, [None, parts])
    partial = sch.rfactor(part, 0)
    round_, tile, _, unit, _ = sch.get_loops(block)
    tile = sch.fuse(round_, tile)
    sch.bind(tile, "blockIdx.x")
    sch.compute_at(partial, tile, preserve_unit_loops=True)
    sch.set_scope(partial, 0, "shared")
    total = sch.cache_write(partial, 0, "local")

    _, part, _, _, sample, unit, column = sch.get_loops(partial)
    sch.reorder(part, unit, column, sample)
    sch.bind(part, "threadIdx.y")
    sch.bind(unit, "threadIdx.x")
    sch.reverse_compute_at(total, unit)
    sch.decompose_reduction(partial, column)

    _, sample, unit, part = sch.get_loops(block)
    _, sample = sch.split(sample, [None, parts])
    sch.reorder(sample, unit)
    sch.bind(sample, "threadIdx.y")
    sch.bind(unit, "threadIdx.x")
    sch.reverse_compute_at(epilogue, unit)
    sch.set_scope(block, 0, "local")
    sch.decompose_reduction(block, part)
