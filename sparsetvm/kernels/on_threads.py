"""Give loops that no schedule has seen to the threads of a GPU."""

from collections.abc import Iterator
from math import prod

import tvm_ffi

from .._tvm import tirx, tvm
from .frame import round_up
from .margins import with_statements

_THREAD = 1  # IterVar's kThreadIndex


def on_threads(function, lanes: int, group: int):
    """A function's statements, each a kernel of its own; those that are on threads stay.

        for c: (for h, w: y[...] = ...; for i: y[...] = 0)
        -->
        for block, thread: c, h, w = block * threads + thread; y[...] = ...
        for block, thread: c, i = block * threads + thread; y[...] = 0

    Kernels on flat activations write each place from what they read, so the order of their loops
    does not matter; where one adds to what it has written, it does so within a row, the outermost
    loop. `group` is the most threads of a block, a multiple of the `lanes` in step.
    """

    def bound(body):
        for statement in _parts(body):
            if _has_threads(statement):
                yield statement
            else:
                yield from (_bound(*nest, lanes, group) for nest in _nests(statement, ()))

    return with_statements(function, lambda body: list(bound(body)))


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


def _bound(loops: tuple, body, lanes: int, group: int):
    extents = [int(loop.extent) for loop in loops]
    count = prod(extents)
    threads = min(round_up(count, lanes), group)
    block, thread = tirx.Var("block", "int32"), tirx.Var("thread", "int32")
    index, rest = block * threads + thread, count
    places = {}
    for loop, extent in zip(loops, extents):
        rest //= extent
        places[loop.loop_var] = loop.min + tirx.floormod(tirx.floordiv(index, rest), extent)
    body = tvm_ffi.structural_map(body, (tirx.Var, lambda var: places.get(var, var)))
    if count % threads:
        body = tirx.IfThenElse(index < count, body, None)
    body = _thread_loop(thread, "threadIdx.x", threads, body)
    return _thread_loop(block, "blockIdx.x", -(-count // threads), body)


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
