"""How a front end says "a GRU or an LSTM over a sequence" in Relax."""

from collections.abc import Sequence
from dataclasses import dataclass

from .._tvm import relax
from ..ir.layer import GATES
from ..kernels.recurrence import Recurrence, recurrence


@dataclass(frozen=True)
class CellWeights:
    """One direction of one layer, gates in the order of ir.layer.GATES.

    Each is a variable or a constant, so that it keeps its name; a layer has both biases or none.
    """

    weight_ih: relax.Expr
    """[gates * H, inputs]"""
    weight_hh: relax.Expr
    """[gates * H, H]"""
    bias_ih: relax.Expr | None = None
    bias_hh: relax.Expr | None = None


def emit_sequence(
    builder: relax.BlockBuilder,
    cell: str,
    x: relax.Expr,
    state: Sequence[relax.Expr],
    weights: CellWeights,
    reverse: bool = False,
) -> tuple[relax.Var, ...]:
    """One direction of one layer over a sequence, as two layers that can be pruned:

        projected = R.matmul(x, R.permute_dims(weight_ih)) + bias_ih     # an ordinary linear layer
        y, last_h, last_c? = R.call_tir(recurrence, (projected, weight_hh, bias_hh?, h, c?))

    `cell` is "gru" or "lstm"; x [T, N, inputs]; `state` is (h,) or (h, c), each [N, H]. Returns
    (y [T, N, H], last_h [N, H], last_c?), what `kernels.recurrence.recurrence` says of them.
    A GRU's reset gate acts on the product with the last state (ONNX: linear_before_reset = 1).
    `reverse` runs from the last step to the first. Two directions are two calls whose y are
    concatenated on the last axis; layers on top of each other take one another's y; a cell is a
    sequence of 1.
    """
    (steps, batch, _), (rows, hidden) = _shape(x), _shape(weights.weight_hh)
    assert rows == GATES[cell] * hidden, f"{cell}: weight_hh is {rows} x {hidden}"
    with_bias = weights.bias_hh is not None
    assert with_bias == (weights.bias_ih is not None), f"{cell}: one bias alone"
    projected = builder.emit(
        relax.op.matmul(x, builder.emit(relax.op.permute_dims(weights.weight_ih)))
    )
    if with_bias:
        projected = builder.emit(relax.op.add(projected, weights.bias_ih))
    shape = Recurrence(cell, steps, batch, hidden, reverse, with_bias)
    function = builder.add_func(recurrence(shape).without_attr("global_symbol"), cell)
    biases = [weights.bias_hh] if with_bias else []
    args = [projected, weights.weight_hh, *biases, *state]
    results = [(steps, batch, hidden), *((batch, hidden),) * shape.states]
    out = [relax.TensorType(size, "float32") for size in results]
    called = builder.emit(relax.call_tir(function, args, out_ty=out))
    return tuple(builder.emit(relax.TupleGetItem(called, i)) for i in range(len(out)))


def _shape(expr: relax.Expr) -> tuple[int, ...]:
    return tuple(int(n) for n in expr.ty.shape)
