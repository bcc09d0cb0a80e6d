"""The rules of the layer IR: what every later step relies on, each with its message."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping

import numpy as np

from ..errors import ModelError, StructureError
from .layer import ACTIVATIONS, KINDS, Layer, LayerIR, count_parameters
from .reference import output_shape

Arrays = Mapping[str, np.ndarray]
Rule = Callable[[Layer, Arrays], Iterator[str]]


def verify(ir: LayerIR) -> None:
    """Raise ModelError with a line for each thing that is wrong, then what to do about it."""
    wrong = dict.fromkeys(_shared_names(ir), _EXPORT_AGAIN)
    for layer in ir.layers:
        wrong |= _wrong_with(layer, ir.arrays)
    if wrong:
        steps = dict.fromkeys(wrong.values())
        raise ModelError("\n".join([*wrong, *(f"  {step}" for step in steps)]))


def _shared_names(ir: LayerIR) -> Iterator[str]:
    for name, count in Counter(layer.name for layer in ir.layers).items():
        if count > 1:
            yield f"{name}: {count} layers have this name"


def _wrong_with(layer: Layer, arrays: Arrays) -> dict[str, str]:
    """Message -> next step, from the first of STAGES that finds anything."""
    for stage in STAGES:
        wrong = {
            f"{layer.name}: {message}": step
            for rule, step in stage.items()
            for message in rule(layer, arrays)
        }
        if wrong:
            return wrong
    return {}


def kind_is_known(layer: Layer, _: Arrays) -> Iterator[str]:
    if layer.kind not in KINDS:
        yield f"kind {layer.kind!r} is none of {', '.join(KINDS)}"


def axes_follow_kind(layer: Layer, _: Arrays) -> Iterator[str]:
    axes = KINDS[layer.kind]
    for name in ("kernel", "stride", "padding", "dilation"):
        if len(getattr(layer, name)) != axes:
            yield f"{name} {getattr(layer, name)} has not one entry for each of {axes} axes"
    rank = 3 if layer.is_recurrent else axes and axes + 2
    if not layer.input_shape or (rank and len(layer.input_shape) != rank):
        yield f"input shape {layer.input_shape} is not that of a {layer.kind}"
    if len(layer.weight_shape) != axes + 2 or layer.weight_shape[2:] != layer.kernel:
        yield f"weight shape {layer.weight_shape} does not end in kernel {layer.kernel}"


def sizes_are_possible(layer: Layer, _: Arrays) -> Iterator[str]:
    for name in ("kernel", "stride", "dilation", "input_shape", "weight_shape"):
        if min(getattr(layer, name), default=1) < 1:
            yield f"{name.replace('_', ' ')} {getattr(layer, name)} holds a number below 1"
    if min((pad for pads in layer.padding for pad in pads), default=0) < 0:
        yield f"padding {layer.padding} holds a number below 0"


def output_follows_input(layer: Layer, _: Arrays) -> Iterator[str]:
    channels = layer.input_shape[1 if layer.kernel else -1]
    takes_filters = layer.is_depthwise or layer.is_recurrent
    taken = layer.weight_shape[0] if takes_filters else layer.weight_shape[1]
    if channels != taken:
        yield f"the input has {channels} channels, the weight takes {taken}"
    follows = output_shape(layer, layer.input_shape)
    if min(follows) < 1:
        yield f"kernel {layer.kernel} does not fit into the padded input {layer.input_shape}"
    elif layer.output_shape != follows:
        yield f"output shape is {layer.output_shape}; {follows} follows from the input"


def epilogue_is_in_order(layer: Layer, _: Arrays) -> Iterator[str]:
    first = layer.epilogue[:-1] if layer.epilogue[-1:] in _LAST else layer.epilogue
    if first not in _FIRST:
        activations = "/".join(ACTIVATIONS)
        yield f"epilogue {', '.join(layer.epilogue)} is not in the order bias, add, {activations}"
    if ("bias" in layer.epilogue) != (layer.bias is not None):
        yield "a bias array and 'bias' in the epilogue need each other"


def arrays_are_there(layer: Layer, arrays: Arrays) -> Iterator[str]:
    for name, shape in _arrays_of(layer).items():
        if name not in arrays:
            yield f"array {name} is missing"
        elif arrays[name].shape != shape:
            yield f"array {name} has shape {arrays[name].shape}; the layer says {shape}"


def arrays_are_float32(layer: Layer, arrays: Arrays) -> Iterator[str]:
    for name in _arrays_of(layer):
        if name in arrays and arrays[name].dtype != np.float32:
            yield f"array {name} is {arrays[name].dtype}; sparse layers are float32"


def arrays_are_finite(layer: Layer, arrays: Arrays) -> Iterator[str]:
    for name in _arrays_of(layer):
        if bad := np.count_nonzero(~np.isfinite(arrays[name])):
            yield f"array {name} holds {bad} NaN or infinite numbers of {arrays[name].size}"


def weight_follows_structure(layer: Layer, arrays: Arrays) -> Iterator[str]:
    try:
        layer.structure.check(arrays[layer.weight])
    except StructureError as err:
        yield str(err)


def parameters_are_counted(layer: Layer, arrays: Arrays) -> Iterator[str]:
    found = count_parameters(layer.structure, arrays[layer.weight])
    if layer.parameters != found:
        yield f"{layer.parameters} parameters are said to stay; {found} do"


def _arrays_of(layer: Layer) -> dict[str, tuple[int, ...]]:
    """Name -> shape."""
    bias = {} if layer.bias is None else {layer.bias: layer.weight_shape[:1]}
    return {layer.weight: layer.weight_shape} | bias


_FIRST = ((), ("bias",), ("add",), ("bias", "add"))
_LAST = tuple((activation,) for activation in ACTIVATIONS)

_EXPORT_AGAIN = "export the model again; if this stays, its front end is at fault: report it"
_PRUNE = "prune first (sparsetvm prune), or give the layer another structure in the plan"

# Rule -> next step. A stage relies on what the ones before it have checked.
STAGES: tuple[dict[Rule, str], ...] = (
    {kind_is_known: _EXPORT_AGAIN},
    {axes_follow_kind: _EXPORT_AGAIN},
    {sizes_are_possible: _EXPORT_AGAIN},
    {
        output_follows_input: _EXPORT_AGAIN,
        epilogue_is_in_order: _EXPORT_AGAIN,
        arrays_are_there: _EXPORT_AGAIN,
        arrays_are_float32: "export it in float32 (model.float()), or leave this layer dense",
    },
    {
        arrays_are_finite: "train it again or load other weights; these compute nothing",
    },
    {
        weight_follows_structure: _PRUNE,
        parameters_are_counted: _EXPORT_AGAIN,
    },
)
