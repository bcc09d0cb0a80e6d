"""Moves that schedules of every target are made of."""

from math import prod

from sparsetvm._tvm import buffer_of, tirx


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


def weights_in_vectors(sch, block, target) -> None:
    """NEON multiplies by one lane of a vector: one load brings the weights of four filters. `block`
    is ready but for that.

    ldp s2, s3, [x1]                     ldr q2, [x1]
    fmla v8.4s, v0.4s, v2.s[0]    -->    fmla v8.4s, v0.4s, v2.s[0]
    fmla v9.4s, v0.4s, v3.s[0]           fmla v9.4s, v0.4s, v2.s[1]
    """
    if "neon" not in target.features:
        return
    loops = sch.get_loops(block)
    step = max(i for i, loop in enumerate(loops) if sch.get(loop).kind == tirx.ForKind.SERIAL)
    names = [buffer.name for buffer in buffers_read(sch, block)]
    weights = sch.cache_read(block, names.index("values"), "local")
    sch.compute_at(weights, loops[step], preserve_unit_loops=True)
    vectorize_inner(sch, weights, keep=step + 1)


def add_up_parts(sch, block, lanes: int, keep: int) -> None:
    """Schedule what rfactor leaves of a sum, its parts innermost; all but the outer `keep` loops
    are unrolled."""
    *outer, unit, part = sch.get_loops(block)
    vector, lane = sch.split(unit, [None, lanes])
    sch.reorder(vector, part, lane)
    sch.vectorize(lane)
    unroll_all(sch, [*outer[keep:], vector, part])
    vectorize_inner(sch, sch.decompose_reduction(block, part), keep=keep)
