"""The same torch module, training on compiled sparse kernels."""

from pathlib import Path

from torch import nn

from ..errors import StructureError
from ..prune.layers import Weight, find_weights, read_weights, structures_for
from ..sparsity import Plan
from .between import BETWEEN
from .layers import LAYERS, AcceleratedLayer
from .packing import pack_layer
from .report import AccelerateReport
from .shared import Accelerator


def accelerate(model: nn.Module, plan: Plan | str | Path) -> nn.Module:
    """The model itself, whose layers now train without the work that zeros save.

    The model must have the plan's zeros already (`st.prune`, a Pruner): from now on they stay. What
    changes:

    - The `weight` of each pruned layer is a Parameter of another shape, [N, G, K, B]: the weights
      that stay, packed. So gradients, and whatever an optimizer keeps, exist for these only. Make
      the optimizer afterwards.
    - `state_dict()` has dense weights under the names that it had, and `load_state_dict` takes
      such, with the same zeros. `restore(model)` makes a plain torch module of it again.
    - When a layer meets an input of a new shape, our kernels and torch's dense code are timed, and
      the faster runs from then on, on as many threads as torch has. `report(model)` says which.
    - Recurrent layers, and layers that share a weight, stay as they are.
    - Results are those of dense layers with the same zeros, to float32's accuracy. Gradients of
      gradients are not to be had.
    """
    plan = plan if isinstance(plan, Plan) else Plan.load(plan)
    weights = find_weights(model)
    structures, shared = structures_for(weights, plan), Accelerator()
    taken = {name: weight for name, weight in weights.items() if _is_ours(weight)}
    packings = {}
    for name, dense in read_weights(taken).items():
        try:
            structures[name].check(dense)
        except StructureError as err:
            raise StructureError(
                f"{name}.weight: {err}\n  prune the model by this plan first: st.prune(model, plan)"
            ) from err
        packings[name] = pack_layer(dense, structures[name])
    for name, weight in taken.items():
        ((layer, _),) = weight.holders
        layer.__class__ = LAYERS[type(layer)]
        layer.accelerate(name, structures[name], packings[name], shared)
    for module in model.modules():
        if type(module) in BETWEEN:
            module.__class__ = BETWEEN[type(module)]
            module._shared = shared
    return model


def restore(model: nn.Module) -> nn.Module:
    """The model itself, of plain torch layers with dense weights and their zeros."""
    plain = {ours: theirs for theirs, ours in (LAYERS | BETWEEN).items()}
    for module in model.modules():
        if isinstance(module, AcceleratedLayer):
            module.restore()
        elif type(module) in plain:
            del module._shared
        module.__class__ = plain.get(type(module), type(module))
    return model


def report(model: nn.Module) -> AccelerateReport:
    """Which layers run where, as far as they have run."""
    shared = {id(m._shared): m._shared for m in model.modules() if hasattr(m, "_shared")}
    return AccelerateReport(tuple(c for one in shared.values() for c in one.choices))


def _is_ours(weight: Weight) -> bool:
    """Whether it is the weight of one layer that has a class of ours."""
    return len(weight.holders) == 1 and type(weight.holders[0][0]) in LAYERS
