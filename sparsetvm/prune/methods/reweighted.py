"""Reweighted group regularization: weak groups die out, and the net itself finds layers' rates.

RT3D (Niu et al., AAAI 2021): minimise f(W) + λ Σ P |w_g| over the groups g of weights that a
structure keeps or drops together, and now and then set P = 1 / (|w_g|² + ε): what is weak is drawn
harder to zero, what is strong is left in peace. Each layer's λ grows with the work that one of its
weights makes, so the target is one of operations; one threshold for all layers then gives their
rates. The regularization acts as its proximal step after each update, w_g <- (1 - κ / |w_g|)+ w_g,
which means the same whatever the optimizer.
"""

from collections.abc import Mapping
from math import prod
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn.utils.rnn import PackedSequence

from ...sparsity import Plan, Structure
from ...sparsity.plan import Rule
from ..layers import RECURRENT, Weight
from ..projection import project
from .groups import Groups
from .method import Masks, Method, methods


@methods.register("reweighted")
class Reweighted(Method):
    """`target` times fewer operations in all pruned layers together; by default, as in the plan.

    `strength` is how much a mean group loses in all steps, in parts of its length, if the loss does
    not defend it. P is set anew `rounds` times. Structures without a free rate (N:M, pattern) keep
    the plan's.
    """

    def __init__(
        self,
        steps: int = 1000,
        strength: float = 4.0,
        target: float | None = None,
        rounds: int = 4,
    ):
        self.steps, self._strength, self._target = steps, strength, target
        self._every = -(-steps // rounds)

    def start(
        self,
        model: nn.Module,
        weights: Mapping[str, Weight],
        structures: Mapping[str, Structure],
        find: bool,
    ) -> Masks | None:
        self._weights, self._structures = weights, dict(structures)
        self._groups = {name: Groups(structures[name], weights[name]) for name in weights}
        self._positions: dict[str, int] = {}
        self._rates: dict[str, float] = {}
        for name, weight in weights.items():
            _count_positions(name, weight.holders[0][0], self._positions)
        if find:
            self._choose_groups()
        return None

    def advance(self, step: int) -> Masks | None:
        if step > self.steps:
            return None
        operations = self._operations()
        mean = sum(operations.values()) / sum(w.parameter.numel() for w in self._weights.values())
        for name, groups in self._groups.items():
            groups.shrink(self._strength / self.steps * self._positions.get(name, 1) / mean)
        if step == self.steps:
            self._take_rates(self._find_rates(operations))
            values = {name: weight.parameter.detach() for name, weight in self._weights.items()}
            return project(values, self._structures)
        if step % self._every == 0:
            self._choose_groups()
        return None

    def plan(self) -> Plan | None:
        """A rule for each layer, with the rate that was found for it."""
        if not self._rates:
            return None
        return Plan(tuple(Rule(structure, name) for name, structure in self._structures.items()))

    def state_dict(self) -> dict[str, Any]:
        return {
            "positions": dict(self._positions),
            "rates": dict(self._rates),
            "filters": {name: groups.filters for name, groups in self._groups.items()},
            "pulls": {
                name: {str(i): pull for i, pull in enumerate(groups.pulls)}
                for name, groups in self._groups.items()
            },
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self._positions.update(state["positions"])
        self._take_rates(state["rates"])
        for name, groups in self._groups.items():
            pulls = state["pulls"][name]
            groups.load(state["filters"][name], [pulls[str(i)] for i in range(len(pulls))])

    def _choose_groups(self) -> None:
        for groups in self._groups.values():
            groups.choose()

    def _operations(self) -> dict[str, int]:
        """Multiply-adds of each layer for one sample, dense."""
        return {
            name: weight.parameter.numel() * self._positions.get(name, 1)
            for name, weight in self._weights.items()
        }

    def _find_rates(self, operations: Mapping[str, int]) -> dict[str, float]:
        """Groups of all layers in one row, the strongest stay until the work is what is wanted."""
        free = [n for n, structure in self._structures.items() if structure.has_free_rate]
        if not free:
            return {}
        allowed, lengths, works = self._wanted(operations), [], []
        for name, structure in self._structures.items():
            fixed = structure.at_rate(1.0).rate_for(tuple(self._weights[name].parameter.shape))
            if name in free:
                lengths.append(self._groups[name].lengths().cpu().numpy())
                works.append(operations[name] / fixed / len(lengths[-1]))
            else:
                allowed -= operations[name] / fixed
        owners = np.repeat(np.arange(len(free)), [len(own) for own in lengths])
        order = np.argsort(-np.concatenate(lengths), kind="stable")
        stay = order[np.cumsum(np.take(works, owners)[order]) <= allowed]
        kept = np.bincount(owners[stay], minlength=len(free))
        return {
            name: len(own) / max(count, len(self._groups[name].filters))
            for name, own, count in zip(free, lengths, map(int, kept), strict=True)
        }

    def _wanted(self, operations: Mapping[str, int]) -> float:
        if self._target is not None:
            return sum(operations.values()) / self._target
        shapes = {name: tuple(weight.parameter.shape) for name, weight in self._weights.items()}
        return sum(
            operations[name] / structure.rate_for(shapes[name])
            for name, structure in self._structures.items()
        )

    def _take_rates(self, rates: Mapping[str, float]) -> None:
        self._rates = dict(rates)
        for name, rate in rates.items():
            self._structures[name] = self._structures[name].at_rate(rate)


def _count_positions(name: str, module: nn.Module, positions: dict[str, int]) -> None:
    """Note, at the module's first run, how often a sample uses each of its weights."""

    def count(_module: nn.Module, inputs: tuple[Any, ...], output: Any) -> None:
        handle.remove()
        if isinstance(module, RECURRENT):
            positions[name] = _time_steps(module, inputs[0])
        elif isinstance(module, nn.Linear):
            positions[name] = prod(output.shape[1:-1])
        else:
            positions[name] = prod(output.shape[2:])

    handle = module.register_forward_hook(count)


def _time_steps(module: nn.Module, x: torch.Tensor | PackedSequence) -> int:
    if isinstance(x, PackedSequence):
        return len(x.batch_sizes)
    if isinstance(module, nn.RNNCellBase) or x.ndim < 2:
        return 1
    return x.shape[1 if module.batch_first and x.ndim == 3 else 0]
