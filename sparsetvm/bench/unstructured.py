"""Pruning without structure: the smallest weights of a layer go, wherever they are."""

from copy import deepcopy
from dataclasses import replace

import torch

from ..prune.layers import find_weights
from .nets import Net

FEWEST_CHANNELS = 16
"""Layers that read fewer channels stay dense, as in the ready plans: the first one."""


def prune_unstructured(net: Net, zeros: float) -> Net:
    """A copy of `net` in which each layer has lost this part of its weights, linear and recurrent
    ones too."""
    module = deepcopy(net.module)
    with torch.no_grad():
        for weight in find_weights(module).values():
            if weight.parameter.shape[1] >= FEWEST_CHANNELS:
                size = weight.parameter.abs().flatten()
                weight.parameter.view(-1)[size.argsort()[: round(zeros * len(size))]] = 0
    return replace(net, module=module)
