"""The loops around a scheduled kernel's gather, and how much of each axis lies inside each."""

import operator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from .._tvm import s_tir, tirx, tvm


@dataclass(frozen=True)
class Nest:
    """L loops from the outermost to the innermost; level l is what runs in one turn of loops[:l].

    extents   int [L]
    kinds     of each loop: a tirx.ForKind
    groups, filters, columns, lanes   int [L + 1]: how many of each a level covers
    """

    extents: np.ndarray
    kinds: tuple[int, ...]
    groups: np.ndarray
    filters: np.ndarray
    columns: np.ndarray
    lanes: np.ndarray

    @property
    def turns(self) -> np.ndarray:
        """int [L + 1]: how often each level runs."""
        return np.concatenate([[1], np.cumprod(self.extents)])

    @property
    def reduction(self) -> int:
        """The level just above the outermost loop over columns."""
        return int(np.flatnonzero(self.columns == self.columns[0])[-1])

    @property
    def straight(self) -> int:
        """The outermost level without a loop at run time: all inside is unrolled or vectorized."""
        is_loop = [kind in _LOOPS for kind in self.kinds]
        return max((level + 1 for level, loop in enumerate(is_loop) if loop), default=0)


_LOOPS = (tirx.ForKind.SERIAL, tirx.ForKind.PARALLEL)


def nest_of(module: tvm.IRModule) -> Nest:
    """The nest of the block that multiplies values[n, g, k, b] with x, wherever it was moved.

    In the Winograd domain there is a round before, n is a point, and the loops are one round's.
    """
    function = module["main"]
    loops, realize, load = next(
        (loops, realize, load)
        for loops, realize in _leaves(function.body)
        for load in _loads(realize.block.body.value, function.params[1])
    )
    steps = [step for loop in loops for step in _steps(loop, realize.iter_values)]
    rest = {loop.loop_var: np.full(len(steps) + 1, int(loop.extent)) for loop in loops}
    for level, (loop, _, inner) in enumerate(steps, 1):
        rest[loop.loop_var][level:] = inner
    ends = {
        axis.var: _value(value, {variable: count - 1 for variable, count in rest.items()})
        for axis, value in zip(realize.block.iter_vars, realize.iter_values, strict=True)
    }
    one = np.ones(len(steps) + 1, int)
    n, g, k, b = (one + _value(index, ends) for index in load.indices[-4:])
    used = [node for index in load.indices for node in _nodes(index)]
    lanes = one
    for variable, end in ends.items():
        if not any(variable.same_as(node) for node in used):
            lanes = lanes * (end + 1)
    extents = np.array([outer // inner for _, outer, inner in steps])
    return Nest(extents, tuple(int(loop.kind) for loop, _, _ in steps), g, b, n * k, lanes)


def _steps(loop, values):
    """(loop, values of its variable, those that one turn covers): a fused loop counts as several.

    i // 32, i % 32 of 6432  ->  6432 to 32, 32 to 1
    """
    nodes = (node for value in values for node in _nodes(value))
    cuts = {
        int(node.b)
        for node in nodes
        if isinstance(node, (tirx.FloorDiv, tirx.FloorMod))
        and loop.loop_var.same_as(node.a)
        and int(node.b) < int(loop.extent)
    }
    sizes = [int(loop.extent), *sorted(cuts, reverse=True), 1]
    return [(loop, outer, inner) for outer, inner in pairwise(sizes)]


def _leaves(node, loops=()):
    """(loops, block realisation) of each block that holds no other."""
    if isinstance(node, tirx.For):
        yield from _leaves(node.body, (*loops, node))
    elif isinstance(node, tirx.SeqStmt):
        for part in node.seq:
            yield from _leaves(part, loops)
    elif isinstance(node, s_tir.SBlockRealize):
        if isinstance(node.block.body, tirx.BufferStore):
            yield loops, node
        else:
            yield from _leaves(node.block.body, loops)


def _loads(node, buffer):
    """The loads of a buffer in sums and products."""
    if isinstance(node, tvm.ir.TensorLoad):
        if node.source.same_as(buffer):
            yield node
    elif isinstance(node, (tirx.Add, tirx.Mul)):
        yield from _loads(node.a, buffer)
        yield from _loads(node.b, buffer)


def _value(index, known):
    """An index where its variables have the values `known`."""
    if isinstance(index, tirx.Var):
        return known.get(index, 0)  # an outer block's variable has one value in here
    if isinstance(index, tirx.IntImm):
        return int(index)
    return _OPERATORS[type(index)](_value(index.a, known), _value(index.b, known))


def _nodes(index):
    """An index and all that it is made of."""
    yield index
    if not isinstance(index, (tirx.Var, tirx.IntImm)):
        yield from _nodes(index.a)
        yield from _nodes(index.b)


_OPERATORS = {
    tirx.Add: operator.add,
    tirx.Sub: operator.sub,
    tirx.Mul: operator.mul,
    tirx.FloorDiv: operator.floordiv,
    tirx.FloorMod: operator.mod,
}
