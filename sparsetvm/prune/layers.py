"""The weights of a torch module that a plan may prune, and the structure that each of them gets."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn
from torch.nn.utils import parametrize

from ..errors import ModelError
from ..sparsity import Plan, Structure, share_patterns

CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
RECURRENT = (nn.RNNBase, nn.RNNCellBase)


@dataclass(frozen=True)
class Weight:
    """A weight [filters, input channels, *kernel], and all modules that compute with it."""

    name: str
    """As plans say it: the module's, 'features.3'; of a recurrent one 'gru.weight_hh_l0'."""
    kind: str
    """conv1d, conv2d, conv3d or linear; recurrent weights [gates * hidden, in] are linear, and so
    is what makes queries, keys and values."""
    holders: tuple[tuple[nn.Module, str], ...]
    """(module, name of its parameter); several where layers share the weight."""

    @property
    def parameter(self) -> nn.Parameter:
        """What the optimizer changes; a mask that is held over it does not show."""
        module, parameter = self.holders[0]
        if parametrize.is_parametrized(module, parameter):
            return module.parametrizations[parameter].original
        return getattr(module, parameter)

    @property
    def full_name(self) -> str:
        """As the state dict says it: 'features.3.weight', 'gru.weight_hh_l0'."""
        parameter = self.holders[0][1]
        return f"{self.name}.weight" if parameter == "weight" else self.name


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


def find_weights(model: nn.Module) -> dict[str, Weight]:
    """The weights of those layers, of recurrent ones and of attention, by the names that plans
    match."""
    found: dict[int, tuple[str, str, list[tuple[nn.Module, str]]]] = {}
    for name, module in model.named_modules():
        for parameter in _prunable_parameters(module):
            own = name if parameter == "weight" else f"{name}.{parameter}".removeprefix(".")
            values = _plain_parameter(own, module, parameter)
            found.setdefault(id(values), (own, kind_of(module), []))[2].append((module, parameter))
    return {name: Weight(name, kind, tuple(holders)) for name, kind, holders in found.values()}


def kind_of(module: nn.Module) -> str:
    """conv1d, conv2d, conv3d or linear, as plans say it."""
    return f"conv{module.weight.ndim - 2}d" if isinstance(module, CONVOLUTIONS) else "linear"


def read_weights(weights: Mapping[str, Weight]) -> dict[str, np.ndarray]:
    """Their values; ModelError if one cannot be pruned."""
    return {name: _read(weight) for name, weight in weights.items()}


def write_weight(layer: nn.Module, weight: np.ndarray) -> None:
    with torch.no_grad():
        layer.weight.copy_(torch.from_numpy(weight))


def structures_for(weights: Mapping[str, Weight], plan: Plan) -> dict[str, Structure]:
    """What the plan gives to each weight; those of one entry share the pattern set found in all."""
    return share_patterns(open_structures_for(weights, plan), read_weights(weights))


def open_structures_for(weights: Mapping[str, Weight], plan: Plan) -> dict[str, Structure]:
    """The same, with the pattern sets left open that are found in the weights."""
    plan.check_matches(weights)
    return {
        name: plan.structure_for(name, weight.kind, tuple(weight.parameter.shape))
        for name, weight in weights.items()
    }


def _is_prunable(module: nn.Module) -> bool:
    return isinstance(module, nn.Linear) or (
        isinstance(module, CONVOLUTIONS) and module.groups == 1
    )


def _prunable_parameters(module: nn.Module) -> list[str]:
    if isinstance(module, RECURRENT):
        return [name for name, _ in module.named_parameters() if name.startswith("weight_")]
    if isinstance(module, nn.MultiheadAttention):  # its out_proj is a linear layer
        own = dict(module.named_parameters(recurse=False))
        return [name for name in own if name.endswith("proj_weight")]
    return ["weight"] if _is_prunable(module) else []


def _plain_parameter(name: str, module: nn.Module, parameter: str) -> nn.Parameter:
    values = dict(module.named_parameters(recurse=False)).get(parameter)
    if values is None:
        raise ModelError(
            f"{name}.weight is computed from other tensors\n"
            f"  make it a plain parameter first (remove its parametrization)"
        )
    return values


def _read(weight: Weight) -> np.ndarray:
    name, values = weight.full_name, weight.parameter.detach()
    if values.dtype not in (torch.float32, torch.float64):
        raise ModelError(
            f"{name} is {values.dtype}, pruning takes float32\n"
            f"  convert the model first: model.float()"
        )
    array = values.cpu().numpy()
    finite = np.isfinite(array)
    if not finite.all():
        place = np.unravel_index(np.argmin(finite), array.shape)
        raise ModelError(
            f"{name}[{', '.join(map(str, place))}] is {array[place]}; "
            f"{np.count_nonzero(~finite)} of {array.size} weights are not finite numbers\n"
            f"  prune a checkpoint from before the training went astray"
        )
    return array
