"""Gather-GEMM on a CPU: positions in lanes, a tile of lines x vectors x filters in registers."""

from sparsetvm.schedules.common.moves import (
    buffers_read,
    extent,
    largest_divisor,
    size,
    unroll_all,
    vectorize_inner,
    weights_in_vectors,
)

from sparsetvm.kernels.gather_gemm import PREFETCH
from sparsetvm.kernels.tile import Tile, best_block_tile, best_tile
from sparsetvm.schedules import rule


@rule("gather_gemm", "cpu")
def gather_gemm(sch, pick) -> None:
    """Lines with a vector or more of positions: lanes run over positions; shorter ones: over
    filters. Where the columns come in blocks of input channels, a tile does one after the other, or
    all at once while its part of x stays in the second cache."""
    _, _, _, position, n, _ = sch.get_loops(sch.get_sblock("gather_gemm"))
    if extent(sch, position) % pick.target.lanes:
        _lanes_over_filters(sch, pick)
        return
    tile, whole = _default_tile(sch, pick.target), True
    if extent(sch, n) > 1:
        fits = _neighbourhood(sch, tile, pick.target.lanes) <= pick.target.l2 / 2
        whole = pick.nest([True, False], default=fits)
    if whole:
        _all_columns(sch, pick, tile)
    else:
        _block_by_block(sch, pick, tile)


