"""Recurrent weights fitted as refit.py fits linear layers: their matrices' outputs are what counts.

The last state that a matrix reads depends on that matrix itself. So it is fitted twice: on the
states of the dense net, then on those and on the states that it leads to itself, where the same
outputs are wanted: what has drifted is drawn back.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from .statistics import Statistics, summarise
from .unroll import UNROLLED, Direction, directions

SIDES = ("ih", "hh")

Fit = Callable[[str, nn.Parameter, nn.Parameter | None, Statistics], None]
"""(name, weight, bias, statistics): fits both in place."""


@dataclass(frozen=True)
class Step:
    """Of one direction of the dense net, at some places of its sequences, [rows, ...] each."""

    places: torch.Tensor
    states: np.ndarray
    """What the matrix of the last state reads."""
    wanted: dict[str, np.ndarray]
    """What each matrix gives, its bias included, by side."""


def recurrent_modules(model: nn.Module) -> dict[str, nn.RNNBase]:
    """Those that can be unrolled, by dotted name."""
    return {
        name: module
        for name, module in model.named_modules()
        if isinstance(module, UNROLLED) and not module.proj_size
    }


def weight_names(name: str, module: nn.RNNBase) -> list[str]:
    """As plans say them: gru.weight_hh_l0."""
    own = (key for key, _ in module.named_parameters() if key.startswith("weight_"))
    return [f"{name}.{key}".removeprefix(".") for key in own]


def record_steps(
    module: nn.RNNBase, inputs: tuple, count: int, generator: torch.Generator
) -> list[Step]:
    """What the dense module reads and gives in each direction, at up to `count` places."""
    return [_step(direction, count, generator) for direction in directions(module, *inputs)]


def fit_steps(name: str, module: nn.RNNBase, inputs: tuple, steps: list[Step], fit: Fit) -> None:
    """Fit every matrix of the pruned module to what the dense one gave."""
    for direction, step in zip(directions(module, *inputs), steps, strict=True):
        for side, rows in _rounds(direction, step):
            weight, bias = direction.parameters(side)
            wanted = np.concatenate([step.wanted[side]] * (len(rows) // len(step.places)))
            statistics = summarise(rows, wanted, bias is not None)
            own = f"{name}.weight_{side}{direction.ending}".removeprefix(".")
            fit(own, weight, bias, statistics)


def _rounds(direction: Direction, step: Step) -> Iterator[tuple[str, np.ndarray]]:
    """Which matrix is fitted on what it reads; later ones see what earlier fits have changed."""
    yield "ih", _rows(direction.inputs, step.places)
    yield "hh", step.states
    yield "hh", np.concatenate([step.states, _rows(direction.last_states(), step.places)])


def _step(direction: Direction, count: int, generator: torch.Generator) -> Step:
    total = direction.inputs.shape[0] * direction.inputs.shape[1]
    places = torch.randperm(total, generator=generator)[:count].sort().values
    read = {"ih": direction.inputs, "hh": direction.last_states()}
    wanted = {
        side: nn.functional.linear(read[side].flatten(0, 1)[places], *direction.parameters(side))
        for side in SIDES
    }
    return Step(
        places, _rows(read["hh"], places), {side: y.cpu().numpy() for side, y in wanted.items()}
    )


def _rows(x: torch.Tensor, places: torch.Tensor) -> np.ndarray:
    return x.flatten(0, 1)[places].cpu().numpy()
