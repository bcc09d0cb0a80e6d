"""The interface of every pruning method: what draws weights to zero while a net is trained."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from ...errors import PlanError
from ...registry import Registry
from ...sparsity import Plan, Structure
from ..layers import Weight

methods: Registry[type["Method"]] = Registry("pruning method", PlanError)

Masks = dict[str, torch.Tensor]
"""By the weight's name, bool of its shape and on its device; True where a weight stays."""


class Method(ABC):
    """The Pruner calls `start` once, `draw` before each update of a weight, `advance` after each.

    Subclasses are registered by name, one file each; their keywords are what Pruner(..., **options)
    passes on.
    """

    steps: int
    """Training steps until the masks are final; 0: they are so from the start."""

    @abstractmethod
    def start(
        self,
        model: nn.Module,
        weights: Mapping[str, Weight],
        structures: Mapping[str, Structure],
        find: bool,
    ) -> Masks | None:
        """Take the net on, and give the masks to begin with, if any.

        `find` is False where a state is loaded next: what it holds need not be found now.
        """

    def draw(self, name: str) -> torch.Tensor | None:
        """What to add to the gradient of a weight."""
        return None

    def advance(self, step: int) -> Masks | None:
        """New masks after training step 1, 2, ...; the final ones after step `steps`."""
        return None

    @property
    def errors(self) -> Mapping[str, float]:
        """Of layers whose weights were fitted: the error of their outputs, for the report."""
        return {}

    def plan(self) -> Plan | None:
        """The plan that the method found; None: it keeps the one that it was given."""
        return None

    def state_dict(self) -> dict[str, Any]:
        """What `advance` and `draw` remember: nested dicts of tensors, numbers and strings."""
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:  # noqa: B027 (nothing to load)
        """Go on from there; called after `start`."""
