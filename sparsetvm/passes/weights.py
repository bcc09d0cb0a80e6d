"""The arrays behind a graph's weights, while passes make new ones from old."""

import re

import numpy as np

from .._tvm import relax, tvm
from ..ir.names import unique_name
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
    """Give each weight of main a name of its own, and those that are equal in all a common one."""
    rewrite = Rewrite(module)
    arrays: dict[str, np.ndarray] = {}
    named: dict[str, list[relax.Var]] = {}
    for var in rewrite.old.weights:
        others = named.setdefault(var.name, [])
        equal = (other for other in others if np.array_equal(arrays[other.name], weights[var]))
        same = next(equal, None)
        if same is None:
            same = relax.Var(unique_name(var.name, arrays), var.ty)
            arrays[same.name] = np.ascontiguousarray(weights[var])
            others.append(same)
        rewrite.new[var] = same
    return rewrite(lambda var, expr: expr), arrays
