"""How each binding works on flat activations: where its values lie, and what computes them."""

from abc import ABC, abstractmethod
from dataclasses import dataclass

from .._tvm import relax
from ..kernels import flat
from ..kernels.frame import Flat, Window
from .layout import Layout, Value, images


@dataclass(frozen=True)
class Step(ABC):
    """One binding: `output = call`. `result` is the output's flat form; None: it comes out
    plain."""

    output: object
    call: object
    result: Value | None

    def place(self, layout: Layout) -> None:  # noqa: B027 (on plain tensors there is nothing to say)
        """Say which values share a frame and what margins this step reads."""

    @abstractmethod
    def emit(self, emission) -> None:
        """Compute the output: emission.set_flat(self, x) or emission.set_plain(var, x)."""


@dataclass(frozen=True)
class PlainStep(Step):
    """Runs as TVM's own code on plain tensors."""

    def emit(self, emission):
        emission.set_plain(self.output, emission.builder.emit(emission.on_plain(self.call)))


@dataclass(frozen=True)
class ElementwiseStep(Step):
    """Zero in, zero out, so margins stay zero: the same Relax operator over whole flat
    activations."""

    inputs: tuple[Value, ...]

    def place(self, layout):
        layout.join([layout.add(value) for value in (self.result, *self.inputs)])

    def emit(self, emission):
        tensors = iter(emission.whole(value) for value in self.inputs)
        args = [next(tensors) if _is_image(a) else a for a in self.call.args]
        emission.set_flat(
            self, emission.builder.emit(relax.Call(self.call.op, args, self.call.attrs))
        )


@dataclass(frozen=True)
class PoolStep(Step):
    """Max and average pooling of images of any rank."""

    source: Value
    window: Window

    def place(self, layout):
        layout.add(self.result)
        layout.touch(layout.add(self.source), self.window.extent)

    def emit(self, emission):
        source, dest = emission.place(self.source), emission.place(self.result)
        name = self.call.op.name.rpartition(".")[2]
        if "max" in name:
            kernel = flat.max_pool(dest, source, self.window, emission.target.vector)
        else:
            kernel = flat.avg_pool(
                dest, source, self.window, bool(self.call.attrs.count_include_pad)
            )
        x = emission.flat(self.source)
        emission.set_flat(self, emission.kernel(name, kernel, [x], (dest.length,)))


@dataclass(frozen=True)
class ConcatStep(Step):
    """Channels one after the other are rows one after the other."""

    inputs: tuple[Value, ...]

    def place(self, layout):
        layout.join([layout.add(value) for value in (self.result, *self.inputs)])

    def emit(self, emission):
        head, *rest = self.inputs
        x, channels = emission.whole(head), head.channels
        frame, size = emission.place(self.result).frame, self.result.size
        for tail in rest:
            pieces = [Flat(frame, n, size) for n in (channels, tail.channels)]
            channels += tail.channels
            both = Flat(frame, channels, size)
            kernel = flat.concat(both, *pieces)
            x = emission.kernel("concat", kernel, [x, emission.whole(tail)], (both.length,))
        emission.set_flat(self, x)


@dataclass(frozen=True)
class MeanStep(Step):
    """The mean over all pixels, straight from the flat layout to a plain tensor."""

    source: Value

    def place(self, layout):
        layout.add(self.source)

    def emit(self, emission):
        shape = emission.shape(self.output)
        kernel = flat.mean(emission.place(self.source), shape, emission.target.vector)
        x = emission.flat(self.source)
        emission.set_plain(self.output, emission.kernel("mean", kernel, [x], shape))


def flat_step(output, call, is_flat) -> Step | None:
    """The step of an operator between layers if it can work on flat images; None: it runs plain.

    `is_flat(var)` tells whether a layer or a step before has left its result flat.
    """
    if not isinstance(call, relax.Call) or not hasattr(call.op, "name"):
        return None
    tensors, build = _tensors(call), _BUILDERS.get(call.op.name)
    if build is None or not any(is_flat(x) for x in tensors) or not all(map(_is_image, tensors)):
        return None
    return build(output, call, tuple(_images(x) for x in tensors))


def _elementwise(output, call, inputs):
    if len({(*value.size, value.channels, value.batch) for value in inputs}) > 1:
        return None
    numbers = [a for a in call.args if not _is_image(a)]
    if call.op.name == "relax.clip":
        low, high = (float(a.value) for a in numbers)
        keeps_zero = low <= 0 <= high
    else:
        scales = call.op.name in ("relax.multiply", "relax.divide") and _is_image(call.args[0])
        keeps_zero = scales if numbers else call.op.name != "relax.divide"
    if not keeps_zero:
        return None
    return ElementwiseStep(output, call, _images(output), inputs)


def _pool(output, call, inputs):
    if call.attrs.ceil_mode and "avg" in call.op.name:
        return None
    attrs = call.attrs
    rank = len(attrs.pool_size)
    lead = 3 - rank
    window = Window(
        kernel=(1,) * lead + tuple(int(n) for n in attrs.pool_size),
        stride=(1,) * lead + tuple(int(n) for n in attrs.strides),
        before=(0,) * lead + tuple(int(n) for n in attrs.padding[:rank]),
        dilation=(1,) * lead + tuple(int(n) for n in attrs.dilation),
    )
    return PoolStep(output, call, _images(output), inputs[0], window)


def _concat(output, call, inputs):
    return ConcatStep(output, call, _images(output), inputs) if int(call.attrs.axis) == 1 else None


def _mean(output, call, inputs):
    rank = len(call.args[0].ty.shape)
    axes = sorted(int(axis) % rank for axis in call.attrs.axis or range(rank))
    return MeanStep(output, call, None, inputs[0]) if axes == list(range(2, rank)) else None


def _adaptive_mean(output, call, inputs):
    is_global = all(int(n) == 1 for n in list(output.ty.shape)[2:])
    return MeanStep(output, call, None, inputs[0]) if is_global else None


_BUILDERS = {
    **{f"relax.nn.{kind}_pool{rank}d": _pool for kind in ("max", "avg") for rank in (1, 2, 3)},
    **{f"relax.nn.adaptive_avg_pool{rank}d": _adaptive_mean for rank in (1, 2, 3)},
    **{
        f"relax.{name}": _elementwise
        for name in (
            "add",
            "subtract",
            "multiply",
            "divide",
            "nn.relu",
            "clip",
            "tanh",
            "abs",
            "negative",
        )
    },
    "relax.concat": _concat,
    "relax.mean": _mean,
}


def _tensors(call) -> list:
    """The tensor arguments of a call, single numbers left out; those of a tuple one by one."""
    found = []
    for argument in call.args:
        found += list(argument.fields) if isinstance(argument, relax.Tuple) else [argument]
    return [x for x in found if isinstance(x.ty, relax.TensorType) and len(x.ty.shape) > 0]


def _is_image(argument) -> bool:
    """A variable [batch, channels, *size]."""
    return isinstance(argument, relax.Var) and len(argument.ty.shape) >= 3


def _images(var) -> Value:
    return images(var.name, tuple(int(n) for n in var.ty.shape))
