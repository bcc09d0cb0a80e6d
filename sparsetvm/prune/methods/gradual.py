"""Gradual magnitude pruning: zeros come little by little, by a cubic schedule.

Zhu & Gupta, "To prune, or not to prune", arXiv 1710.01878: at step t of T the share of zeros is
s (1 - (1 - t/T)³), of s at the end: fast while there is much to spare, slow where it hurts.
"""

from collections.abc import Mapping

import torch
from torch import nn

from ...sparsity import Structure
from ..layers import Weight
from ..projection import project
from .method import Masks, Method, methods


@methods.register("gradual")
class Gradual(Method):
    """In each of `updates` the plan's zeros are found anew; the smallest of these weights go first.

    So every structure can be reached step by step, whatever parameters it has. A weight that was
    masked keeps its value and may come back until the end.
    """

    def __init__(self, steps: int = 1000, updates: int = 20):
        self.steps, self._every = steps, -(-steps // updates)

    def start(
        self,
        model: nn.Module,
        weights: Mapping[str, Weight],
        structures: Mapping[str, Structure],
        find: bool,
    ) -> Masks | None:
        self._weights, self._structures = weights, structures
        return None

    def advance(self, step: int) -> Masks | None:
        if step > self.steps or (step % self._every and step != self.steps):
            return None
        gone = 1 - (1 - step / self.steps) ** 3
        values = {name: weight.parameter.detach() for name, weight in self._weights.items()}
        final = project(values, self._structures)
        return {name: _spare(values[name], mask, gone) for name, mask in final.items()}


def _spare(weight: torch.Tensor, mask: torch.Tensor, gone: float) -> torch.Tensor:
    """The mask with only the smallest of the weights outside it gone, this share of them."""
    outside = weight[~mask].abs()
    count = round(gone * outside.numel())
    if count == 0:
        return torch.ones_like(mask)
    spared = mask.clone()
    spared[~mask] = torch.ones_like(outside, dtype=torch.bool).scatter(
        0, outside.topk(count, largest=False).indices, False
    )
    return spared
