"""ADMM: weights are trained, and drawn all the while to the nearest ones that follow the plan.

min f(W) + g(Z) with W = Z, g being 0 where Z follows its structure. Training lowers
f(W) + rho/2 |W - Z + U|²; now and then Z becomes the projection of W + U, and U grows by W - Z
(Zhang et al., arXiv 1804.03294). Where a structure joins two, as pattern + connectivity does, each
has a Z and a U of its own (extended ADMM; PatDNN, arXiv 2001.00138).
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from ...sparsity import Structure
from ..layers import Weight
from ..projection import project, project_parts
from .method import Masks, Method, methods

Parts = dict[str, list[torch.Tensor]]
"""For each weight, by name, a tensor for each part of its structure."""


@methods.register("admm")
class ADMM(Method):
    """Z and U are updated `updates` times; rho rises tenfold from level to level, to `rho`.

    The projection finds pattern sets anew each time, so they are learned with the weights.
    """

    def __init__(self, steps: int = 1000, updates: int = 20, rho: float = 1.0, levels: int = 3):
        self.steps, self._rho, self._levels = steps, rho, levels
        self._every = -(-steps // updates)

    def start(
        self,
        model: nn.Module,
        weights: Mapping[str, Weight],
        structures: Mapping[str, Structure],
        find: bool,
    ) -> Masks | None:
        self._weights, self._structures, self._done = weights, structures, 0
        zeros = {name: torch.zeros_like(weight.parameter) for name, weight in weights.items()}
        parts = {name: structures[name].parts for name in weights}
        self._sparse: Parts = {n: [zeros[n].clone() for _ in parts[n]] for n in weights}
        self._dual: Parts = {n: [zeros[n].clone() for _ in parts[n]] for n in weights}
        if find:
            self._project()
        return None

    def draw(self, name: str) -> torch.Tensor | None:
        weight = self._weights[name].parameter.detach()
        pairs = zip(self._sparse[name], self._dual[name], strict=True)
        return self._penalty() * sum(weight - sparse + dual for sparse, dual in pairs)

    def advance(self, step: int) -> Masks | None:
        before, self._done = self._penalty(), step
        if step == self.steps:
            return project(self._values(), self._structures)
        if step % self._every == 0:
            self._project()
            for name, weight in self._values().items():
                for sparse, dual in zip(self._sparse[name], self._dual[name], strict=True):
                    dual.add_(weight - sparse)
        if (after := self._penalty()) != before:
            for dual in (dual for parts in self._dual.values() for dual in parts):
                dual.mul_(before / after)  # U is the multiplier over rho
        return None

    def state_dict(self) -> dict[str, Any]:
        if self._done >= self.steps:
            return {}
        return {"step": self._done, "sparse": _table(self._sparse), "dual": _table(self._dual)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        if not state:  # taken after the last step: masks are all that is left
            self._done = self.steps
            return
        self._done = state["step"]
        for own, loaded in ((self._sparse, state["sparse"]), (self._dual, state["dual"])):
            for name, parts in own.items():
                for i, part in enumerate(parts):
                    part.copy_(loaded[name][str(i)])

    def _penalty(self) -> float:
        """rho at this step: rho / 100, then rho / 10, then rho."""
        level = min(self._done * self._levels // self.steps, self._levels - 1)
        return self._rho * 10.0 ** (level + 1 - self._levels)

    def _project(self) -> None:
        """Z <- the nearest to W + U, each part's by itself."""
        wanted = {
            name: [weight + dual for dual in self._dual[name]]
            for name, weight in self._values().items()
        }
        masks = project_parts(wanted, self._structures)
        for name, parts in wanted.items():
            for sparse, part, mask in zip(self._sparse[name], parts, masks[name], strict=True):
                torch.mul(part, mask, out=sparse)

    def _values(self) -> dict[str, torch.Tensor]:
        return {name: weight.parameter.detach() for name, weight in self._weights.items()}


def _table(parts: Parts) -> dict[str, dict[str, torch.Tensor]]:
    return {name: {str(i): part for i, part in enumerate(own)} for name, own in parts.items()}
