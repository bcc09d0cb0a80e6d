"""Masks held over weights by torch's parametrization, so that every optimizer keeps the zeros."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn
from torch.nn.utils import parametrize

from .layers import Weight, find_weights


class Masked(nn.Module):
    """weight = original * mask; no gradient reaches what is masked.

    The mask is no part of the model's state dict: the pruner's has it, once.
    """

    def __init__(self, mask: torch.Tensor):
        super().__init__()
        self.register_buffer("mask", mask, persistent=False)

    def forward(self, original: torch.Tensor) -> torch.Tensor:
        return original * self.mask


def hold(weight: Weight) -> None:
    """Put a mask over the weight that lets everything through.

    The parameter stays the same object, so optimizers made before go on with it.
    """
    original = weight.parameter
    mask = torch.ones_like(original, dtype=torch.bool)
    for module, parameter in weight.holders:
        # a stand-in, for torch calls set_() on what it registers, and DDP's hooks would be lost
        setattr(module, parameter, nn.Parameter(original.detach(), original.requires_grad))
        parametrize.register_parametrization(module, parameter, Masked(mask))
        module.parametrizations[parameter].original = original


def mask_of(weight: Weight) -> torch.Tensor:
    """The mask that is held over the weight, bool; not a copy."""
    module, parameter = weight.holders[0]
    return module.parametrizations[parameter][0].mask


def set_mask(weight: Weight, mask: torch.Tensor) -> None:
    for module, parameter in weight.holders:
        module.parametrizations[parameter][0].mask.copy_(mask)


def release(weight: Weight) -> None:
    """Make the weight a plain parameter again, with exact zeros where the mask had them."""
    with torch.no_grad():
        weight.parameter.mul_(mask_of(weight))
    for module, parameter in weight.holders:
        parametrize.remove_parametrizations(module, parameter, leave_parametrized=False)
        setattr(module, parameter, getattr(module, parameter))  # recurrent layers keep a list too


@contextmanager
def zeros_kept(model: nn.Module) -> Iterator[None]:
    """Zeros that the weights have now stay zeros, whatever an optimizer does meanwhile."""
    weights = find_weights(model).values()
    for weight in weights:
        mask = weight.parameter.detach() != 0
        hold(weight)
        set_mask(weight, mask)
    try:
        yield
    finally:
        for weight in weights:
            release(weight)
