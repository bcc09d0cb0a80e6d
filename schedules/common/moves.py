"""Moves that schedules of every target are made of."""


def extent(sch, loop) -> int:
    return int(sch.get(loop).extent)


def unroll_all(sch, loops) -> None:
    for loop in loops:
        sch.unroll(loop)


def vectorize_inner(sch, block, lanes: int, keep: int) -> None:
    """The innermost loop of `block` in vectors of `lanes`, the loops above it unrolled, the outer `keep` as they are."""
    *outer, inner = sch.get_loops(block)
    if extent(sch, inner) > lanes:
        vector, inner = sch.split(inner, [None, lanes])
        outer.append(vector)
    sch.vectorize(inner)
    unroll_all(sch, outer[keep:])
