"""The layers of a torch module that a plan may prune, and the structure that each of them gets."""

from collections.abc import Mapping

import numpy as np
import torch
from torch import nn

from ..errors import ModelError
from ..sparsity import Plan, Structure, share_patterns

CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)


def find_layers(model: nn.Module) -> dict[str, nn.Module]:
    """Convolutions (not depthwise or grouped) and linear layers, by dotted name.

    A weight that several layers share belongs to the first.
    """
    layers, seen = {}, set()
    for name, module in model.named_modules():
        if _is_prunable(module) and id(module.weight) not in seen:
            seen.add(id(module.weight))
            layers[name] = module
    return layers


def kind_of(layer: nn.Module) -> str:
    """conv1d, conv2d, conv3d or linear, as plans say it."""
    return "linear" if isinstance(layer, nn.Linear) else f"conv{layer.weight.ndim - 2}d"


def read_weights(layers: Mapping[str, nn.Module]) -> dict[str, np.ndarray]:
    """The weights [filters, input channels, *kernel]; ModelError if one cannot be pruned."""
    return {name: _read_weight(name, layer) for name, layer in layers.items()}


def write_weight(layer: nn.Module, weight: np.ndarray) -> None:
    with torch.no_grad():
        layer.weight.copy_(torch.from_numpy(weight))


def structures_for(layers: Mapping[str, nn.Module], plan: Plan) -> dict[str, Structure]:
    """What the plan gives to each layer; those of one entry share the pattern set found in all."""
    plan.check_matches(layers)
    weights = read_weights(layers)
    structures = {
        name: plan.structure_for(name, kind_of(layers[name]), weight.shape)
        for name, weight in weights.items()
    }
    return share_patterns(structures, weights)


def _is_prunable(module: nn.Module) -> bool:
    return isinstance(module, nn.Linear) or (
        isinstance(module, CONVOLUTIONS) and module.groups == 1
    )


def _read_weight(name: str, layer: nn.Module) -> np.ndarray:
    if "weight" not in dict(layer.named_parameters(recurse=False)):
        raise ModelError(
            f"{name}.weight is computed from other tensors\n"
            f"  make it a plain parameter first (remove its parametrization)"
        )
    weight = layer.weight.detach()
    if weight.dtype not in (torch.float32, torch.float64):
        raise ModelError(
            f"{name}.weight is {weight.dtype}, pruning takes float32\n"
            f"  convert the model first: model.float()"
        )
    array = weight.cpu().numpy()
    finite = np.isfinite(array)
    if not finite.all():
        place = np.unravel_index(np.argmin(finite), array.shape)
        raise ModelError(
            f"{name}.weight[{', '.join(map(str, place))}] is {array[place]}; "
            f"{np.count_nonzero(~finite)} of {array.size} weights are not finite numbers\n"
            f"  prune a checkpoint from before the training went astray"
        )
    return array
