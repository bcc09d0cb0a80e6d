"""Fold constants in numpy: Relay's FoldConstant compiles each call that it folds, which takes a
minute for a net with batch norms."""

from collections.abc import Callable

import numpy as np

from ..._tvm import relay
from .layer import operator_name, shape_of


@relay.transform.function_pass(opt_level=0, name="FoldConstants", required=["InferType"])
class FoldConstants:
    """Calls of constants become constants, where their operator is listed here.

    multiply(weight, expand_dims(scale, axis=1))  -->  scaled weight
    """

    def transform_function(self, function, module, context):
        return _Fold().visit(function)


class _Fold(relay.ExprMutator):
    def visit_call(self, call):
        new = super().visit_call(call)
        compute = _OPERATORS.get(operator_name(new))
        if compute is None or not all(isinstance(arg, relay.Constant) for arg in new.args):
            return new
        values = compute(call, *(arg.data.numpy() for arg in new.args))
        return relay.const(np.ascontiguousarray(values), call.checked_type.dtype)


def _element_wise(function: Callable) -> Callable:
    return lambda call, *args: function(*args)


def _reshape(call: relay.Call, x: np.ndarray) -> np.ndarray:
    return x.reshape(shape_of(call))


def _transpose(call: relay.Call, x: np.ndarray) -> np.ndarray:
    return x.transpose(None if call.attrs.axes is None else [int(n) for n in call.attrs.axes])


_OPERATORS = {
    "add": _element_wise(np.add),
    "divide": _element_wise(np.divide),
    "expand_dims": _reshape,
    "multiply": _element_wise(np.multiply),
    "negative": _element_wise(np.negative),
    "reshape": _reshape,
    "rsqrt": _element_wise(lambda x: 1 / np.sqrt(x)),
    "sqrt": _element_wise(np.sqrt),
    "squeeze": _reshape,
    "subtract": _element_wise(np.subtract),
    "transpose": _transpose,
}
