"""How far a pruned net is from its dense self, at its outputs and on the way: a loss, no labels.

Knowledge distillation (Hinton et al. 2015) with hints from inside (FitNets, Romero et al. 2015).
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from typing import Any

import torch
from torch import nn

from ..errors import ModelError

Inputs = tuple[torch.Tensor, ...]
Maps = dict[str, list[torch.Tensor]]
"""Tensors that a module gave, by its name; what the whole net gave under OUTPUT."""

OUTPUT = ""
HINTS = 0.3
"""What the errors on the way weigh, all together, beside the output's."""


class Imitation:
    """What `dense` gives on any inputs, as a loss for `student`, while it is entered as a context.

    `hints` names modules whose outputs are compared too. Every error is squared and relative to the
    variance of the dense net's map on `samples`, so that large maps and small ones count alike.
    Both nets run in the mode that they are in.
    """

    def __init__(
        self, dense: nn.Module, student: nn.Module, hints: Sequence[str], samples: Sequence[Inputs]
    ):
        self._dense, self._student = _Watched(dense, hints), _Watched(student, hints)
        self._samples = samples

    def __enter__(self) -> "Imitation":
        with ExitStack() as hooks:
            hooks.enter_context(self._dense)
            hooks.enter_context(self._student)
            self._hooks = hooks.pop_all()
        self._wanted, moments = [], []
        with torch.no_grad():
            for sample in self._samples:
                maps = self._dense(sample)
                self._wanted.append(maps[OUTPUT])
                moments.append({name: _moments(tensors) for name, tensors in maps.items()})
        self._variances = {name: _variance([one[name] for one in moments]) for name in moments[0]}
        return self

    def __exit__(self, *_error: object) -> None:
        self._hooks.close()

    def loss(self, inputs: Inputs) -> torch.Tensor:
        """The output's error, and HINTS times the mean of the others."""
        with torch.no_grad():
            wanted = self._dense(inputs)
        errors = self._errors(wanted, self._student(inputs))
        output = errors.pop(OUTPUT)
        return output + HINTS * torch.stack(list(errors.values())).mean() if errors else output

    @torch.no_grad()
    def judge(self) -> float:
        """The output's error on `samples`: 0 if it is the dense net's, 1 if it is their mean."""
        errors = [
            self._errors({OUTPUT: wanted}, self._student(sample))[OUTPUT]
            for wanted, sample in zip(self._wanted, self._samples, strict=True)
        ]
        return float(torch.stack(errors).mean())

    def _errors(self, wanted: Maps, given: Maps) -> dict[str, torch.Tensor]:
        return {
            name: sum(
                (g.float() - w.float()).square().mean() / (self._variances[name] * len(tensors))
                for g, w in zip(given[name], tensors, strict=True)
            )
            for name, tensors in wanted.items()
        }


class _Watched:
    """A net that gives, besides its outputs, those of some of its modules."""

    def __init__(self, net: nn.Module, names: Sequence[str]):
        modules = dict(net.named_modules())
        if missing := [name for name in names if name not in modules]:
            raise ModelError(
                f"a net has no module {missing[0]} to take hints from\n"
                f"  give the dense net as it was before pruning, and names of its modules"
            )
        self._net, self._modules = net, {name: modules[name] for name in names}
        self._maps: Maps = {}
        self._hooks = ExitStack()

    def __enter__(self) -> None:
        for name, module in self._modules.items():
            self._hooks.enter_context(module.register_forward_hook(partial(self._note, name)))

    def __exit__(self, *_error: object) -> None:
        self._hooks.close()

    def __call__(self, inputs: Inputs) -> Maps:
        self._maps = {}
        output = self._net(*inputs)
        return self._maps | {OUTPUT: list(_tensors(output))}

    def _note(self, name: str, _module: nn.Module, _inputs: Inputs, output: Any) -> None:
        self._maps.setdefault(name, []).extend(_tensors(output))


def _tensors(output: Any) -> Iterator[torch.Tensor]:
    """The tensors of numbers in what a module gave, in order."""
    if isinstance(output, torch.Tensor):
        if output.is_floating_point():
            yield output
    elif isinstance(output, Mapping):
        for value in output.values():
            yield from _tensors(value)
    elif isinstance(output, (tuple, list)):
        for value in output:
            yield from _tensors(value)


def _moments(tensors: Sequence[torch.Tensor]) -> torch.Tensor:
    """How many numbers, their sum, and the sum of their squares."""
    numbers = torch.cat([tensor.flatten() for tensor in tensors]).double()
    return torch.stack([numbers.new_tensor(len(numbers)), numbers.sum(), numbers.square().sum()])


def _variance(moments: Sequence[torch.Tensor]) -> float:
    count, total, squares = torch.stack(moments).sum(0).tolist()
    return max(squares / count - (total / count) ** 2, float(torch.finfo(torch.float32).tiny))
