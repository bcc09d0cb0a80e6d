"""Relax operators computed in numpy: to fold constants, and to know a function by its values."""

from collections.abc import Callable, Mapping

import numpy as np

from .._tvm import relax, tvm


def evaluate(expr: relax.Expr, values: Mapping[relax.Var, np.ndarray]) -> np.ndarray | None:
    """What `expr` is, given variables' values; None if it takes others, or an unlisted operator."""
    if isinstance(expr, relax.Var):
        return values.get(expr)
    if isinstance(expr, tvm.ir.GenericConst):
        return expr.value.numpy()
    if isinstance(expr, tvm.tirx.IntImm | tvm.tirx.FloatImm):
        return np.asarray(expr.value)
    if isinstance(expr, relax.ShapeExpr):
        return np.array([int(n) for n in expr.values], np.int64)
    operator = _OPERATORS.get(operator_name(expr))
    if operator is None:
        return None
    args = [evaluate(arg, values) for arg in expr.args]
    if any(arg is None for arg in args):
        return None
    with np.errstate(all="ignore"):
        return operator(expr, *args)


def operator_name(expr: relax.Expr) -> str:
    """relax.nn.conv2d; empty for what is no operator's call."""
    if isinstance(expr, relax.Call) and isinstance(expr.op, tvm.ir.Op):
        return expr.op.name
    return ""


def shape_of(expr: relax.Expr) -> tuple[int, ...]:
    return tuple(int(n) for n in expr.ty.shape)


def _element_wise(function: Callable) -> Callable:
    return lambda call, *args: function(*args)


def _reshape(call: relax.Call, x: np.ndarray, *_) -> np.ndarray:
    return x.reshape(shape_of(call))


def _permute_dims(call: relax.Call, x: np.ndarray) -> np.ndarray:
    return x.transpose(call.attrs.axes)


def _sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


_ELEMENT_WISE = {
    "relax.abs": np.abs,
    "relax.add": np.add,
    "relax.clip": np.clip,
    "relax.divide": np.divide,
    "relax.exp": np.exp,
    "relax.isnan": np.isnan,
    "relax.maximum": np.maximum,
    "relax.minimum": np.minimum,
    "relax.multiply": np.multiply,
    "relax.negative": np.negative,
    "relax.nn.relu": lambda x: np.maximum(x, 0),
    "relax.nn.silu": lambda x: x * _sigmoid(x),
    "relax.rsqrt": lambda x: 1 / np.sqrt(x),
    "relax.sigmoid": _sigmoid,
    "relax.sqrt": np.sqrt,
    "relax.subtract": np.subtract,
    "relax.where": np.where,
}

ELEMENT_WISE = frozenset(_ELEMENT_WISE)
"""Operators whose every output element depends on the same element of each operand."""

_OPERATORS = {name: _element_wise(function) for name, function in _ELEMENT_WISE.items()} | {
    "relax.astype": lambda call, x: x.astype(str(call.attrs.dtype)),
    "relax.broadcast_to": lambda call, x, shape: np.broadcast_to(x, shape),
    "relax.expand_dims": _reshape,
    "relax.flatten": _reshape,
    "relax.permute_dims": _permute_dims,
    "relax.reshape": _reshape,
    "relax.squeeze": _reshape,
}
