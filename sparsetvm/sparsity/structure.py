"""The interface of every sparsity structure: which zeros it allows, how what stays is packed."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar

import numpy as np

from ..errors import PlanError, StructureError
from ..registry import Registry
from .choice import Choice, by_filter, choose
from .packed import Packed, pack, unpack
from .reorder import group_energy

structures: Registry[type["Structure"]] = Registry("structure", PlanError)


class Structure(ABC):
    """Groups of `group` filters that keep the same columns; a subclass says which columns may stay.

    A weight is [filters, input channels, *kernel]; a linear layer's has no kernel axes. A column is
    one (input channel, kernel position) pair. Subclasses are frozen dataclasses, one file each,
    registered by name; what they hold is exactly what a plan may say of them.
    """

    group: int
    """B, the filters that share their columns."""
    block: int | None
    """Input channels that one block of columns spans; None: all of them in one block."""
    reorders: ClassVar[bool] = True
    """Whether any filters may make a group; False: only neighbours."""
    has_free_rate: ClassVar[bool] = True
    """Whether `at_rate` gives any rate; False: the structure's other parameters fix it."""

    @abstractmethod
    def keep(self, energy: np.ndarray) -> np.ndarray:
        """The columns that each group keeps, bool [G, ic, positions], given its energy in each.

        Energy is the sum of the squared weights: who keeps most of it is nearest to the weight. A
        group whose columns with energy are allowed together keeps them all.
        """

    @abstractmethod
    def breach(self, filters: np.ndarray, found: np.ndarray, allowed: np.ndarray) -> str:
        """What is wrong in a group that keeps `found` where `allowed` may stay, [ic, positions]."""

    @abstractmethod
    def rate_for(self, shape: tuple[int, ...]) -> float:
        """How many times fewer weights stay of a weight of this shape, before any rounding."""

    @abstractmethod
    def __str__(self) -> str:
        """The structure in a reader's words: 'pattern(4 entries, set of 8) + connectivity 3.6x'."""

    def mask(self, weight: np.ndarray) -> np.ndarray:
        """The allowed zeros nearest to `weight`: True where a weight stays.

        ADMM's projection is weight * mask. A weight that follows the structure loses nothing.
        """
        return self._choose(weight).mask().reshape(weight.shape)

    @property
    def parts(self) -> tuple["Structure", ...]:
        """The structures that this one joins; a weight follows it that follows them all."""
        return (self,)

    def groups_for(self, weight: np.ndarray) -> np.ndarray:
        """The filters that share their columns, int32 [G, B], as `mask` puts them together."""
        return self._choose(weight).groups

    def part_masks(self, weights: Sequence[np.ndarray]) -> list[np.ndarray]:
        """The masks of each part alone, for a weight of its own; all in the same filter groups."""
        groups = self.groups_for(sum(weights) / len(weights))
        masks = []
        for part, weight in zip(self.parts, weights, strict=True):
            together = group_energy(_energy(weight), groups)
            masks.append(by_filter(groups, part.keep(together)).reshape(weight.shape))
        return masks

    def units(self, channels: int, positions: int) -> np.ndarray:
        """Which columns of a group of filters stay or go together: a number for each, int."""
        return np.arange(channels * positions).reshape(channels, positions)

    def at_rate(self, rate: float) -> "Structure":
        """The same at another rate of its last part (connectivity, column_rate, ...), if free."""
        return self

    def check(self, weight: np.ndarray) -> None:
        """Raise StructureError with filter, kernel, what was found and what was expected.

        The caller, who knows them, adds the layer's name and the next step.
        """
        choice = self._choose(weight)
        if choice.is_lossless:
            return
        kept = (weight != 0).reshape(choice.mask().shape)
        outside = kept & ~choice.mask()
        energy = np.square(weight, dtype=float).reshape(kept.shape)
        g = int(np.argmax(outside[choice.groups].any(axis=(1, 2, 3))))
        filters = np.unique(choice.groups[g])
        raise StructureError(
            f"{self.breach(filters, kept[filters].any(axis=0), choice.columns[g])} "
            f"({outside.sum()} of {kept.sum()} weights, "
            f"{100 * energy[outside].sum() / energy.sum():.2g} % of the energy, stand outside)"
        )

    def pack(self, weight: np.ndarray) -> Packed:
        """The weights that stay, group by group; exact: unpack(pack(w)) == w."""
        return pack(weight, self.group, self.block)

    def unpack(self, packed: Packed) -> np.ndarray:
        """The dense weight with its zeros."""
        return unpack(packed)

    def _choose(self, weight: np.ndarray) -> Choice:
        _check_weight(weight)
        return choose(self.keep, _energy(weight), self.group, self.reorders)


def _energy(weight: np.ndarray) -> np.ndarray:
    """Squared weights, [filters, ic, positions]."""
    return np.square(weight.reshape(*weight.shape[:2], -1), dtype=float)


def _check_weight(weight: np.ndarray) -> None:
    if weight.ndim < 2 or 0 in weight.shape:
        raise StructureError(
            f"a weight is [filters, input channels, *kernel] and none of them 0; got {weight.shape}"
        )
    finite = np.isfinite(weight)
    if not finite.all():
        place = np.unravel_index(np.argmin(finite), weight.shape)
        raise StructureError(
            f"weight[{', '.join(map(str, place))}] is {weight[place]}; "
            f"{np.count_nonzero(~finite)} of {weight.size} weights are not finite numbers"
        )
