"""How many operations a net asks for, dense and without its zeros, counted on the torch module."""

from dataclasses import dataclass

import torch
from torch import nn

from .nets import Net

COUNTED = (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.Linear)


@dataclass(frozen=True)
class Operations:
    """Multiplications and additions of all convolutions and linear layers in one inference."""

    dense: int
    kept: int
    """Those whose weight is not zero."""

    @property
    def reduction(self) -> float:
        return self.dense / max(self.kept, 1)


def count_operations(net: Net) -> Operations:
    """One pass through the net, with an ear on every layer that has a large weight."""
    dense = kept = 0

    def count(layer: nn.Module, _inputs: tuple, output: torch.Tensor) -> None:
        nonlocal dense, kept
        # each weight meets every output position (every row of a linear layer) once
        uses = output.numel() // len(layer.weight)
        dense += 2 * layer.weight.numel() * uses
        kept += 2 * int(torch.count_nonzero(layer.weight)) * uses

    hooks = [m.register_forward_hook(count) for m in net.module.modules() if isinstance(m, COUNTED)]
    try:
        with torch.inference_mode():
            net.module(*net.example_inputs)
    finally:
        for hook in hooks:
            hook.remove()
    return Operations(dense, kept)
