"""ONNX's GRU and LSTM as Relax: TVM's importer has no converters for them."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from .._tvm import relax, tvm
from .recurrent import CellWeights, emit_sequence

CELLS = {"GRU": "gru", "LSTM": "lstm"}

_ORDER = {"GRU": (1, 0, 2), "LSTM": (0, 2, 3, 1)}
"""Where torch's gates stand in ONNX: reset, update, new in zrh; input, forget, cell, output in
iofc."""
_ACTIVATIONS = {"GRU": ["Sigmoid", "Tanh"], "LSTM": ["Sigmoid", "Tanh", "Tanh"]}
_DIRECTIONS = {"forward": (False,), "reverse": (True,), "bidirectional": (False, True)}
_ROLES = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")


class Unsupported(Exception):
    """An option of a recurrent operator that has no counterpart here; the message names it."""


def convert(
    builder: relax.BlockBuilder, op: str, inputs: list[relax.Expr | None], attrs: Mapping[str, Any]
) -> tuple[relax.Tuple, dict[tvm.ir.GenericConst, str]]:
    """The outputs Y, Y_h and, of an LSTM, Y_c; and what torch calls each weight, but for the layer.

    X [T, N, inputs], W [D, gates * H, inputs], R [D, gates * H, H], B [D, 2 * gates * H], states
    [D, N, H]; Y [T, D, N, H], D directions. Raises Unsupported.
    """
    given = [*inputs, *[None] * (8 - len(inputs))]
    x, weight, recurrence, bias, lengths, *states, peepholes = given
    directions = _directions(op, attrs)
    if attrs.get("layout", 0):
        raise Unsupported("layout = 1, the batch first")
    if lengths is not None and not _are_whole(lengths, int(x.ty.shape[0])):
        raise Unsupported("sequence_lens, sequences of different lengths")
    if peepholes is not None:
        raise Unsupported("P, peepholes")
    arrays = [
        _array(op, name, one) for name, one in zip("WRB", (weight, recurrence, bias), strict=True)
    ]
    batch, hidden = int(x.ty.shape[1]), arrays[1].shape[-1]
    outputs, after, names = [], [], {}
    for index, reverse in enumerate(directions):
        parts = [relax.const(part) for part in _torch_weights(op, arrays, index)]
        ending = "_reverse" if reverse and len(directions) == 2 else ""
        names |= {part: f"{role}{{}}{ending}" for part, role in zip(parts, _ROLES, strict=False)}
        state = [
            _row(builder, one, index, (batch, hidden)) for one in states[: 1 if op == "GRU" else 2]
        ]
        y, *last = emit_sequence(builder, CELLS[op], x, state, CellWeights(*parts), reverse)
        outputs.append(y)
        after.append(last)
    stacked = [
        _stack(builder, outputs, 1),
        *(_stack(builder, one, 0) for one in zip(*after, strict=True)),
    ]
    return relax.Tuple(stacked), names


def _directions(op: str, attrs: Mapping[str, Any]) -> tuple[bool, ...]:
    """Whether each direction runs backwards; what else the attributes ask for must be the usual."""
    directions = _DIRECTIONS[attrs.get("direction", b"forward").decode()]
    activations = [name.decode() for name in attrs.get("activations", ())]
    if activations and activations != _ACTIVATIONS[op] * len(directions):
        raise Unsupported(f"activations = {', '.join(activations)}")
    if "clip" in attrs:
        raise Unsupported("clip")
    if attrs.get("input_forget", 0):
        raise Unsupported("input_forget = 1")
    if op == "GRU" and not attrs.get("linear_before_reset", 0):
        raise Unsupported("linear_before_reset = 0 (torch's GRU has 1)")
    return directions


def _are_whole(lengths: relax.Expr, steps: int) -> bool:
    return isinstance(lengths, tvm.ir.GenericConst) and bool((lengths.value.numpy() == steps).all())


def _array(op: str, name: str, value: relax.Expr | None) -> np.ndarray | None:
    if value is None:
        return None
    if not isinstance(value, tvm.ir.GenericConst):
        raise Unsupported(f"{name} computed at run time")
    return value.value.numpy()


def _torch_weights(op: str, arrays: list[np.ndarray | None], index: int) -> list[np.ndarray]:
    """weight_ih, weight_hh, bias_ih, bias_hh of one direction, gates in torch's order."""
    weight, recurrence, bias = (None if one is None else one[index] for one in arrays)
    parts = [weight, recurrence, *([] if bias is None else np.split(bias, 2))]
    gates = len(_ORDER[op])
    return [np.concatenate([np.split(part, gates)[gate] for gate in _ORDER[op]]) for part in parts]


def _row(
    builder: relax.BlockBuilder, states: relax.Expr | None, index: int, shape: tuple[int, int]
) -> relax.Var:
    """[D, N, H] -> [N, H]; zeros where no state is given."""
    if states is None:
        return builder.emit(relax.op.zeros(shape, "float32"))
    row = relax.op.strided_slice(states, axes=[0], begin=[index], end=[index + 1])
    return builder.emit(relax.op.squeeze(builder.emit(row), [0]))


def _stack(builder: relax.BlockBuilder, parts: list[relax.Expr], axis: int) -> relax.Var:
    return builder.emit(relax.op.stack(list(parts), axis=axis))
