"""A GRU or an LSTM over a sequence: plain loops over its dense weight, which a graph runs on until
it is lowered."""

from dataclasses import dataclass

from .._tvm import T
from ..ir.layer import GATES, STATES
from .builder import store, tensor, tensor_function
from .sigmoid import sigmoid, tanh

CELL, REVERSE = "sparsetvm.cell", "sparsetvm.reverse"
"""Attributes of the function that `recurrence` makes: the kind of its cell; 1 if the last step
comes first."""


@dataclass(frozen=True)
class Recurrence:
    """The static facts of one direction of one layer."""

    cell: str
    """One of GATES."""
    steps: int
    batch: int
    hidden: int
    reverse: bool = False
    """The last step comes first; outputs stay where their inputs are."""
    bias: bool = True

    @property
    def gates(self) -> int:
        return GATES[self.cell]

    @property
    def states(self) -> int:
        return STATES[self.cell]


def recurrence(shape: Recurrence):
    """A PrimFunc of (projected, weight, bias?, h, c?, y, last_h, last_c?), for R.call_tir.

        gate[j] = sum over k of weight[j, k] * h[k] + bias[j]                   j = gate * H + unit
        GRU   r, z = sigmoid(projected + gate)     n = tanh(projected + r * gate)
              h = (1 - z) * n + z * h
        LSTM  i, f, o = sigmoid(projected + gate)  g = tanh(projected + gate)
              c = f * c + i * g                    h = o * tanh(c)

    projected        float32 [T, N, gates * H]   weight_ih @ x + bias_ih of every step
    weight, bias     float32 [gates * H, H], [gates * H]   weight_hh, bias_hh; gates as in GATES
    h, c             float32 [N, H]   the state before; c for an LSTM alone
    y                float32 [T, N, H]   h after each step
    last_h, last_c   float32 [N, H]   the state after
    """
    steps, N, H, G = shape.steps, shape.batch, shape.hidden, shape.gates
    with tensor_function() as function:
        projected, weight = tensor("projected", steps, N, G * H), tensor("weight", G * H, H)
        bias = tensor("bias", G * H) if shape.bias else None
        first = [tensor(name, N, H) for name in ("h", "c")[: shape.states]]
        y = tensor("y", steps, N, H)
        last = [tensor(name, N, H) for name in ("last_h", "last_c")[: shape.states]]
        with T.sblock("recurrence"):
            inputs = [projected, weight, *first] + ([bias] if shape.bias else [])
            T.reads(*map(_whole, inputs))
            T.writes(*map(_whole, [y, *last]))
            gate = T.sblock_alloc_buffer((G,))
            _copy(first, last)
            with T.serial(0, steps) as t:
                step = steps - 1 - t if shape.reverse else t
                with T.grid(N, H) as (n, unit):
                    for g in range(G):
                        row = g * H + unit
                        start = T.float32(0) if bias is None else bias[row]
                        store(gate, [g], start)
                        with T.serial(0, H) as k:
                            store(gate, [g], gate[g] + weight[row, k] * last[0][n, k])
                    given = [projected[step, n, g * H + unit] for g in range(G)]
                    here = [state[n, unit] for state in last]
                    h, *c = update(shape.cell, given, [gate[g] for g in range(G)], here)
                    store(y, [step, n, unit], h)
                    for state, value in zip(last[1:], c, strict=True):
                        store(state, [n, unit], value)
                with T.grid(N, H) as (n, unit):
                    store(last[0], [n, unit], y[step, n, unit])
    reverse = int(shape.reverse)
    return function.get().with_attr(CELL, shape.cell).with_attr(REVERSE, reverse)


def update(cell: str, given: list, gate: list, state: list) -> tuple:
    """The new state (h, c?) from what the input and the last state say of each gate."""
    if cell == "gru":
        (h,) = map(T.bind, state)
        reset, move = (sigmoid(x + y) for x, y in zip(given[:2], gate[:2], strict=True))
        new = tanh(given[2] + reset * gate[2])
        return (T.bind(new + move * (h - new)),)
    i, f, g, o = (x + y for x, y in zip(given, gate, strict=True))
    c = T.bind(sigmoid(f) * state[1] + sigmoid(i) * tanh(g))
    return T.bind(sigmoid(o) * tanh(c)), c


def _copy(sources: list, targets: list) -> None:
    for source, target in zip(sources, targets, strict=True):
        with T.grid(*source.shape) as place:
            store(target, place, source[tuple(place)])


def _whole(buffer):
    return buffer[tuple(slice(0, int(n)) for n in buffer.shape)]
