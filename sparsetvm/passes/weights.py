"""The arrays behind a graph's weights, while passes make new ones from old."""

import re

import numpy as np

from .._tvm import relax, tvm
from ..frontends.imported import unique_name
from .block import Rewrite


class Weights(dict[relax.Var, np.ndarray]):
    """Variables that are bound nowhere, and what each holds; several may share a name for now."""

    def add(self, name: str, array: np.ndarray, dtype: str) -> relax.Var:
        var = relax.Var(name, relax.TensorType(array.shape, dtype))
        self[var] = array.astype(dtype, copy=False)
        return var


def stem(weight: str) -> str:
    """The module that a weight belongs to: features.0.weight -> features.0."""
    return re.sub(r"\.(weight|bias)$", "", weight)


def name_apart(
    module: tvm.IRModule, weights: Weights
) -> tuple[tvm.IRModule, dict[str, np.ndarray]]:
    """Give each weight of main a name of its own; equal views of an array are one weight."""
    rewrite = Rewrite(module)
    arrays: dict[str, np.ndarray] = {}
    same: dict[tuple, relax.Var] = {}
    for var in rewrite.old.weights:
        array = weights[var]
        identity = (var.name, array.ctypes.data, array.shape, array.strides)
        if identity not in same:
            name = unique_name(var.name, set(arrays))
            arrays[name] = np.ascontiguousarray(array)
            same[identity] = relax.Var(name, var.ty)
        rewrite.new[var] = same[identity]
    return rewrite(lambda var, expr: expr), arrays
