"""The operator along a sequence: at each step a tile of hidden units gathers what its gates keep of
the last state, and moves on."""

from dataclasses import dataclass
from typing import ClassVar

from .._tvm import T, tirx
from ..ir.layer import GATES, STATES
from .builder import store, tensor, tensor_function, where
from .recurrence import update
from .sliding import span


@dataclass(frozen=True)
class Recurrent:
    """The static extents of one kernel; layers that agree in all of them share it.

    tiles     of hidden units, `groups` x `filters` of them each; they share no work, so threads may
    groups    P that lie side by side in a vector, each with columns of its own
    filters   B, the units of a group, which keep the same columns in a gate
    columns   K, kept in each gate of a group
    lanes     units that are moved on at once: those of a vector, or 1 where units do not fill it
    shared    tiles are shared among threads, who wait for each other after each step
    """

    cell: str
    steps: int
    batch: int
    hidden: int
    tiles: int
    groups: int
    filters: int
    columns: int
    lanes: int
    reverse: bool
    shared: bool

    kind: ClassVar[str] = "recurrent"

    @property
    def units(self) -> int:
        """Of a tile."""
        return self.groups * self.filters

    @property
    def facts(self) -> dict[str, int | str]:
        """What schedule rules and the cost model may read."""
        return {
            "kind": self.kind,
            "groups": self.tiles * self.groups,
            "filters": self.filters,
            "blocks": GATES[self.cell],
            "columns": self.columns,
        }


def recurrent(shape: Recurrent):
    """The unscheduled PrimFunc: for each step t, tile i and its units u

        gate[g, n, u] = sum over k of values[g, i, k, u] * state[n, column[g, i, k, u // B]]
        state, y[t] = the cell's update of projected[t], gate + bias and the last state

    projected       float32 [T, N, gates * H]
    values          float32 [gates, tiles, K, P * B]  the weights that stay
    column          int32   [gates, tiles, K, P]      the hidden unit that each multiplies
    bias            float32 [gates, tiles, P * B]
    h, c            float32 [N, H]      the state before; c for an LSTM alone
    y               float32 [T, N, H]
    last_h, last_c  float32 [N, H]      the state after

    h is held twice, before and after a step, so that tiles are independent within one.
    """
    steps, N, H = shape.steps, shape.batch, shape.hidden
    G, U, K, tiles = GATES[shape.cell], shape.units, shape.columns, shape.tiles
    with tensor_function() as function:
        projected = tensor("projected", steps, N, G * H)
        values = tensor("values", G, tiles, K, U)
        column = tensor("column", G, tiles, K, shape.groups, dtype="int32")
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

        with _steps(shape) as t, _tiles(shape) as i, T.sblock("step"):
            t, i = T.axis.remap("SS", [t, i])
            T.reads(*map(_whole, [projected, values, column, bias, state, *last[1:]]))
            T.writes(*map(_whole, [state, y, *last[1:]]))
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
                    product = values[g, i, k, u] * state[before, n, column[g, i, k, p]]
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
    notes = {"pragma_parallel_launch_point": 1} if shape.shared else {}
    return T.serial(0, shape.steps, annotations=notes)


def _tiles(shape: Recurrent):
    """A thread that has done its share waits for the others."""
    if not shape.shared:
        return T.serial(0, shape.tiles)
    return T.parallel(0, shape.tiles, annotations={"pragma_parallel_barrier_when_finish": 1})


def _whole(buffer):
    return buffer[tuple(slice(0, int(n)) for n in buffer.shape)]
