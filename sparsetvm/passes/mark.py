"""Mark layers: each becomes a function that bears its name, and can be read back as a record."""

from collections import Counter
from dataclasses import replace

import numpy as np

from .._tvm import relax, tvm
from ..frontends.imported import Imported
from ..ir.layer import DenseOp, Layer, count_parameters
from ..sparsity.plan import Plan
from .block import Block, Rewrite
from .evaluate import operator_name, shape_of
from .layer_call import KIND_OF, LayerCall, layer_call
from .layer_function import (
    KIND,
    LAYER,
    called_function,
    epilogue_of,
    layer_function,
    layer_of,
    recurrent_function,
    recurrent_of,
)
from .recurrent_call import RecurrentCall, recurrent_call
from .weights import stem


def mark(program: Imported) -> Imported:
    """Give each convolution, linear layer and recurrence a private function with its name.

        def main(x, features.0.weight):
            y = R.nn.conv2d(x, features.0.weight, padding=[1, 1, 1, 1])
        -->
        def features_0(x, weight):                      # sparsetvm.layer = "features.0"
            y = R.nn.conv2d(x, weight, padding=[1, 1, 1, 1])
        def main(x, features.0.weight):
            y = features_0(x, features.0.weight)

    Assumes the form that canonicalise leaves. A weight used twice makes two layers, features.0 and
    features.0@2.
    """
    rewrite = Rewrite(program.module)
    weights = set(rewrite.old.weights)
    seen: Counter[str] = Counter()

    def name_of(weight: relax.Var) -> str:
        name = stem(weight.name)
        seen[name] += 1
        return f"{name}@{seen[name]}" if seen[name] > 1 else name

    def give_function(_: relax.Var, expr: relax.Expr) -> relax.Expr:
        recurrent = recurrent_call(program.module, expr)
        if recurrent is not None and not _why_plain(recurrent, weights):
            name = name_of(recurrent.weight)
            function = rewrite.add_function(recurrent_function(name, recurrent), name)
            return relax.Call(function, recurrent.args)
        layer = layer_call(expr, rewrite.bound)
        if layer is None or _why_dense(expr, layer, weights):
            return expr
        name = name_of(layer.weight)
        function = rewrite.add_function(layer_function(name, layer), name)
        return relax.Call(function, [layer.data, layer.weight])

    return replace(program, module=rewrite(give_function))


def layer_of_call(module: tvm.IRModule, expr: relax.Expr) -> str | None:
    """The name of the layer that `expr` calls, if it calls one."""
    function = called_function(module, expr)
    return None if function is None else str(function.attrs[LAYER])


def layers_of(program: Imported, plan: Plan) -> tuple[tuple[Layer, ...], tuple[DenseOp, ...]]:
    """Each marked layer in order, and each convolution and matmul that was left as it is."""
    block = Block.of(program.module)
    weights = set(block.weights)
    layers, dense_ops = [], []
    for var, expr in block.bindings.items():
        function = called_function(program.module, expr)
        if function is not None:
            layers.append(_record(program.module, expr, function, program.arrays, plan))
            continue
        recurrent = recurrent_call(program.module, expr)
        if recurrent is not None:
            reason = _why_plain(recurrent, weights)
        else:
            reason = _why_dense(expr, layer_call(expr, block.bindings.get), weights)
        if reason:
            operator = recurrent.kind if recurrent else operator_name(expr)
            dense_ops.append(_dense_op(var, expr, operator, reason, block))
    return tuple(layers), tuple(dense_ops)


def _why_dense(expr: relax.Expr, layer: LayerCall | None, weights: set[relax.Var]) -> str | None:
    """Why a convolution or matmul is left as it is; None: it is to be marked, or none of these."""
    operator = operator_name(expr)
    if "transpose" in operator and operator.startswith("relax.nn.conv"):
        return "transposed convolution"
    if layer is None:
        return "no constant matrix to multiply by" if operator == "relax.matmul" else None
    if layer.weight not in weights:
        return "weight computed at run time"
    dtypes = {str(x.ty.dtype) for x in (layer.data, layer.weight, expr)} - {"float32"}
    if dtypes:
        return f"dtype {dtypes.pop()}"
    if layer.kind != "linear":
        attrs = expr.attrs
        if not attrs.data_layout.startswith("NC") or not attrs.kernel_layout.startswith("OI"):
            return f"layout {attrs.data_layout}, {attrs.kernel_layout}"
        if attrs.out_layout != attrs.data_layout:
            return f"layout {attrs.data_layout} to {attrs.out_layout}"
        if attrs.groups != 1 and layer.kind in KIND_OF.values():
            return f"{attrs.groups} groups"
    return None


def _why_plain(recurrent: RecurrentCall, weights: set[relax.Var]) -> str | None:
    """Why a recurrence is left as it is; None: it is to be marked."""
    constants = [recurrent.weight] + ([recurrent.bias] if recurrent.bias is not None else [])
    return None if set(constants) <= weights else "weight computed at run time"


def _record(
    module: tvm.IRModule,
    call: relax.Call,
    function: relax.Function,
    arrays: dict[str, np.ndarray],
    plan: Plan,
) -> Layer:
    name, kind = str(function.attrs[LAYER]), str(function.attrs[KIND])
    epilogue, layer = epilogue_of(function), layer_of(function)
    recurrent = recurrent_of(module, function)
    x, weight, *rest = call.args
    array = arrays[weight.name]
    structure = plan.structure_for(name.partition("@")[0], kind, array.shape)
    kernel = array.shape[2:]
    stride, padding, dilation = (), (), ()
    if kernel:
        attrs, rank = layer.call.attrs, len(kernel)
        stride = tuple(int(n) for n in attrs.strides)
        dilation = tuple(int(n) for n in attrs.dilation)
        sides = [int(n) for n in attrs.padding]
        padding = tuple(zip(sides[:rank], sides[rank:], strict=True))
    return Layer(
        name=name,
        kind=kind,
        weight=weight.name,
        bias=rest[0].name if "bias" in epilogue else None,
        input_shape=shape_of(x),
        output_shape=_shape_of_result(call),
        kernel=kernel,
        stride=stride,
        padding=padding,
        dilation=dilation,
        epilogue=epilogue,
        structure=structure,
        weight_shape=array.shape,
        parameters=count_parameters(structure, array),
        reverse=recurrent is not None and recurrent.reverse,
    )


def _shape_of_result(call: relax.Call) -> tuple[int, ...]:
    """Of the first result, where there are several."""
    first = call.ty.fields[0] if isinstance(call.ty, relax.TupleType) else call.ty
    return tuple(int(n) for n in first.shape)


def _dense_op(
    var: relax.Var, expr: relax.Call, operator: str, reason: str, block: Block
) -> DenseOp:
    """Named after its weight where it has one."""
    weight = next((arg for arg in expr.args if arg in block.weights), None)
    name = var.name if weight is None else stem(weight.name)
    return DenseOp(name, operator.removeprefix("relax."), reason)
