"""The groups of weights that stay or go together: how long each is, and what shrinks it."""

from math import prod

import numpy as np
import torch

from ...sparsity import Structure
from ...sparsity.choice import by_filter
from ..layers import Weight
from ..processes import is_first, take_from_first

EPSILON = 0.01
"""Beside |w_g|², in units of the layer's mean."""


class Groups:
    """Those of one weight; each part of its structure (pattern, connectivity) has its own.

    pulls  P = 1 / (|w_g|² + ε) of each group, a tensor for each part
    """

    def __init__(self, structure: Structure, weight: Weight):
        self._structure, self._weight = structure, weight
        values = weight.parameter
        slots = (-(-len(values) // structure.group), structure.group)
        self.filters = torch.zeros(slots, dtype=torch.int32, device=values.device)
        """The filters that share their columns, [G, B]."""
        self.pulls: list[torch.Tensor] = []

    def choose(self) -> None:
        """Put filters together as the weight is now, and set P by it."""
        if is_first():
            values = self._values().cpu().numpy()
            self.filters.copy_(torch.from_numpy(self._structure.groups_for(values)))
        take_from_first([self.filters])
        self._number()
        self.pulls = [1 / (self.lengths(p).square() + EPSILON) for p in range(len(self._numbers))]

    def load(self, filters: torch.Tensor, pulls: list[torch.Tensor]) -> None:
        """Go on with what was chosen."""
        self.filters.copy_(filters)
        self._number()
        self.pulls = [pull.to(self.filters.device) for pull in pulls]

    def shrink(self, amount: float) -> None:
        """Every group gets shorter by `amount` * P, and by no more than all of it."""
        for part, pull in enumerate(self.pulls):
            length = self.lengths(part).clamp(min=1e-9)
            factor = (1 - amount * pull / length).clamp(min=0)
            self._values().mul_(factor[self._numbers[part]])

    def lengths(self, part: int = -1) -> torch.Tensor:
        """|w_g| of a part's groups, in units of their root mean square."""
        number = self._numbers[part]
        squares = torch.zeros(int(number.max()) + 1, device=number.device)
        squares.index_add_(0, number.flatten(), self._values().square().flatten().float())
        take_from_first([squares])  # sums on a GPU differ in the last bit
        return (squares / squares.mean().clamp(min=1e-30)).sqrt()

    def _number(self) -> None:
        """Give each weight the number of its group, for each part."""
        groups = self.filters.cpu().numpy()
        channels, positions = self._values().shape[1], prod(self._values().shape[2:])
        self._numbers = []
        for part in self._structure.parts:
            own = part.units(channels, positions)
            all_groups = own + (own.max() + 1) * np.arange(len(groups))[:, None, None]
            numbers = by_filter(groups, all_groups).reshape(self._values().shape)
            self._numbers.append(torch.from_numpy(numbers).to(self.filters.device))

    def _values(self) -> torch.Tensor:
        return self._weight.parameter.detach()
