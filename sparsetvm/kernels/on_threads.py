"""Give loops that no schedule has seen to the threads of a GPU."""

from collections.abc import Iterator
from itertools import groupby
from math import prod

import tvm_ffi

from .._tvm import tirx, tvm
from .frame import round_up
from .margins import with_statements

_THREAD = 1  # IterVar's kThreadIndex


def on_threads(function, lanes: int, group: int):
    """A function whose statements are kernels; those that are on threads already stay.

        for c: (for h, w: y[...] = x[...]; for i: y[...] = 0)
        -->
        for block, thread:
            i = block * threads + thread
            if i < n: y[... c, h, w of i ...] = x[...]
            elif i < n + m: y[... c, i of i - n ...] = 0

    Kernels on flat activations write each place once, from what others wrote, so that the order of
    their loops does not matter; where one adds to what it has written, it does so within a row, the
    outermost loop. `group` is the most threads of a block, a multiple of the `lanes` in step.
    """

    def bound(body) -> list:
        done: list = []
        for has_threads, statements in groupby(_parts(body), _has_threads):
            if has_threads:
                done += statements
            else:
                nests = [nest for statement in statements for nest in _nests(statement, ())]
                done.append(_bound(nests, lanes, group))
        return done

    return with_statements(function, bound)


def _nests(statement, loops: tuple) -> Iterator[tuple]:
    """(loops, body) of each innermost body."""
    parts = _parts(statement)
    if len(parts) > 1 and all(isinstance(part, tirx.For) for part in parts):
        for part in parts:
            yield from _nests(part, loops)
    elif isinstance(statement, tirx.For) and not (loops and _adds_up(statement)):
        yield from _nests(statement.body, (*loops, statement))
    else:
        yield loops, statement


def _bound(nests: list[tuple], lanes: int, group: int):
    """All nests in one kernel: the first threads run the first, those that follow the next."""
    counts = [prod(int(loop.extent) for loop in loops) for loops, _ in nests]
    total = sum(counts)
    threads = min(round_up(total, lanes), group)
    block, thread = tirx.Var("block", "int32"), tirx.Var("thread", "int32")
    index, end, kernel = block * threads + thread, total, None
    for (loops, body), count in zip(reversed(nests), reversed(counts)):
        mine = _run(loops, body, index - (end - count), count)
        is_rest = kernel is None and total % threads == 0
        kernel = mine if is_rest else tirx.IfThenElse(index < end, mine, kernel)
        end -= count
    kernel = _thread_loop(thread, "threadIdx.x", threads, kernel)
    return _thread_loop(block, "blockIdx.x", -(-total // threads), kernel)


def _run(loops: tuple, body, index, count: int):
    """The index-th run of a nest's body."""
    places = {}
    for loop in loops:
        count //= int(loop.extent)
        place = tirx.floormod(tirx.floordiv(index, count), loop.extent)
        places[loop.loop_var] = loop.min + place
    return tvm_ffi.structural_map(body, (tirx.Var, lambda var: places.get(var, var)))


def _thread_loop(variable, tag: str, extent: int, body):
    axis = tirx.IterVar(tvm.ir.Range(0, extent), tirx.Var(tag, "int32"), _THREAD, tag)
    return tirx.For(variable, 0, extent, tirx.ForKind.THREAD_BINDING, body, axis)


def _parts(statement) -> list:
    return list(statement) if isinstance(statement, tirx.SeqStmt) else [statement]


def _has_threads(statement) -> bool:
    return any(loop.kind == tirx.ForKind.THREAD_BINDING for loop in _all(tirx.For, statement))


def _adds_up(statement) -> bool:
    """Whether it reads what it writes."""
    written = [store.buffer for store in _all(tirx.BufferStore, statement)]
    read = [load.source for load in _all(tvm.ir.TensorLoad, statement)]
    return any(source.same_as(buffer) for source in read for buffer in written)


def _all(kind: type, statement) -> list:
    found: list = []
    tvm_ffi.structural_walk(statement, (kind, found.append))
    return found
