"""How many operations a net asks for, dense and without its zeros, counted on the torch module."""

from dataclasses import dataclass

import torch
from torch import nn

from .nets import Net

COUNTED = (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.Linear)
COUNTED_WHOLE = (nn.RNNBase, nn.RNNCellBase, nn.MultiheadAttention)
"""Modules that compute with several weights of their own; each meets every row of their input."""


@dataclass(frozen=True)
class Operations:
    """Multiplications and additions by the weights of all layers in one inference."""

    dense: int
    kept: int
    """Those whose weight is not zero."""

    @property
    def reduction(self) -> float:
        return self.dense / max(self.kept, 1)


def count_operations(net: Net) -> Operations:
    """One pass through the net, with an ear on every layer that has a large weight."""
    dense = kept = 0

    def count(weight: torch.Tensor, uses: int) -> None:
        nonlocal dense, kept
        dense += 2 * weight.numel() * uses
        kept += 2 * int(torch.count_nonzero(weight)) * uses

    def count_layer(layer: nn.Module, _inputs: tuple, output: torch.Tensor) -> None:
        # each weight meets every output position (every row of a linear layer) once
        count(layer.weight, output.numel() // len(layer.weight))

    def count_whole(module: nn.Module, inputs: tuple, _output: object) -> None:
        for name, weight in module.named_parameters():
            if "weight" in name:
                count(weight, inputs[0].shape[:-1].numel())

    hooks = [
        module.register_forward_hook(count_layer if isinstance(module, COUNTED) else count_whole)
        for module in net.module.modules()
        if isinstance(module, COUNTED + COUNTED_WHOLE)
    ]
    try:
        with torch.inference_mode():
            net.module(*net.example_inputs)
    finally:
        for hook in hooks:
            hook.remove()
    return Operations(dense, kept)
