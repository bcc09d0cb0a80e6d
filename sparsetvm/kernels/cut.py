"""How a Winograd kernel's tiles are cut into chunks that stay in a core's caches."""

from dataclasses import dataclass
from itertools import product
from math import prod
from typing import Protocol

from .frame import round_up
from .tile import LATENCY, best_tile
from .transforms import Domain

TRANSFORM = 6
"""Cycles to transform one vector of one point, there or back (as measured on Zen 5, AVX-512)."""
L2, L3, MEMORY = 40, 30, 12
"""Bytes a cycle that one core reads from there (as measured on Zen 5)."""
SHARE = 5 << 20
"""Bytes that one core can count on in the last cache (as measured on 2 cores of a shared Zen 5)."""
FROM_L2 = 1.25
"""A multiply-add is so much slower where a point's x comes from the second cache."""
ROUND = 8
"""Filters to multiply and transform back at a time: more, and their products leave the first
cache."""


@dataclass(frozen=True)
class Cut:
    """A chunk is `bands` rows of tiles, one of `segments` columns of it. The groups of filters are
    cut into `parts`, each of which transforms x for itself, and these into rounds of `groups`."""

    bands: int = 1
    segments: int = 1
    parts: int = 1
    groups: int = 1


@dataclass(frozen=True)
class Work:
    """One layer in the Winograd domain: groups of `filters` keep `columns` of its sources."""

    domain: Domain
    groups: int
    filters: int
    columns: int
    channels: int
    batch: int
    size: tuple[int, int, int]

    @property
    def sources(self) -> int:
        """What is transformed for itself: pairs of a channel and a slice of the kernel."""
        return self.channels * self.domain.slices


class Core(Protocol):
    """What a cut depends on; a targets.Target is one."""

    @property
    def lanes(self) -> int: ...
    @property
    def registers(self) -> int: ...
    @property
    def threads(self) -> int: ...
    @property
    def l1(self) -> int: ...
    @property
    def l2(self) -> int: ...


def tiles(domain: Domain, size: tuple[int, int, int]) -> tuple[int, int, int]:
    """Planes, rows and columns of tiles that cover an output of `size`."""
    return tuple(-(-n // m) for n, m in zip(size, domain.outputs, strict=True))


def best_cut(work: Work, core: Core) -> tuple[Cut, float]:
    """The cut with the fewest cycles, and these, on the slowest core."""
    *rows, columns = tiles(work.domain, work.size)
    even = columns * work.domain.outputs[-1] == work.size[-1]
    divisors = (n for n in range(1, work.groups + 1) if work.groups % n == 0)
    parts = [n for n in (1, core.threads) if work.groups % n == 0]
    groups = max(n for n in divisors if n == 1 or n * work.filters <= ROUND)
    cuts = [
        Cut(*cut, groups if work.groups % (groups * cut[-1]) == 0 else 1)
        for cut in product(
            range(1, min(work.batch * prod(rows), 16) + 1),
            [n for n in (1, 2, 4) if n == 1 or (even and columns % n == 0)],
            parts,
        )
    ]
    return min(((cut, cycles(work, cut, core)) for cut in cuts), key=lambda pair: pair[1])


def cycles(work: Work, cut: Cut, core: Core) -> float:
    """Multiply-adds, transforms, and what has to come from beyond a cache, on the slowest core."""
    *rows, columns = tiles(work.domain, work.size)
    points, segment = work.domain.points, columns // cut.segments
    width = round_up(cut.bands * segment, core.lanes)
    jobs = -(-work.batch * prod(rows) // cut.bands) * cut.segments * cut.parts

    vectors, groups = width // core.lanes, work.groups / cut.parts
    tile = best_tile(work.filters, vectors, core.registers)
    v = max(n for n in range(1, tile.vectors + 1) if vectors % n == 0)
    step = max(v * tile.filters / 2, (v + tile.filters) / 2, LATENCY)
    steps = points * groups * work.columns * (vectors / v) * (work.filters / tile.filters)

    weights = 4 * points * groups * work.columns * work.filters
    slice_ = 4 * work.sources * width
    if slice_ > core.l1:
        steps *= FROM_L2
    read = 4 * points * groups / cut.groups * work.columns * width
    outside = L3 if points * slice_ < SHARE else MEMORY
    read /= L2 if points * slice_ < core.l2 else outside
    transforms = TRANSFORM * points * cut.bands * -(-segment // core.lanes)
    transforms *= work.sources + groups * work.filters
    job = steps * step + read + weights / L3 + transforms
    return job * -(-jobs // core.threads) + weights * cut.parts / MEMORY
