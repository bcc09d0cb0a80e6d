"""torch's GRU and LSTM, sequences and cells, as Relax: what its importer leaves out or unrolls."""

from collections.abc import Callable, Sequence
from typing import Any

from torch import fx

from .._tvm import relax
from .recurrent import CellWeights, emit_sequence


def _sequence(cell: str) -> Callable:
    """aten.gru.input, aten.lstm.input: (x, state, weights, biases?, layers, dropout, train,
    bidirectional, batch_first) -> (y, last states)."""

    def convert(node: fx.Node, importer: Any) -> tuple[relax.Expr, ...]:
        builder = importer.block_builder
        x, state, params, has_biases, layers, *_, both_ways, batch_first = importer.retrieve_args(
            node
        )
        states = list(state) if isinstance(state, list | tuple) else [state]
        directions = 2 if both_ways else 1
        each = len(params) // (layers * directions)
        if each > (4 if has_biases else 2):
            raise NotImplementedError(f"{cell} with a projection of its state (proj_size)")
        if batch_first:
            x = builder.emit(relax.op.permute_dims(x, [1, 0, 2]))
        last: list[Sequence[relax.Expr]] = []
        for layer in range(layers):
            outputs = []
            for direction in range(directions):
                index = layer * directions + direction
                weights = CellWeights(*params[index * each : (index + 1) * each])
                here = [_row(builder, one, index) for one in states]
                y, *after = emit_sequence(builder, cell, x, here, weights, direction == 1)
                outputs.append(y)
                last.append(after)
            x = outputs[0] if directions == 1 else builder.emit(relax.op.concat(outputs, axis=2))
        if batch_first:
            x = builder.emit(relax.op.permute_dims(x, [1, 0, 2]))
        stacked = [builder.emit(relax.op.stack(list(one), axis=0)) for one in zip(*last)]
        return (x, *stacked)

    return convert


def _cell(cell: str) -> Callable:
    """aten.gru_cell, aten.lstm_cell: (x, state, weight_ih, weight_hh, biases) -> the new state."""

    def convert(node: fx.Node, importer: Any) -> relax.Expr | tuple[relax.Expr, ...]:
        builder = importer.block_builder
        x, state, *params = importer.retrieve_args(node)
        states = list(state) if isinstance(state, list | tuple) else [state]
        x = builder.emit(relax.op.expand_dims(x, 0))
        _, *after = emit_sequence(builder, cell, x, states, CellWeights(*params))
        return after[0] if cell == "gru" else tuple(after)

    return convert


def _row(builder: relax.BlockBuilder, states: relax.Expr, index: int) -> relax.Var:
    """[layers, N, H] -> [N, H]"""
    row = relax.op.strided_slice(states, axes=[0], begin=[index], end=[index + 1])
    return builder.emit(relax.op.squeeze(builder.emit(row), [0]))


CONVERTERS = {
    "gru.input": _sequence("gru"),
    "lstm.input": _sequence("lstm"),
    "gru_cell.default": _cell("gru"),
    "lstm_cell.default": _cell("lstm"),
}