def _all_columns(sch, pick, best: Tile) -> None:
    """block of tiles -> group -> tile -> columns -> (filters x lines x vectors x lanes held)

    Weights that outweigh x are read once: a block is all tiles of a line. Otherwise x is, and a
    block holds as many tiles as it takes to do about four thousand columns before the next group's
    weights; one, where a tile has several lines.
    """
    block, epilogue = sch.get_sblock("gather_gemm"), sch.get_sblock("epilogue")
    group, filters, line, position, n, k = sch.get_loops(block)
    values, x, _ = buffers_read(sch, block)
    lanes, tiles = pick.target.lanes, extent(sch, position) // pick.target.lanes // best.vectors
    if extent(sch, line) > 1:
        tiles = 1
    elif size(values) <= size(x):
        tiles = largest_divisor(tiles, 4096 // (extent(sch, n) * extent(sch, k)))

    vector, lane = sch.split(position, [None, lanes])
    tile_block, tile, vector = sch.split(
        vector, pick.tile(sch, vector, default=(tiles, best.vectors))
    )
    strip, line = sch.split(line, pick.tile(sch, line, default=(best.lines,)))
    slice_, filters = sch.split(filters, pick.tile(sch, filters, default=(best.filters,)))
    column, step = sch.split(k, [None, pick.one_of(sch, [1, 2, 4], default=1)])
    sch.reorder(
        strip, tile_block, group, tile, slice_, n, column, step, filters, line, vector, lane
    )

    sch.reverse_compute_at(epilogue, slice_, preserve_unit_loops=True)
    sch.set_scope(block, 0, "local")
    sch.split(sch.get_loops(epilogue)[-1], [None, lanes])
    vectorize_inner(sch, epilogue, keep=5)
    block_and_group = sch.fuse(strip, tile_block, group)
    sch.annotate(block_and_group, PREFETCH, pick.one_of(sch, [0, 1], default=1))
    sch.parallel(block_and_group)

    sch.vectorize(lane)
    unroll_all(sch, [step, filters, line, vector])
    vectorize_inner(sch, sch.decompose_reduction(block, n), keep=3)
    weights_in_vectors(sch, block, pick.target)


def _block_by_block(sch, pick, best: Tile) -> None:
    """share of groups -> tile -> block of channels -> group -> column -> (filters x lines x vectors
    x lanes in registers), added to the tile's sums in the second cache

    A block's part of x stays in the first cache while all groups of the share read it. Threads get
    shares where there are too few tiles for them.
    """
    block, epilogue = sch.get_sblock("gather_gemm"), sch.get_sblock("epilogue")
    partial = sch.rfactor(sch.get_loops(block)[-2], 0)
    group, filters, line, position, n = sch.get_loops(block)
    lanes, threads = pick.target.lanes, pick.target.threads
    tiles = extent(sch, line) * extent(sch, position) // (lanes * best.lines * best.vectors)
    shares = threads if tiles < 4 * threads else 1
    groups = largest_divisor(extent(sch, group), extent(sch, group) // shares)

    share, group = sch.split(group, pick.tile(sch, group, default=(groups,)))
    vector, lane = sch.split(position, [None, lanes])
    tile, vector = sch.split(vector, pick.tile(sch, vector, default=(best.vectors,)))
    strip, line = sch.split(line, pick.tile(sch, line, default=(best.lines,)))
    slice_, filters = sch.split(filters, pick.tile(sch, filters, default=(best.filters,)))
    sch.reorder(share, strip, tile, n, group, slice_, filters, line, vector, lane)

    sch.compute_at(partial, slice_, preserve_unit_loops=True)
    sch.set_scope(partial, 0, "local")
    *_, some_filters, some_lines, position, k = sch.get_loops(partial)
    some_vectors, some_lanes = sch.split(position, [None, lanes])
    column, step = sch.split(k, [None, pick.one_of(sch, [1, 2, 4], default=1)])
    sch.reorder(column, step, some_filters, some_lines, some_vectors, some_lanes)

    sch.reverse_compute_at(epilogue, tile, preserve_unit_loops=True)
    sch.split(sch.get_loops(epilogue)[-1], [None, lanes])
    sch.parallel(sch.fuse(share, strip, tile))
    vectorize_inner(sch, epilogue, keep=3)

    sch.vectorize(lane)
    unroll_all(sch, [filters, line, vector])
    vectorize_inner(sch, sch.decompose_reduction(block, n), keep=4)
    sch.vectorize(some_lanes)
    unroll_all(sch, [step, some_filters, some_lines, some_vectors])
    vectorize_inner(sch, sch.decompose_reduction(partial, column), keep=4)
    weights_in_vectors(sch, partial, pick.target)


def _lanes_over_filters(sch, pick) -> None:
    """group -> position -> column -> (filters in lanes)"""
    block, epilogue = sch.get_sblock("gather_gemm"), sch.get_sblock("epilogue")
    group, filters, line, position, n, k = sch.get_loops(block)
    lanes = largest_divisor(extent(sch, filters), pick.target.lanes)

    vector, lane = sch.split(filters, [None, lanes])
    position = sch.fuse(line, position)
    column = sch.fuse(n, k)
    sch.reorder(group, position, column, vector, lane)

    sch.reverse_compute_at(epilogue, position, preserve_unit_loops=True)
    sch.set_scope(block, 0, "local")
    sch.parallel(group)

    sch.vectorize(lane)
    sch.unroll(vector)
    vectorize_inner(sch, sch.decompose_reduction(block, column), keep=2)


def _default_tile(sch, target) -> Tile:
    """The register tile that the shape and the registers suggest; it divides the vectors."""
    _, filters, line, position, _, _ = sch.get_loops(sch.get_sblock("gather_gemm"))
    filters, lines, vectors = extent(sch, filters), extent(sch, line), extent(sch, position)
    vectors //= target.lanes
    if lines > 1:
        return best_block_tile(filters, lines, vectors, target.registers)
    tile = best_tile(filters, vectors, target.registers)
    return Tile(largest_divisor(vectors, tile.vectors), tile.filters)


def _neighbourhood(sch, tile: Tile, lanes: int) -> float:
    """Bytes of x, of all channels together, that a tile reads through a 3x3 window."""
    _, _, line, position, _, _ = sch.get_loops(sch.get_sblock("gather_gemm"))
    lines, vectors = extent(sch, line), extent(sch, position) // lanes
    seen = min(lines, tile.lines + 2) * min(vectors, tile.vectors + 2) / (lines * vectors)
    if lines == 1:
        seen = min(1, 3 * tile.vectors / vectors)
    _, x, _ = buffers_read(sch, sch.get_sblock("gather_gemm"))
    return 4 * size(x) * seen
