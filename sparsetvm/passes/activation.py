"""Activations in the graph: each in one form of our own, and known by its values in any other."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np

from .._tvm import relax
from .block import Block, variables
from .evaluate import ELEMENT_WISE, evaluate, operator_name, shape_of


def _hardswish(x: relax.Expr) -> relax.Expr:
    three, six = relax.const(3.0, "float32"), relax.const(6.0, "float32")
    gate = relax.op.clip(relax.op.add(x, three), 0, 6)
    return relax.op.divide(relax.op.multiply(x, gate), six)


FORMS: dict[str, Callable[[relax.Expr], relax.Expr]] = {
    "relu": relax.op.nn.relu,
    "relu6": lambda x: relax.op.clip(x, 0, 6),
    "hardswish": _hardswish,
    "sigmoid": relax.op.sigmoid,
    "silu": relax.op.nn.silu,
}
"""How each of ir.ACTIVATIONS is written in a layer's function."""


@dataclass(frozen=True)
class Found:
    """An activation: what it is called, and the bindings that compute it, its result last."""

    name: str
    bindings: tuple[relax.Var, ...]


def find_activation(block: Block, x: relax.Var) -> Found | None:
    """The activation that all readers of `x` together compute, the longest if there are several.

        a = x + 3;  b = clip(a, 0, 6);  c = x * b;  y = c / 6      ->  hardswish: a, b, c, y

    A function of one number is known by its values, so every way to write it down is.
    """
    values = {x: _POINTS}
    found = None
    for i in range(block.place[x] + 1, len(block.order)):
        var = block.order[i]
        expr = block.bindings[var]
        if not any(read in values for read in variables(expr)):
            continue
        if not _continues(expr, x, values):
            break  # it reads from within, so nothing beyond it can be all that is read
        values[var] = evaluate(expr, values)
        inner = [known for known in values if not known.same_as(var)]
        if all(reader in values for known in inner for reader in block.readers.get(known, ())):
            name = _name_of(values[var])
            found = Found(name, (*inner[1:], var)) if name else found
    return found


def _continues(expr: relax.Expr, x: relax.Var, values: dict[relax.Var, np.ndarray]) -> bool:
    """Whether `expr` is an element-wise function of known variables and single numbers."""
    return (
        operator_name(expr) in ELEMENT_WISE
        and all(read in values for read in variables(expr))
        and shape_of(expr) == shape_of(x)
        and evaluate(expr, {var: np.zeros(()) for var in values}).size == 1
    )


def _name_of(values: np.ndarray) -> str | None:
    for name, known in _known_values().items():
        if np.allclose(values, known, rtol=1e-6, atol=1e-7):
            return name
    return None


@cache
def _known_values() -> dict[str, np.ndarray]:
    x = relax.Var("x", relax.TensorType((), "float32"))
    return {name: evaluate(form(x), {x: _POINTS}) for name, form in FORMS.items()}


_FAR = np.geomspace(1e-6, 1e30, 181)
_POINTS = np.concatenate([np.linspace(-9, 9, 721), _FAR, -_FAR])
"""Every 1/40 where activations bend, and a few points of each order of magnitude beyond."""
