"""Moves that schedules of every target are made of."""

from math import prod

from sparsetvm._tvm import buffer_of


def extent(sch, loop) -> int:
    return int(sch.get(loop).extent)


def buffers_read(sch, block) -> list:
    """In the order in which the block's definition reads them."""
    return [buffer_of(region) for region in sch.get(block).reads]


def size(buffer) -> int:
    """Elements of a buffer."""
    return prod(int(n) for n in buffer.shape)


def largest_divisor(n: int, most: int) -> int:
    """The largest divisor of n that is not above `most`."""
    return max(d for d in range(1, max(most, 1) + 1) if n % d == 0)


def unroll_all(sch, loops) -> None:
    for loop in loops:
        sch.unroll(loop)


def vectorize_inner(sch, block, keep: int) -> None:
    """The innermost loop of `block` becomes one vector, those above it are unrolled but the outer
    `keep`."""
    *outer, inner = sch.get_loops(block)
    sch.vectorize(inner)
    unroll_all(sch, outer[keep:])


def add_up_parts(sch, block, lanes: int, keep: int) -> None:
    """Schedule what rfactor leaves of a sum, its parts innermost; all but the outer `keep` loops
    are unrolled."""
    *outer, unit, part = sch.get_loops(block)
    vector, lane = sch.split(unit, [None, lanes])
    sch.reorder(vector, part, lane)
    sch.vectorize(lane)
    unroll_all(sch, [*outer[keep:], vector, part])
    vectorize_inner(sch, sch.decompose_reduction(block, part), keep=keep)
