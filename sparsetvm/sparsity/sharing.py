"""Layers of one entry of a plan share the pattern set that is found in all of them."""

from collections.abc import Mapping
from dataclasses import replace
from math import prod

import numpy as np

from .joined import PatternConnectivity
from .pattern import Pattern, find_patterns
from .structure import Structure


def share_patterns(
    structures: Mapping[str, Structure], weights: Mapping[str, np.ndarray]
) -> dict[str, Structure]:
    """Each layer's structure, equal ones with one pattern set; a set that is given stays."""
    sharing: dict[tuple[Structure, int], list[str]] = {}
    for name, structure in structures.items():
        positions = prod(weights[name].shape[2:])
        if _finds_patterns(structure) and positions > structure.entries:
            sharing.setdefault((structure, positions), []).append(name)
    shared = dict(structures)
    for (structure, _), names in sharing.items():
        found = find_patterns(
            [weights[name] for name in names], structure.entries, structure.patterns
        )
        shared |= dict.fromkeys(names, replace(structure, shapes=found))
    return shared


def _finds_patterns(structure: Structure) -> bool:
    return isinstance(structure, Pattern | PatternConnectivity) and structure.shapes is None
