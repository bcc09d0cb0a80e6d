"""A layer in Relay: a convolution or dense call read as a record, and the record as attributes."""

import json
from collections.abc import Sequence

import numpy as np

from ..._tvm import relay, tvm
from ...ir.file import structure_from_dict, structure_to_dict
from ...ir.layer import Layer, count_parameters
from ...sparsity import Structure

KIND_OF = {
    "nn.conv1d": "conv1d",
    "nn.conv2d": "conv2d",
    "nn.conv3d": "conv3d",
    "nn.dense": "linear",
}


def operator_name(expr: relay.Expr) -> str:
    """nn.conv2d; empty for what is no operator's call."""
    is_operator = isinstance(expr, relay.Call) and isinstance(expr.op, tvm.ir.Op)
    return expr.op.name if is_operator else ""


def layer_calls(function: relay.Function) -> list[relay.Call]:
    """Every convolution and dense call of a function, in order."""
    found: list[relay.Call] = []

    def visit(expr: relay.Expr) -> None:
        if operator_name(expr) in KIND_OF:
            found.append(expr)

    relay.analysis.post_order_visit(function, visit)
    return found


def kind_of(call: relay.Call) -> str:
    """conv2d, linear, …; a depthwise convolution is depthwise2d."""
    kind = KIND_OF[call.op.name]
    if kind == "linear" or int(call.attrs.groups) == 1:
        return kind
    filters, channels = shape_of(call.args[1])[:2]  # channels of one group
    is_depthwise = int(call.attrs.groups) == filters and channels == 1
    return kind.replace("conv", "depthwise") if is_depthwise else kind


def shape_of(expr: relay.Expr) -> tuple[int, ...]:
    """Its type must be known, and static."""
    return tuple(int(n) for n in expr.checked_type.shape)


def why_not(call: relay.Call) -> str | None:
    """Why a layer cannot run sparse, with the next step; None: it can."""
    types = [call.checked_type, *(arg.checked_type for arg in call.args)]
    if not all(isinstance(n, tvm.tir.IntImm) for ty in types for n in ty.shape):
        return "its shape is dynamic; import the net for inputs of one fixed shape"
    dtypes = {ty.dtype for ty in types} - {"float32"}
    if dtypes:
        return f"it computes in {dtypes.pop()}; convert the net to float32"
    if reason := wrong_layout(call):
        return reason
    groups = 1 if kind_of(call) == "linear" else int(call.attrs.groups)
    return f"it has {groups} groups; leave it dense in the plan" if groups > 1 else None


def wrong_layout(call: relay.Call) -> str | None:
    """Why a layer's tensors lie in no way that we read, with the next step; None: they do."""
    kind = KIND_OF[call.op.name]
    if kind == "linear":
        return None
    axes = {"conv1d": "W", "conv2d": "HW", "conv3d": "DHW"}[kind]
    attrs, wanted = call.attrs, (f"NC{axes}", f"OI{axes}")
    layout = (attrs.data_layout, attrs.kernel_layout)
    if layout == wanted and attrs.out_layout in ("", wanted[0]):
        return None
    step = f'relay.transform.ConvertLayout({{"{call.op.name}": ["{wanted[0]}", "default"]}})'
    return f"its layout is {', '.join(layout)}, not {', '.join(wanted)}; run {step} before"


def read_layer(call: relay.Call, weight: np.ndarray, name: str, structure: Structure) -> Layer:
    """The record of a convolution or dense call; what follows it in the graph stays there."""
    kind, kernel = kind_of(call), weight.shape[2:]
    stride, dilation, padding = (), (), ()
    if kernel:
        stride, dilation = numbers(call.attrs.strides), numbers(call.attrs.dilation)
        padding = sides(numbers(call.attrs.padding), len(kernel))
    return Layer(
        name=name,
        kind=kind,
        weight=f"{name}.weight",
        bias=None,
        input_shape=shape_of(call.args[0]),
        output_shape=shape_of(call),
        kernel=kernel,
        stride=stride,
        padding=padding,
        dilation=dilation,
        epilogue=(),
        structure=structure,
        weight_shape=weight.shape,
        parameters=count_parameters(structure, weight),
    )


def write_structure(structure: Structure) -> str:
    """As an attribute holds it: {"name": "block", "group": 8, ...}."""
    return json.dumps(structure_to_dict(structure))


def read_structure(text: str) -> Structure:
    return structure_from_dict(json.loads(text))


def layer_attrs(layer: Layer) -> tvm.ir.Attrs:
    """A layer's record as the attributes of an operator."""
    numbers = {name: list(getattr(layer, name)) for name in _NUMBERS}
    return tvm.ir.make_node(
        "DictAttrs",
        name=layer.name,
        kind=layer.kind,
        padding=[side for sides in layer.padding for side in sides],
        parameters=layer.parameters,
        structure=write_structure(layer.structure),
        **numbers,
    )


def layer_of_attrs(attrs: tvm.ir.Attrs) -> Layer:
    """The record that `layer_attrs` wrote."""
    sides, name = numbers(attrs["padding"]), str(attrs["name"])
    return Layer(
        name=name,
        kind=str(attrs["kind"]),
        weight=f"{name}.weight",
        bias=None,
        padding=tuple(zip(sides[::2], sides[1::2], strict=True)),
        epilogue=(),
        structure=read_structure(str(attrs["structure"])),
        parameters=int(attrs["parameters"]),
        **{key: numbers(attrs[key]) for key in _NUMBERS},
    )


_NUMBERS = ("input_shape", "output_shape", "weight_shape", "kernel", "stride", "dilation")


def numbers(values: Sequence) -> tuple[int, ...]:
    return tuple(int(n) for n in values)


def sides(padding: tuple[int, ...], rank: int) -> tuple[tuple[int, int], ...]:
    """Relay's 1, rank or 2 * rank numbers as (before, after) along each axis."""
    if len(padding) == 1:
        padding *= rank
    return tuple(zip(padding[:rank], padding[-rank:], strict=True))
