"""Rules that simplify one binding each: they say what stands for an expression, or None."""

from collections.abc import Callable

import numpy as np

from .._tvm import relax, tvm
from .block import Rewrite, variables
from .evaluate import evaluate, operator_name, shape_of
from .layer_call import KIND_OF
from .weights import Weights, stem

Rule = Callable[[relax.Expr, Rewrite, Weights], relax.Expr | None]


def simplify(module: tvm.IRModule, weights: Weights) -> tvm.IRModule:
    """Apply to each binding the first rule that fits; the arrays that it makes join `weights`."""
    rewrite = Rewrite(module)

    def apply(_: relax.Var, expr: relax.Expr) -> relax.Expr:
        results = (rule(expr, rewrite, weights) for rule in RULES)
        return next((result for result in results if result is not None), expr)

    return rewrite(apply)


def fold_constant(expr: relax.Expr, _: Rewrite, weights: Weights) -> relax.Expr | None:
    """reshape(conv.bias, [1, 8, 1, 1])  ->  conv.bias, an array of that shape"""
    if isinstance(expr, relax.Var | tvm.ir.GenericConst):
        return None
    array = evaluate(expr, weights)
    if array is None:
        return None
    dtype = str(expr.ty.dtype)
    if (array.size == 1 and array.ndim < 2) or "float" not in dtype:
        return relax.const(np.asarray(array), dtype)
    names = [var.name for var in variables(expr)] or ["constant"]
    # a mask times a weight is that weight
    name = next((name for name in names if name.endswith(".weight")), names[0])
    return weights.add(name, array, dtype)


def unwrap_tuple(expr: relax.Expr, rewrite: Rewrite, _: Weights) -> relax.Expr | None:
    """(x, y)[0]  ->  x"""
    whole = _whole(expr, rewrite)
    return whole.fields[expr.index] if isinstance(whole, relax.Tuple) else None


def remove_dropout(expr: relax.Expr, rewrite: Rewrite, _: Weights) -> relax.Expr | None:
    """dropout(x)[0]  ->  x"""
    whole = _whole(expr, rewrite)
    is_dropout = operator_name(whole) == "relax.nn.dropout" and expr.index == 0
    return whole.args[0] if is_dropout else None


def split_batch_norm(expr: relax.Expr, rewrite: Rewrite, weights: Weights) -> relax.Expr | None:
    """batch_norm(x, weight, bias, mean, var)[0]  ->  x * scale + shift"""
    whole = _whole(expr, rewrite)
    if operator_name(whole) != "relax.nn.batch_norm" or expr.index != 0 or whole.attrs.training:
        return None
    data, *statistics = whole.args
    values = [evaluate(arg, weights) for arg in statistics]
    if any(value is None for value in values):
        return None
    weight, bias, mean, variance = (value.astype(np.float64) for value in values)
    variance = variance + whole.attrs.epsilon
    if variance.min() <= 0:
        return None
    scale = (weight if whole.attrs.scale else 1) / np.sqrt(variance)
    shift = (bias if whole.attrs.center else 0) - mean * scale
    after = len(shape_of(data)) - 1 - whole.attrs.axis
    shape, dtype = (-1,) + (1,) * after, str(expr.ty.dtype)
    name = stem(next((var.name for var in variables(whole)[1:]), "batch_norm"))
    scaled = relax.op.multiply(data, weights.add(f"{name}.weight", scale.reshape(shape), dtype))
    return relax.op.add(
        rewrite.emit(scaled), weights.add(f"{name}.bias", shift.reshape(shape), dtype)
    )


def transpose_linear(expr: relax.Expr, rewrite: Rewrite, weights: Weights) -> relax.Expr | None:
    """matmul(x, fc.weight), [features, filters]  ->  matmul(x, permute_dims(fc.weight))"""
    if operator_name(expr) != "relax.matmul" or expr.args[1] not in weights:
        return None
    weight = expr.args[1]
    if weights[weight].ndim != 2:
        return None
    turned = weights.add(weight.name, weights[weight].T, str(weight.ty.dtype))
    return relax.Call(
        expr.op, [expr.args[0], rewrite.emit(relax.op.permute_dims(turned))], expr.attrs
    )


