"""How a kernel's work is cut to fit the registers: vectors of positions by filters."""

from dataclasses import dataclass

from .frame import round_up

LATENCY = 4
"""Cycles until a multiply-add's result can be used; two can start in each."""


@dataclass(frozen=True)
class Tile:
    """`lines` of `vectors` of positions by `filters`, all of them accumulators in registers."""

    vectors: int
    filters: int
    lines: int = 1

    def fits(self, registers: int) -> bool:
        """Accumulators, the vectors of x (loaded once for all filters) and one weight."""
        positions = self.lines * self.vectors
        loaded = positions if self.filters > 1 else 0
        return positions * self.filters + loaded + 1 <= registers


def best_tile(filters: int, vectors: int, registers: int) -> Tile:
    """The register tile with the fewest cycles for rows of `vectors` and groups of `filters`.

    A step costs its multiply-adds (two a cycle), its loads (two a cycle; those of x straddle two
    cache lines) or the latency of one accumulator, whichever is most, and one cycle for the loop.
    Of equal ones, the tile with more filters reads x less often.
    """
    tiles = [
        Tile(v, f)
        for f in range(1, filters + 1)
        if filters % f == 0
        for v in range(1, 17)
        if Tile(v, f).fits(registers)
    ]

    def cycles(tile: Tile) -> float:
        v, f = tile.vectors, tile.filters
        step = max(v * f / 2, (2 * v + f) / 2, LATENCY) + 1
        return round_up(vectors, v) / v * (filters / f) * step

    return min(tiles, key=lambda tile: (cycles(tile), -tile.filters))


def best_block_tile(filters: int, lines: int, vectors: int, registers: int) -> Tile:
    """The same for `lines` of `vectors` that are all whole lines of the cache (kernels/blocks.py).

    Tiles divide the lines and the vectors. A filter alone loads its weight and its offset for each
    step. Of equal tiles, the one whose 3x3 neighbourhood is smallest brings the least into the
    first cache.
    """
    tiles = [
        Tile(v, f, r)
        for f in range(1, filters + 1)
        if filters % f == 0
        for r in range(1, lines + 1)
        if lines % r == 0
        for v in range(1, vectors + 1)
        if vectors % v == 0 and Tile(v, f, r).fits(registers)
    ]

    def cycles(tile: Tile) -> float:
        positions, f = tile.lines * tile.vectors, tile.filters
        step = max(positions * f / 2, (positions + f + 1) / 2, LATENCY) + 1
        return step / (positions * f)

    def neighbourhood(tile: Tile) -> float:
        return (tile.lines + 2) * (tile.vectors + 2) / (tile.lines * tile.vectors)

    return min(tiles, key=lambda t: (cycles(t), neighbourhood(t), t.lines, -t.filters))


def samples_together(samples: int, inputs: int, vectors: int, registers: int, l1: int) -> int:
    """How many samples a tile of `vectors` of filters takes at once, if lanes run over filters.

    A step loads the weights once for all of them, and spreads one input of each over a vector, one
    a cycle. The inputs shall stay in the first cache while all filters read them; the weights come
    from farther away for each round of samples, which costs a step two cycles.
    """
    near = max(l1 // (4 * inputs), 2)
    fit = [n for n in range(1, min(samples, near) + 1) if n * vectors + vectors + 1 <= registers]

    def cycles(n: int) -> float:
        return -(-samples // n) * (max(n * vectors / 2, n, (n + vectors) / 2, LATENCY) + 2)

    return min(fit or [1], key=lambda n: (cycles(n), n))


def lanes_for(filters: int, positions: int, row: int, lanes: int, registers: int) -> int:
    """Positions to compute in each row: whole tiles if the row has room for them, else whole
    vectors; the positions themselves where not even those fit (lanes then run over filters)."""
    vectors = -(-positions // lanes)
    whole = round_up(vectors, best_tile(filters, vectors, registers).vectors)
    for count in (whole, vectors):
        if positions >= lanes and count * lanes <= row:
            return count * lanes
    return positions


def dense_group(samples: int, lanes: int) -> int:
    """The group of a dense layer, which may be any: eight filters when lanes run over positions,
    four vectors of filters when they run over filters."""
    return 8 if samples >= lanes else 4 * lanes
