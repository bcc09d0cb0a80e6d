"""Find the structure that a weight's zeros follow, where nobody kept the plan."""

import numpy as np

from ..errors import StructureError
from .block import Block
from .connectivity import Connectivity
from .dense import Dense
from .joined import PatternConnectivity
from .packed import Packed, pack
from .pattern import Pattern
from .structure import Structure

GROUPS = (8, 4, 2, 1)
"""Filters that may share their columns."""
LEAST_RATE = 1.5
"""Fewer zeros than that are chance, or not worth a kernel of their own."""
MOST_PATTERNS = 16
"""Kernels of more different shapes follow no patterns."""


def detect(weight: np.ndarray) -> Structure:
    """The structure of `weight` [filters, input channels, *kernel]; Dense if it has too few zeros.

    The group is the one that packs smallest, of equal ones the largest; the structure is the one
    that expects most zeros. Columns that follow nothing else are blocks of one column.
    """
    if np.count_nonzero(weight) * LEAST_RATE > weight.size:
        return Dense()
    packed = min((pack(weight, group, None) for group in GROUPS), key=lambda p: p.values.size)
    if packed.values.size * LEAST_RATE > weight.size:
        return Dense()
    fitting = (structure for structure in _candidates(packed) if _follows(weight, structure))
    return max(fitting, key=lambda structure: round(structure.rate_for(weight.shape), 3))


def _candidates(packed: Packed) -> list[Structure]:
    """What the zeros may follow, the more special first; the last one allows any columns."""
    _, channels, *kernel = packed.shape
    group = packed.group
    support = np.zeros((packed.groups, channels, int(np.prod(kernel))), bool)
    np.put_along_axis(support.reshape(packed.groups, -1), packed.columns[:, 0], True, axis=1)
    places, kernels = support.sum(axis=2), support.any(axis=2)
    connectivity = channels / kernels.sum(axis=1).max()
    entries, patterns = int(places.max()), len(np.unique(support[kernels], axis=0))
    found: list[Structure] = [Connectivity(connectivity, group)]
    if entries < support.shape[2] and patterns <= MOST_PATTERNS:
        found += [
            Pattern(entries, patterns, group),
            PatternConnectivity(entries, patterns, connectivity, group),
        ]
    return [*found, Block(group, 1, support[0].size / packed.columns_per_block)]


def _follows(weight: np.ndarray, structure: Structure) -> bool:
    """Whether the structure keeps all that is not zero."""
    try:
        structure.check(weight)
    except StructureError:
        return False
    return True
