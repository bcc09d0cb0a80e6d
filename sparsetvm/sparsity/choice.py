"""Which filters make a group and which columns they keep: what loses nothing, or else least."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from .reorder import group_energy, group_filters, natural_groups, similar_filters

Keep = Callable[[np.ndarray], np.ndarray]
"""A structure's rule: energy [G, ic, positions] -> the columns that stay, bool, the same shape."""

GAIN = 1.01
"""Filters leave their natural order only for groups that keep at least 1 % more energy."""


@dataclass(frozen=True)
class Choice:
    """Groups of filters and what they keep of the weight's energy.

    groups   int32 [G, B]
    columns  bool [G, ic, positions]
    """

    groups: np.ndarray
    columns: np.ndarray
    kept: float
    is_lossless: bool

    def mask(self) -> np.ndarray:
        """The columns of each filter, bool [filters, ic, positions]."""
        return by_filter(self.groups, self.columns)


def by_filter(groups: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """What holds of each group's columns, [G, ic, positions], for its filters, [filters, ...]."""
    filters = np.empty((groups.max() + 1, *columns.shape[1:]), columns.dtype)
    filters[groups] = columns[:, None]
    return filters


def choose(keep: Keep, energy: np.ndarray, group: int, reorders: bool) -> Choice:
    """The best groups of `group` filters, given the energy [filters, ic, positions] of each weight.

    Filters stay in natural order if that loses nothing; what a mask has pruned in other groups is
    found again; new groups are only made if they gain, and if the packer would find them again.
    """
    chosen = _try(keep, energy, natural_groups(len(energy), group))
    if chosen.is_lossless or not reorders or not 1 < group < len(energy):
        return chosen
    for find_groups in (_alike, _similar):
        choice = _try(keep, energy, find_groups(energy, group))
        if choice.is_lossless:
            return choice
        if choice.kept > GAIN * chosen.kept and _is_found_again(choice, keep, energy):
            chosen = choice
    return chosen


def _try(keep: Keep, energy: np.ndarray, groups: np.ndarray) -> Choice:
    together = group_energy(energy, groups)
    columns = keep(together)
    return Choice(groups, columns, together[columns].sum(), not together[~columns].any())


def _is_found_again(choice: Choice, keep: Keep, energy: np.ndarray) -> bool:
    left = np.where(choice.mask(), energy, 0)
    return _try(keep, left, _alike(left, choice.groups.shape[1])).is_lossless


def _alike(energy: np.ndarray, group: int) -> np.ndarray:
    return group_filters((energy != 0).reshape(len(energy), -1), group)


def _similar(energy: np.ndarray, group: int) -> np.ndarray:
    return similar_filters(energy.reshape(len(energy), -1), group)
