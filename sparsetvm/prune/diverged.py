"""A training that diverged is stopped before it writes what is not a number into the weights."""

from collections.abc import Mapping
from math import inf

import torch
from torch import nn
from torch.nn.utils import get_total_norm
from torch.optim import Optimizer

from ..errors import TrainingError


def check_finite(optimizer: Optimizer, model: nn.Module, step: int) -> None:
    """Raise TrainingError if a gradient, or a weight, that the optimizer is to use is NaN or Inf.

    Called before its update: the weights are then still those after the last good one.
    """
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    gradients = [p.grad for p in parameters if p.grad is not None and not p.grad.is_sparse]
    if not _are_finite(gradients):
        name, found, total = _find(model, {id(p): p.grad for p in parameters if p.grad is not None})
        raise TrainingError(
            f"step {step}: the gradient of {name} holds {found} numbers of {total} that are NaN or "
            f"infinite; the training diverged\n"
            f"  nothing was written, all weights are as after step {step - 1}; go on with a lower "
            f"learning rate, or from a checkpoint"
        )
    if not _are_finite(parameters):
        name, found, total = _find(model, {id(p): p for p in parameters})
        raise TrainingError(
            f"step {step}: {name} holds {found} numbers of {total} that are NaN or infinite; the "
            f"training diverged\n  go on from a checkpoint, with a lower learning rate"
        )


def _are_finite(tensors: list[torch.Tensor]) -> bool:
    with torch.no_grad():
        return bool(get_total_norm(tensors, norm_type=inf).isfinite())


def _find(model: nn.Module, tensors: Mapping[int, torch.Tensor]) -> tuple[str, int, int]:
    """The first parameter, by its name in the model, whose tensor is not finite: how much of it."""
    names = {id(p): name for name, p in model.named_parameters()}
    for key, tensor in tensors.items():
        if found := int((~tensor.isfinite()).sum()):
            name = names.get(key, "a parameter").replace("parametrizations.", "")
            return name.removesuffix(".original"), found, tensor.numel()
    raise AssertionError("some tensor is not finite")
