"""Kernel patterns: each kernel keeps the same few places, out of a small set of shapes."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from math import prod
from numbers import Integral
from typing import ClassVar

import numpy as np

from ..errors import StructureError
from .energy import largest
from .parameters import check_group, check_whole
from .structure import Structure, structures
from .words import name_filters

Shapes = tuple[tuple[int, ...], ...]
"""Patterns as the places that stay, counted row by row through the kernel: (1, 3, 4, 5)."""


@structures.register("pattern")
@dataclass(frozen=True)
class Pattern(Structure):
    """Keep `entries` places of every kernel, in one of `patterns` shapes.

        9 1 2     9 . .
        8 7 1  -> 8 7 .        entries=4, the shape (0, 3, 4, 7)
        2 6 1     . 6 .

    The shapes are the weight's most frequent ones, or given. The filters of a group share a shape
    at each input channel. Kernels of at most `entries` places, as in 1x1 layers, stay whole.
    """

    entries: int = 4
    patterns: int = 8
    group: int = 8
    block: int | None = None
    shapes: Shapes | None = None
    """The whole set, where it is not found in the weights; `patterns` then counts it."""

    has_free_rate: ClassVar[bool] = False

    def __post_init__(self) -> None:
        check_group("pattern", self.group, self.block)
        check_whole("pattern", entries=self.entries, patterns=self.patterns)
        if self.shapes is not None:
            shapes = _read_shapes(self.shapes, self.entries)
            object.__setattr__(self, "shapes", shapes)
            object.__setattr__(self, "patterns", len(shapes))

    def keep(self, energy: np.ndarray) -> np.ndarray:
        positions = energy.shape[2]
        if positions <= self.entries:
            return np.ones(energy.shape, bool)
        shapes = self.shapes or _most_frequent(
            _count_natural(energy, self.entries), self.entries, self.patterns, positions
        )
        places = _as_places(shapes, positions)
        # least lost, not most kept: a kernel that fits a shape loses an exact 0 there
        return places[np.argmin(energy @ ~places.T, axis=2)]

    def breach(self, filters: np.ndarray, found: np.ndarray, allowed: np.ndarray) -> str:
        channel = int(np.argmax((found & ~allowed).any(axis=1)))
        places = np.flatnonzero(found[channel])
        if len(places) > self.entries:
            what = f"{len(places)} weights, a {self.entries}-entry pattern keeps {self.entries}"
        else:
            what = f"places {_in_words(places)}, which none of the {self.patterns} patterns holds"
        if len(filters) == 1:
            return f"kernel ({filters[0]}, {channel}) keeps {what}"
        return f"at input channel {channel} {name_filters(filters, 'together keep')} {what}"

    def rate_for(self, shape: tuple[int, ...]) -> float:
        return max(1.0, prod(shape[2:]) / self.entries)

    def __str__(self) -> str:
        return f"pattern({self.entries} entries, set of {self.patterns})"


def find_patterns(weights: Sequence[np.ndarray], entries: int, count: int) -> Shapes:
    """The `count` most frequent shapes among the kernels of all weights, most frequent first.

    A kernel's natural shape is its `entries` largest places. Weights whose kernels have no more
    places than that have no say; if none has, the set is empty.
    """
    votes: Counter[tuple[int, ...]] = Counter()
    sizes = set()
    for weight in weights:
        energy = np.square(weight.reshape(*weight.shape[:2], -1), dtype=float)
        if energy.shape[2] > entries:
            votes += _count_natural(energy, entries)
            sizes.add(energy.shape[2])
    if len(sizes) > 1:
        raise StructureError(
            f"patterns are found among kernels of one size; got {sorted(sizes)} places"
        )
    return _most_frequent(votes, entries, count, *sizes) if sizes else ()


def _count_natural(energy: np.ndarray, entries: int) -> Counter[tuple[int, ...]]:
    """How many kernels of [G, ic, positions] have each natural shape; zeros are left out of it."""
    kernels = energy.reshape(-1, energy.shape[2])
    natural = largest(kernels, entries) & (kernels > 0)
    rows, counts = np.unique(np.packbits(natural, axis=1), axis=0, return_counts=True)
    places = np.unpackbits(rows, axis=1)
    shapes = [tuple(map(int, np.flatnonzero(row))) for row in places]
    return Counter(dict(zip(shapes, map(int, counts), strict=True)))


def _most_frequent(
    votes: Counter[tuple[int, ...]], entries: int, count: int, positions: int
) -> Shapes:
    """The most frequent shapes; those of kernels with more zeros come last and fill them up."""
    chosen: list[set[int]] = []
    for shape, _ in sorted(votes.items(), key=lambda item: (-len(item[0]), -item[1], item[0])):
        fitting = [other for other in chosen if len(other.union(shape)) <= entries]
        if any(other.issuperset(shape) for other in fitting):
            continue
        if len(chosen) < count:
            chosen.append(set(shape))
        elif fitting:
            fitting[0].update(shape)
    for shape in chosen:
        free = (place for place in range(positions) if place not in shape)
        shape.update(list(islice(free, entries - len(shape))))
    return tuple(tuple(sorted(shape)) for shape in chosen)


def _as_places(shapes: Shapes, positions: int) -> np.ndarray:
    """bool [shapes, positions]."""
    places = np.zeros((len(shapes), positions), bool)
    for row, shape in zip(places, shapes, strict=True):
        if shape[-1] >= positions:
            raise StructureError(
                f"pattern {_in_words(shape)} has place {shape[-1]}, "
                f"kernels of {positions} places have 0 to {positions - 1}"
            )
        row[list(shape)] = True
    return places


def _read_shapes(shapes: Sequence[Sequence[int]], entries: int) -> Shapes:
    """Shapes as sorted tuples, each of `entries` different places."""
    if not isinstance(shapes, list | tuple) or not shapes:
        raise StructureError(
            f"pattern: shapes is a list of patterns, or left out to find them; got {shapes!r}"
        )
    for shape in shapes:
        places = set(shape) if isinstance(shape, list | tuple) else set()
        whole = all(isinstance(place, Integral) and place >= 0 for place in places)
        if not whole or not len(places) == entries == len(shape):
            raise StructureError(
                f"pattern: shape {shape!r} is not {entries} different places, counted from 0"
            )
    return tuple(tuple(sorted(map(int, shape))) for shape in shapes)


def _in_words(places: Sequence[int]) -> str:
    return f"({', '.join(map(str, places))})"
