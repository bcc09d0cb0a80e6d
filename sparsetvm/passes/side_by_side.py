"""Layers of several nets side by side: equal ones at equal places become one kernel call."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from heapq import heappop, heappush

import numpy as np

from .._tvm import relax, tvm
from ..sparsity.packed import Packed, side_by_side as packed_side_by_side
from .block import variables
from .flat_steps import ElementwiseStep, MeanStep, PoolStep, Step
from .layer_step import LayerStep
from .layout import Value


class Beside(Enum):
    """Which steps run side by side, where they are equal but for their weights."""

    NONE = "apart"
    READERS = "readers of one activation"
    ALL = "all"


def side_by_side(steps: list[Step], inputs: Sequence[relax.Var], beside: Beside) -> list[Step]:
    """Steps that do the same at the same place of their nets become one, on more channels.

        y1 = conv(x, a/0.weight);  z1 = pool(y1);  u1 = conv(z1, a/3.weight)
        y2 = conv(x, b/0.weight);  z2 = pool(y2);  u2 = conv(z2, b/3.weight)
        -->
        y = conv(x, [a/0.weight, b/0.weight])         # y1 and y2 are halves of its channels
        z = pool(y)
        u = conv(z, [a/3.weight, b/3.weight])         # whose groups of filters read z1 or z2

    A filter reads what it did before: in the flat layout other channels lie at another offset, so
    nothing is copied and nothing is multiplied by zero. Where others read a part of the channels,
    they read it in place. Of the nets' `inputs`, those that differ are put side by side first.
    """
    if beside is Beside.NONE:
        return steps
    parts: dict[str, tuple[Value, int]] = {}
    done: list[Step] = []
    came = {var.name: str(var.ty) for var in inputs} if beside is Beside.ALL else {}
    for group in _in_order(_equal(steps, came)):
        joint = _joint(group, parts, beside) if len(group) > 1 else None
        if joint is None and isinstance(group[0], LayerStep):
            read = _inputs_side_by_side(group, inputs)
            if read is not None:
                joint = _joint(group, parts | read.parts, beside)
                done += [read] if joint is not None else []
        done += group if joint is None else [joint]
        if joint is not None and joint.result is not None:
            firsts = _firsts([step.result for step in group])
            parts |= {s.result.name: (joint.result, first) for s, first in zip(group, firsts)}
    return done


@dataclass(frozen=True)
class Layers(LayerStep):
    """Layers of equal shape as one; it reads `source`, each of them from one of `channels` on."""

    parts: tuple[LayerStep, ...]
    channels: tuple[int, ...]

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(part.layer.name for part in self.parts)

    def place(self, layout):
        super().place(layout)
        _place_parts(self, layout)

    def packed(self, emission) -> Packed:
        packs = [part.packed(emission) for part in self.parts]
        return packed_side_by_side(packs, self.channels, self.source.channels)

    def bias(self, emission) -> np.ndarray:
        zeros = np.zeros(self.parts[0].layer.weight_shape[0], np.float32)
        biases = [part.bias(emission) for part in self.parts]
        return np.concatenate([zeros if bias is None else bias for bias in biases])

    def emit(self, emission):
        super().emit(emission)
        values, first = emission.stored(f"{self.layer.name}.values"), 0
        for part, packed in ((part, part.packed(emission)) for part in self.parts):
            own = values[:, first : first + packed.groups]
            if own.shape[2] == packed.columns_per_block and own.flags.c_contiguous:
                emission.lies_in(f"{part.layer.name}.values", own)
            first += packed.groups
        _set_parts(self, emission)


@dataclass(frozen=True)
class Together(Step):
    """Steps that treat each channel alike, as one on all of their channels."""

    joint: Step
    parts: tuple[Step, ...]

    def place(self, layout):
        self.joint.place(layout)
        _place_parts(self, layout)

    def emit(self, emission):
        self.joint.emit(emission)
        if self.result is not None:
            _set_parts(self, emission)
            return
        x, first = emission.plain(self.output.name), 0
        for part in self.parts:
            end = first + emission.shape(part.output)[1]
            cut = relax.op.strided_slice(x, axes=[1], begin=[first], end=[end])
            emission.set_plain(part.output, emission.builder.emit(cut))
            first = end


@dataclass(frozen=True)
class Inputs(Step):
    """Inputs of several nets as channels of one tensor."""

    values: tuple[Value, ...]

    @property
    def parts(self) -> dict[str, tuple[Value, int]]:
        """Where each of them lies in it."""
        channels = sum(value.channels for value in self.values)
        joint = replace(self.values[0], var=self.output.name, channels=channels)
        return {
            value.name: (joint, first)
            for value, first in zip(self.values, _firsts(self.values), strict=True)
        }

    def emit(self, emission):
        tensors = [emission.plain(value.var) for value in self.values]
        joint = emission.builder.emit(relax.op.concat(tensors, axis=1))
        emission.set_plain(self.output, joint)


def _inputs_side_by_side(group: list[LayerStep], inputs: Sequence[relax.Var]) -> Inputs | None:
    """What the group reads, if it is inputs that differ."""
    values = tuple(dict.fromkeys(step.source for step in group))
    known = {var.name: var for var in inputs}
    if len(values) == 1 or values[0].role != "images" or not {v.var for v in values} <= set(known):
        return None
    shape = [int(n) for n in known[values[0].var].ty.shape]
    shape[1] *= len(values)
    name = " + ".join(value.var for value in values)
    output = relax.Var(name, relax.TensorType(shape, "float32"))
    return Inputs(output, relax.Tuple([known[value.var] for value in values]), None, values)


def _place_parts(step: Layers | Together, layout) -> None:
    """Each net alone, too, has its activations where they lie side by side."""
    for part in step.parts:
        part.place(layout)
    if step.result is not None:
        layout.join([step.result, *(part.result for part in step.parts)])


def _set_parts(step: Layers | Together, emission) -> None:
    firsts = _firsts([part.result for part in step.parts])
    for part, first in zip(step.parts, firsts, strict=True):
        emission.set_part(part, step.result, first)


def _firsts(values: Sequence[Value]) -> list[int]:
    """The first channel of each, if they follow each other."""
    return [sum(value.channels for value in values[:i]) for i in range(len(values))]


def _equal(steps: list[Step], came: dict[str, object]) -> list[list[Step]]:
    """Steps in groups of those that do the same, but for their weights, on values that came about
    in the same way: `came` says how inputs do."""
    came, numbers = dict(came), {}
    groups: list[list[Step]] = []
    for step in steps:
        key = _key(step, lambda var: came.get(var, var)) or (step.output.name,)
        number = numbers.setdefault(key, len(groups))
        if number == len(groups):
            groups.append([])
        groups[number].append(step)
        came[step.output.name] = number
    return groups


def _key(step: Step, came: Callable[[str], object]) -> tuple | None:
    """What steps have in common that may run side by side; None: this one never does."""
    if isinstance(step, LayerStep) and step.form.outputs == 1:
        layer = step.layer
        window = (layer.kind, layer.kernel, layer.stride, layer.padding, layer.dilation)
        sharing = (step.form, layer.structure.group, layer.structure.block, layer.epilogue)
        residual = None if step.residual is None else came(step.residual.var)
        return (*window, *sharing, layer.weight_shape, came(step.source.var), residual)
    if not isinstance(step, PoolStep | ElementwiseStep | MeanStep):
        return None
    args = [
        came(arg.name) if isinstance(arg, relax.Var) else _constant(arg) for arg in step.call.args
    ]
    return (type(step), step.call.op.name, str(step.call.attrs), *args)


def _constant(arg: relax.Expr) -> object:
    return arg.value.numpy().tobytes() if isinstance(arg, tvm.ir.GenericConst) else str(arg)


def _in_order(groups: list[list[Step]]) -> list[list[Step]]:
    """Groups after those whose results they read, else as they come."""
    makes = {step.output.name: i for i, group in enumerate(groups) for step in group}
    reads = [
        {makes[var.name] for step in group for var in variables(step.call) if var.name in makes}
        for group in groups
    ]
    readers: dict[int, list[int]] = {}
    for i, needed in enumerate(reads):
        for j in needed:
            readers.setdefault(j, []).append(i)
    ready = [i for i, needed in enumerate(reads) if not needed]
    ordered = []
    while ready:
        i = heappop(ready)
        ordered.append(groups[i])
        for reader in readers.get(i, ()):
            reads[reader].discard(i)
            if not reads[reader]:
                heappush(ready, reader)
    assert len(ordered) == len(groups), "groups of steps wait for each other"
    return ordered


def _joint(
    group: list[Step], parts: Mapping[str, tuple[Value, int]], beside: Beside
) -> Layers | Together | None:
    """The group as one step; None where what it reads does not lie side by side."""
    first = group[0]
    var, result = _side_by_side(group)
    if isinstance(first, LayerStep):
        sources = [step.source for step in group]
        read = _source(sources, parts)
        if read is None or not _holds_each_once(group):
            return None
        source, channels = read
        if beside is Beside.READERS and any(channels):
            return None
        if first.window.is_strided and any(channels) and _whole(sources, parts) is None:
            return None
        residual = first.residual
        if residual is not None:
            residual = _whole([step.residual for step in group], parts)
            if residual is None:
                return None
        layer = replace(
            first.layer,
            name=" + ".join(step.layer.name for step in group),
            weight_shape=(result.channels, source.channels, *first.layer.kernel),
        )
        return Layers(
            var, first.call, result, layer, first.form, source, residual, tuple(group), channels
        )
    if isinstance(first, ElementwiseStep):
        inputs = [_whole(values, parts) for values in zip(*(step.inputs for step in group))]
        joint = None if None in inputs else replace(first, inputs=tuple(inputs))
    else:
        source = _whole([step.source for step in group], parts)
        joint = None if source is None else replace(first, source=source)
    if joint is None:
        return None
    return Together(
        var, first.call, result, replace(joint, output=var, result=result), tuple(group)
    )


def _side_by_side(group: list[Step]) -> tuple[relax.Var, Value | None]:
    """What the group computes: a variable and a value of all channels."""
    name = " + ".join(step.output.name for step in group)
    shape, axis = [int(n) for n in group[0].output.ty.shape], 1
    result = group[0].result
    if result is not None:
        axis = 1 if result.role == "images" else -1
        channels = sum(step.result.channels for step in group)
        result = replace(result, var=name, channels=channels)
    shape[axis] *= len(group)
    return relax.Var(name, relax.TensorType(shape, "float32")), result


MOST_PADDING = 1.25
"""Of the weights of layers side by side, those that are held where each has as many as the
fullest."""


def _holds_each_once(group: list[LayerStep]) -> bool:
    """Whether the weights of each lie in a row among all, and there is little else."""
    layer = group[0].layer
    in_blocks = group[0].form.sparse and (layer.structure.block or np.inf) < layer.weight_shape[1]
    if in_blocks or len({step.layer.weight for step in group}) < len(group):
        return False  # a kernel reads block after block; equal weights need not be there twice
    counts = [step.layer.parameters for step in group]
    return max(counts) * len(counts) <= MOST_PADDING * sum(counts)


def _source(
    values: Sequence[Value], parts: Mapping[str, tuple[Value, int]]
) -> tuple[Value, tuple[int, ...]] | None:
    """The one value that holds them all, and the channel from which on it holds each."""
    if all(value == values[0] for value in values):
        return values[0], (0,) * len(values)
    found = [parts.get(value.name) for value in values]
    if None in found or any(joint != found[0][0] for joint, _ in found):
        return None
    return found[0][0], tuple(first for _, first in found)


def _whole(values: Sequence[Value], parts: Mapping[str, tuple[Value, int]]) -> Value | None:
    """The value that is these, one after the other."""
    found = _source(values, parts)
    if found is None or list(found[1]) != _firsts(values):
        return None
    return found[0] if sum(value.channels for value in values) == found[0].channels else None