def pad_in_convolution(expr: relax.Expr, rewrite: Rewrite, _: Weights) -> relax.Expr | None:
    """conv2d(pad(x, [0, 0, 0, 0, 0, 1, 0, 1]))  ->  conv2d(x, padding=[0, 0, 1, 1])"""
    if operator_name(expr) not in KIND_OF or not expr.attrs.data_layout.startswith("NC"):
        return None
    data, weight = expr.args
    padding = [int(n) for n in expr.attrs.padding]
    while (widths := _zeros_around(rewrite.bound(data))) is not None:
        data = rewrite.bound(data).args[0]
        padding = [n + more for n, more in zip(padding, widths, strict=True)]
    if data == expr.args[0]:
        return None
    attrs = {key: getattr(expr.attrs, key) for key in _CONVOLUTION_ATTRS}
    operator = getattr(relax.op.nn, KIND_OF[operator_name(expr)])
    return operator(data, weight, padding=padding, **attrs)


def join_clips(expr: relax.Expr, rewrite: Rewrite, _: Weights) -> relax.Expr | None:
    """minimum(maximum(x, 0), 6)  ->  clip(x, 0, 6);  clip(x, 0, inf)  ->  relu(x)"""
    bounds = _bounds(expr)
    if bounds is None:
        return None
    low, high = bounds
    data = expr.args[0]
    inner = _bounds(rewrite.bound(data))
    if inner is not None:
        data = rewrite.bound(data).args[0]
        low, high = (min(max(bound, low), high) for bound in inner)
    if (low, high) == (0, np.inf):
        return relax.op.nn.relu(data)
    return relax.op.clip(data, low, high)


RULES: tuple[Rule, ...] = (
    fold_constant,
    unwrap_tuple,
    remove_dropout,
    split_batch_norm,
    transpose_linear,
    pad_in_convolution,
    join_clips,
)

_CONVOLUTION_ATTRS = (
    "strides",
    "dilation",
    "groups",
    "data_layout",
    "kernel_layout",
    "out_layout",
    "out_dtype",
)


def _whole(expr: relax.Expr, rewrite: Rewrite) -> relax.Expr | None:
    """What the tuple is bound to that `expr` takes an item of."""
    if not isinstance(expr, relax.TupleGetItem):
        return None
    whole = expr.tuple_value
    return rewrite.bound(whole) if isinstance(whole, relax.Var) else whole


def _zeros_around(pad: relax.Expr | None) -> list[int] | None:
    """The zeros that `pad` puts before and after each spatial axis, if that is all it does."""
    if operator_name(pad) != "relax.nn.pad":
        return None
    widths = [int(n) for n in pad.attrs.pad_width]
    before, after = widths[0::2], widths[1::2]
    is_zero = pad.attrs.pad_mode == "constant" and pad.attrs.pad_value == 0
    if not is_zero or any((*before[:2], *after[:2])) or min(widths) < 0:
        return None
    return before[2:] + after[2:]


def _bounds(expr: relax.Expr | None) -> tuple[float, float] | None:
    """Between which numbers `expr` clips its first operand, if that is what it does."""
    name = operator_name(expr)
    if name == "relax.nn.relu":
        return 0.0, np.inf
    if name not in ("relax.clip", "relax.maximum", "relax.minimum"):
        return None
    numbers = [evaluate(arg, {}) for arg in expr.args[1:]]
    if "float" not in str(expr.ty.dtype) or any(n is None or n.size != 1 for n in numbers):
        return None
    first, *second = (float(n.item()) for n in numbers)
    if name == "relax.maximum":
        return first, np.inf
    return (-np.inf, first) if name == "relax.minimum" else (first, *second)
