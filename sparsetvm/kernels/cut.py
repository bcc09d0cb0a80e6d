"""How a Winograd kernel's tiles are cut into chunks that stay in a core's caches."""

from dataclasses import dataclass
from itertools import product

from ..targets.target import Target
from .frame import round_up
from .tile import LATENCY, best_tile
from .transforms import Transform

TRANSFORM = 7
"""Cycles to transform one vector of one point, there or back (measured on Zen 5, AVX-512)."""
L1, L2, L3 = 40, 24, 16
"""Bytes a cycle that come from beyond each cache, read in a row (measured on Zen 5)."""
MEMORY = 8
"""The same from memory, where a layer's weights lie when its turn comes."""


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
    """One layer in the Winograd domain: groups of `filters` keep `columns` of `channels`."""

    transform: Transform
    groups: int
    filters: int
    columns: int
    channels: int
    batch: int
    size: tuple[int, int]


def tiles(transform: Transform, size: tuple[int, int]) -> tuple[int, int]:
    """Rows and columns of tiles that cover an output of `size`."""
    return tuple(-(-n // transform.outputs) for n in size)


def best_cut(work: Work, target: Target) -> tuple[Cut, float]:
    """The cut with the fewest cycles, and these, on the slowest core."""
    rows, columns = tiles(work.transform, work.size)
    even = columns * work.transform.outputs == work.size[1]
    cuts = [
        Cut(bands, segments, parts, groups)
        for bands, segments, parts, groups in product(
            range(1, min(work.batch * rows, 16) + 1),
            [n for n in (1, 2, 4) if n == 1 or (even and columns % n == 0)],
            [n for n in {1, target.threads} if work.groups % n == 0],
            [n for n in (1, 2, 4, 8, 16, 32) if work.groups % (n * target.threads) == 0] or [1],
        )
    ]
    return min(((cut, cycles(work, cut, target)) for cut in cuts), key=lambda pair: pair[1])


def cycles(work: Work, cut: Cut, target: Target) -> float:
    """Multiply-adds, transforms, and what has to come from beyond a cache, on the slowest core."""
    rows, columns = tiles(work.transform, work.size)
    points, segment = work.transform.points**2, columns // cut.segments
    width = round_up(cut.bands * segment, target.lanes)
    jobs = -(-work.batch * rows // cut.bands) * cut.segments * cut.parts

    vectors, groups = width // target.lanes, work.groups / cut.parts
    tile = best_tile(work.filters, vectors, target.registers)
    v = max(n for n in range(1, tile.vectors + 1) if vectors % n == 0)
    step = max(v * tile.filters / 2, (v + tile.filters) / 2, LATENCY)
    steps = points * groups * work.columns * (vectors / v) * (work.filters / tile.filters)

    weights = 4 * points * groups * work.columns * work.filters
    slice_ = 4 * work.channels * width
    transformed = 4 * points * work.channels * (width + target.lanes)
    transforms = TRANSFORM * points * cut.bands * -(-segment // target.lanes)
    job = 1.05 * steps * step + weights / L3 + transforms * (work.channels + groups * work.filters)
    if slice_ > target.l1:
        job += 4 * points * groups * work.columns * width / L1
    if transformed > 0.95 * target.l2:
        job += transformed * groups / cut.groups / L2
    return job * -(-jobs // target.threads) + weights * cut.parts / MEMORY
