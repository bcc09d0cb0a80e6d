"""The operator along a sequence: at each step a tile of hidden units gathers what its gates keep of
the last state, and moves on."""

from dataclasses import dataclass
from typing import ClassVar

from .._tvm import T, tirx
from ..ir.layer import GATES, STATES
from .builder import store, tensor, tensor_function, where
from .by_filters import ByFilters, column_type
from .recurrence import update
from .sliding import span


@dataclass(frozen=True)
class Recurrent(ByFilters):
    """The static extents of one kernel; layers that agree in all of them share it.

    tiles     of hidden units, in all gates alike; they share no work, so threads may
    lanes     units that are moved on at once: those of a vector, or 1 where units do not fill it
    threads   who share the tiles and wait for each other after each step
    """

    cell: str
    steps: int
    batch: int
    hidden: int
    lanes: int
    reverse: bool
    threads: int

    kind: ClassVar[str] = "recurrent"

    @property
    def matrices(self) -> int:
        return GATES[self.cell]

    @property
    def share(self) -> int:
        """Tiles of a thread."""
        return -(-self.tiles // self.threads)


def recurrent(shape: Recurrent):
    """The unscheduled PrimFunc: for each step t, tile i and its units u

        gate[g, n, u] = sum over k of values[g, i, k, u] * state[n, column[g, i, k, u // B]]
        state, y[t] = the cell's update of projected[t], gate + bias and the last state

    projected       float32 [T, N, gates * H]
    values          float32 [gates, tiles, K, P * B]  the weights that stay
    column          [gates, tiles, K, P]              the hidden unit that each multiplies
    bias            float32 [gates, tiles, P * B]
    h, c            float32 [N, H]      the state before; c for an LSTM alone
    y               float32 [T, N, H]
    last_h, last_c  float32 [N, H]      the state after

    h is held twice, before and after a step, so that tiles are independent within one. Every other
    step a thread takes its tiles from the last to the first: of weights that are too many for its
    cache, those that it read last are still there.
    """
    steps, N, H = shape.steps, shape.batch, shape.hidden
    G, U, K, tiles = GATES[shape.cell], shape.units, shape.columns, shape.tiles
    with tensor_function() as function:
        projected = tensor("projected", steps, N, G * H)
        values = tensor("values", G, tiles, K, U)
        column = tensor("column", G, tiles, K, shape.groups, dtype=column_type(H))
        bias = tensor("bias", G, tiles, U)
        first = [tensor(name, N, H) for name in ("h", "c")[: STATES[shape.cell]]]
        y = tensor("y", steps, N, H)
        last = [tensor(name, N, H) for name in ("last_h", "last_c")[: STATES[shape.cell]]]
        state = T.sblock_alloc_buffer((2, N, H))

        with T.grid(N, H) as loops, T.sblock("begin"):
            n, unit = T.axis.remap("SS", loops)
            store(state, [0, n, unit], first[0][n, unit])
            for before, after in zip(first[1:], last[1:], strict=True):
                store(after, [n, unit], before[n, unit])

        with (
            _steps(shape) as t,
            _threads(shape) as thread,
            _turns(shape, thread) as turn,
            T.sblock("step"),
        ):
            t, thread, turn = T.axis.remap("SSS", [t, thread, turn])
            T.reads(*map(_whole, [projected, values, column, bias, state, *last[1:]]))
            T.writes(*map(_whole, [state, y, *last[1:]]))
            i = T.bind(_tile(shape, t, thread, turn))
            before, after = tirx.floormod(t, 2), tirx.floormod(t + 1, 2)
            gate = T.sblock_alloc_buffer((G, N, U), scope="local")

            with T.sblock("gates"):
                T.reads(*map(_whole, [values, column, state]))
                T.writes(_whole(gate))
                with T.grid(G, N, U, K) as loops, T.sblock("gather_gemm"):
                    T.sblock_attr({"sparsity": shape.facts})
                    g, n, u, k = T.axis.remap("SSSR", loops)
                    p = tirx.floordiv(u, shape.filters)
                    T.reads(values[g, i, k, u], column[g, i, k, p], state[before, n, 0:H])
                    T.writes(gate[g, n, u])
                    with T.init():
                        store(gate, [g, n, u], T.float32(0))
                    here = column[g, i, k, p].astype("int32")
                    product = values[g, i, k, u] * state[before, n, here]
                    store(gate, [g, n, u], gate[g, n, u] + product)

            with T.sblock("update"):
                T.reads(*map(_whole, [gate, projected, bias, state, *last[1:]]))
                T.writes(*map(_whole, [state, y, *last[1:]]))
                step = steps - 1 - t if shape.reverse else t
                with T.grid(N, U // shape.lanes) as (n, vector):
                    unit = span(vector * shape.lanes, shape.lanes)
                    place = i * U + vector * shape.lanes
                    with where(H % U, place < H):
                        here = span(place, shape.lanes)
                        given = [
                            T.bind(projected[step, n, span(g * H + place, shape.lanes)])
                            for g in range(G)
                        ]
                        past = [T.bind(gate[g, n, unit] + bias[g, i, unit]) for g in range(G)]
                        old = [state[before, n, here], *(c[n, here] for c in last[1:])]
                        h, *c = update(shape.cell, given, past, old)
                        store(state, [after, n, here], h)
                        store(y, [step, n, here], h)
                        for target, value in zip(last[1:], c, strict=True):
                            store(target, [n, here], value)

        with T.grid(N, H) as loops, T.sblock("end"):
            n, unit = T.axis.remap("SS", loops)
            store(last[0], [n, unit], state[steps % 2, n, unit])
    return function.get()


def _steps(shape: Recurrent):
    """Threads start before the first step and stay until the last."""
    notes = {"pragma_parallel_launch_point": 1} if shape.threads > 1 else {}
    return T.serial(0, shape.steps, annotations=notes)


def _threads(shape: Recurrent):
    """A thread that has done its share waits for the others."""
    if shape.threads == 1:
        return T.serial(0, 1)
    return T.parallel(0, shape.threads, annotations={"pragma_parallel_barrier_when_finish": 1})


def _turns(shape: Recurrent, thread):
    return T.serial(0, _count(shape, thread))


def _tile(shape: Recurrent, step, thread, turn):
    """To and fro."""
    back = _count(shape, thread) - 1 - turn
    return thread * shape.share + tirx.if_then_else(tirx.floormod(step, 2) == 1, back, turn)


def _count(shape: Recurrent, thread):
    """Tiles of this thread; the last ones may have fewer."""
    if shape.tiles % shape.threads == 0:
        return shape.share
    return tirx.min(shape.share, shape.tiles - thread * shape.share)


def _whole(buffer):
    return buffer[tuple(slice(0, int(n)) for n in buffer.shape)]
