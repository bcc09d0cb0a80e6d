"""Fold what scales and shifts a layer's filters into its weight and bias."""

from dataclasses import dataclass

import numpy as np

from .._tvm import relax, tvm
from .block import Block, Rewrite
from .evaluate import evaluate, operator_name, shape_of
from .layer_call import LayerCall, layer_call
from .weights import Weights, stem


def fold_scales(module: tvm.IRModule, weights: Weights) -> tvm.IRModule:
    """What adds to a layer or scales it, filter by filter, becomes one bias and a scaled weight.

        y = (conv2d(x, conv.weight) + a) * b - c
        -->
        y = conv2d(x, conv.weight) + reshape(conv.bias, [1, filters, 1, 1])

    A weight that is scaled is a new array, so others who read the old one still find it.
    """
    rewrite = Rewrite(module)
    block = rewrite.old
    folded: dict[relax.Var, _Affine] = {}
    for var, expr in block.bindings.items():
        layer = layer_call(expr, block.bindings.get)
        if layer is not None and layer.weight in weights and layer.data not in weights:
            folded[var] = _follow(block, var, layer, weights)
    absorbed = {var for affine in folded.values() for var in affine.absorbed}

    def fold(var: relax.Var, expr: relax.Expr) -> relax.Expr | None:
        if var in absorbed:
            return None
        if var not in folded or not folded[var].absorbed:
            return expr
        affine = folded[var]
        layer = layer_call(expr, rewrite.bound)
        weight, bias = layer.weight, None
        dtype = str(weight.ty.dtype)
        if affine.scale is not None:
            scale = affine.scale.reshape(-1, *(1,) * (weights[weight].ndim - 1))
            weight = weights.add(weight.name, weights[weight] * scale, dtype)
        if affine.shift is not None:
            bias = weights.add(f"{stem(weight.name)}.bias", affine.shift, dtype)
        result = layer.compute(rewrite.emit, layer.data, weight, bias)
        rewrite.new[affine.absorbed[-1]] = result
        return result

    return rewrite(fold)


@dataclass(frozen=True)
class _Affine:
    """y * scale + shift, filter by filter (None: not scaled, not shifted), and its bindings."""

    scale: np.ndarray | None = None
    shift: np.ndarray | None = None
    absorbed: tuple[relax.Var, ...] = ()

    def then(self, operator: str, vector: np.ndarray, reader: relax.Var) -> "_Affine":
        scale, shift = self.scale, self.shift
        if operator in ("relax.add", "relax.subtract"):
            signed = vector if operator == "relax.add" else -vector
            shift = signed if shift is None else shift + signed
        else:
            factor = vector if operator == "relax.multiply" else 1 / vector
            scale = factor if scale is None else scale * factor
            shift = None if shift is None else shift * factor
        return _Affine(scale, shift, (*self.absorbed, reader))


def _follow(block: Block, var: relax.Var, layer: LayerCall, weights: Weights) -> _Affine:
    """What is done to the layer's result, filter by filter, before anything else reads it."""
    affine = _Affine()
    while (reader := block.sole_reader(var)) is not None:
        call = block.bindings[reader]
        vector = _operand(call, var, layer, weights)
        if vector is None or shape_of(call) != shape_of(layer.call):
            break
        affine, var = affine.then(operator_name(call), vector, reader), reader
    return affine


def _operand(
    call: relax.Expr, var: relax.Var, layer: LayerCall, weights: Weights
) -> np.ndarray | None:
    """float64 [filters]: what `call` adds to `var` or scales it by, if one number per filter."""
    name = operator_name(call)
    if name not in ("relax.add", "relax.subtract", "relax.multiply", "relax.divide"):
        return None
    first, second = call.args
    if first.same_as(var):
        other = second
    elif name in ("relax.add", "relax.multiply"):
        other = first
    else:
        return None
    array = evaluate(other, weights)
    if array is None or (name == "relax.divide" and not array.all()):
        return None
    filters = shape_of(layer.weight)[0]
    shape = [1] * len(shape_of(layer.call))
    shape[layer.channel_axis] = filters
    aligned = zip(reversed(array.shape), reversed(shape), strict=False)  # as numpy broadcasts
    if any(have not in (1, n) for have, n in aligned):
        return None
    return np.broadcast_to(array.astype(np.float64).reshape(-1), filters)
