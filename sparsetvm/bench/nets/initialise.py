"""Random weights that behave like trained ones: activations keep their size through the net."""

import torch
from torch import nn

from .named import SEED

CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)


def initialise(module: nn.Module, *inputs: torch.Tensor, seed: int = SEED) -> nn.Module:
    """He-normal weights, small biases, batch-norm statistics as on `inputs`; then eval mode.

    Recurrent layers get uniform weights, up to 1 / sqrt(hidden), as torch gives them.
    """
    generator = torch.Generator().manual_seed(seed)
    for layer in module.modules():
        if isinstance(layer, (*CONVOLUTIONS, nn.Linear)):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu", generator=generator)
        if isinstance(layer, (*CONVOLUTIONS, *BATCH_NORMS, nn.Linear)) and layer.bias is not None:
            nn.init.normal_(layer.bias, std=0.1, generator=generator)
        if isinstance(layer, nn.RNNBase | nn.RNNCellBase):
            bound = layer.hidden_size**-0.5
            for parameter in layer.parameters(recurse=False):
                nn.init.uniform_(parameter, -bound, bound, generator=generator)
    return _settle_batch_norms(module.eval(), inputs)


def _settle_batch_norms(module: nn.Module, inputs: tuple[torch.Tensor, ...]) -> nn.Module:
    norms = [layer for layer in module.modules() if isinstance(layer, BATCH_NORMS)]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.train().momentum = 1.0  # the statistics of this one pass
    if norms:
        with torch.no_grad():
            module(*inputs)
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
    return module.eval()
