"""Give every marked layer its kernel, and let what lies between layers work on flat activations
too."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from .._tvm import relax, tvm
from ..frontends.imported import Imported
from ..ir.layer import Layer
from ..ir.names import unique_name
from ..kernels import flat
from ..kernels.frame import Flat
from ..kernels.gather_gemm import GatherGemm, gather_gemm
from ..kernels.margins import Margins
from ..kernels.recurrent import Recurrent
from ..kernels.samples import Samples
from ..kernels.winograd import Winograd, winograd
from ..targets.target import Target
from . import pack
from .block import Block, substitute, variables
from .flat_steps import PlainStep, Step, flat_step
from .form import Form
from .layer_step import layer_step
from .layout import Layout, Value
from .mark import layer_of_call
from .schedule import KERNEL
from .side_by_side import Beside, Layers, side_by_side
from .unite import Entry

LayerKernel = GatherGemm | Winograd | Samples | Recurrent

EVERY_PIXEL = ((0, 0, 0),)
FLOAT = 4
"""Bytes of a float32, which all activations are."""


@dataclass(frozen=True)
class EntryCode:
    """The function of the module that runs one net of several.

    parameters   the arrays that it takes after its inputs, in order
    read         bytes of activations that its kernels read
    """

    entry: Entry
    function: str
    parameters: tuple[str, ...]
    read: int


@dataclass(frozen=True)
class Lowered(Imported):
    """A program of kernels.

    kernels   those that still have to be scheduled, by function
    forms     each layer's
    entries   where main is several nets, a function for each alone
    beside    layers that main runs side by side, in one kernel call
    read      bytes of activations that main's kernels read
    """

    kernels: dict[str, LayerKernel]
    forms: Mapping[str, Form]
    entries: tuple[EntryCode, ...] = ()
    beside: tuple[tuple[str, ...], ...] = ()
    read: int = 0


def lower(
    program: Imported,
    layers: tuple[Layer, ...],
    target: Target,
    forms: Mapping[str, Form],
    entries: tuple[Entry, ...] = (),
    beside: Beside = Beside.NONE,
) -> Lowered:
    """Marked calls and what lies between them become kernels on flat activations.

        y = features_0(x, features.0.weight, features.0.bias)     # sparsetvm.layer = "features.0"
        z = R.nn.max_pool2d(y)
        -->
        x_flat = R.call_tir(from_plain, (x,))
        y_flat = R.call_tir(gather_gemm, (x_flat, features.0.values, .offset, .row, .bias, mask))
        z_flat = R.call_tir(max_pool2d, (y_flat,))
        z = R.call_tir(to_plain, (z_flat,))

    Kernels come out unscheduled, each layer in its form; the packed constants take the place of
    the weights. Each of the `entries` gets a function of its own beside main, on the same kernels
    and constants; in main, some layers of theirs may run side by side.
    """
    steps = _steps(program, {layer.name: layer for layer in layers}, target, forms)
    main = Block.of(program.module)
    together = side_by_side(steps, main.inputs, beside)
    layout = Layout(target.vector)
    for step in together:
        step.place(layout)
    code = _Code(program, layout, target)
    parameters, read = _Emission(code).run("main", main.inputs, together, main.result)
    alone, outputs = [], main.bindings.get(main.result, main.result)
    for number, entry in enumerate(entries):
        name, inputs = f"net{number}", [main.inputs[place] for place in entry.inputs]
        results = [outputs.fields[place] for place in entry.outputs]
        result = results[0] if len(results) == 1 else relax.Tuple(results)
        own = _Emission(code).run(name, inputs, _steps_for(result, steps), result)
        alone.append(EntryCode(entry, name, *own))
    return Lowered(
        module=code.builder.get(),
        arrays=code.arrays,
        parameters=parameters,
        inputs=program.inputs,
        source=program.source,
        kernels=code.shapes,
        forms=forms,
        entries=tuple(alone),
        beside=tuple(step.names for step in together if isinstance(step, Layers)),
        read=read,
    )


def _steps(
    program: Imported, layers: dict[str, Layer], target: Target, forms: Mapping[str, Form]
) -> list[Step]:
    """Every binding of main as a step, in order."""
    steps: list[Step] = []
    flat_vars: set[str] = set()
    for var, expr in Block.of(program.module).bindings.items():
        name = layer_of_call(program.module, expr)
        if name is not None:
            step = layer_step(var, expr, layers[name], program.arrays, target, forms)
        else:
            step = flat_step(var, expr, lambda x: x.name in flat_vars)
        if step is None:
            step = PlainStep(var, expr, None)
        elif step.result is not None:
            flat_vars.add(var.name)
        steps.append(step)
    return steps


def _steps_for(result: relax.Expr, steps: list[Step]) -> list[Step]:
    """Those that `result` needs."""
    needed, kept = set(variables(result)), []
    for step in reversed(steps):
        if step.output in needed:
            needed.update(variables(step.call))
            kept.append(step)
    return kept[::-1]


class _Code:
    """The module under construction: kernels and arrays that all of its functions share."""

    def __init__(self, program: Imported, layout: Layout, target: Target):
        self.program, self.layout, self.target = program, layout, target
        self.builder = relax.BlockBuilder()
        self.arrays: dict[str, np.ndarray] = {}
        self.shapes: dict[str, LayerKernel] = {}
        self._contents: dict[tuple, list[np.ndarray]] = {}
        self._kernels: dict[object, tvm.ir.GlobalVar] = {}

    def kernel(self, key: object, define: Callable, name: str) -> tvm.ir.GlobalVar:
        """The function of a key; `define` writes it when it is first asked for."""
        if key not in self._kernels:
            self._kernels[key] = self.add(define(), name)
        return self._kernels[key]

    def add(self, function, name: str) -> tvm.ir.GlobalVar:
        """A private function of the module; its builder called it "main"."""
        return self.builder.add_func(function.without_attr("global_symbol"), name)

    def named(self, name: str, array: np.ndarray) -> str:
        """The array's name among all; a number stands in it where another array has the name.
        Arrays of equal contents are one in memory."""
        known = self.arrays.get(name)
        if known is not None and np.array_equal(known, array):
            return name
        alike = self._contents.setdefault((array.shape, array.dtype, array.flat[:8].tobytes()), [])
        same = next((other for other in alike if np.array_equal(other, array)), None)
        if same is None:
            alike.append(array)
        name = unique_name(name, self.arrays)
        self.arrays[name] = array if same is None else same
        return name


class _Emission:
    """A function under construction: each value in the forms that someone asked for."""

    def __init__(self, code: _Code):
        self.target, self.builder = code.target, code.builder
        self._code, self._program, self._layout = code, code.program, code.layout
        self.read = 0
        self._parameters: dict[str, relax.Var] = {}
        self._plain: dict[str, object] = {}
        self._flat: dict[str, object] = {}
        self._whole: dict[str, object] = {}
        self._parts: dict[str, tuple[Value, int]] = {}
        self._values: dict[str, tuple[Value, tuple[int, ...]]] = {}
        weights = Block.of(self._program.module).weights
        self._named = {var.name: name for var, name in zip(weights, self._program.parameters)}

    def run(
        self, name: str, inputs: Sequence[relax.Var], steps: list[Step], result: relax.Expr
    ) -> tuple[tuple[str, ...], int]:
        """Write the function; the arrays that it takes after its inputs, and the bytes of
        activations that its kernels read."""
        inputs = [relax.Var(var.name, var.ty) for var in inputs]
        self._plain = {var.name: var for var in inputs}
        with self.builder.function(name, attrs={"num_input": len(inputs)}):
            with self.builder.dataflow():
                for step in steps:
                    step.emit(self)
                result = self.builder.emit_output(self.on_plain(result))
            parameters = list(self._parameters.values())
            self.builder.emit_func_output(result, inputs + parameters)
        return tuple(self._parameters), self.read

    # what steps ask for

    def array(self, name: str) -> np.ndarray:
        return self._program.arrays[name]

    def shape(self, var) -> tuple[int, ...]:
        return tuple(int(n) for n in var.ty.shape)

    def place(self, value: Value) -> Flat:
        """Where the value lies in the tensor that `flat` gives."""
        place = self._layout.flat(value)
        if value.name not in self._parts:
            return place
        joint, first = self._parts[value.name]
        return replace(place, first=first, rows=joint.channels)

    def constant(self, name: str, array: np.ndarray):
        """A named array as a parameter of the function."""
        name = self._code.named(name, array)
        if name not in self._parameters:
            ty = relax.TensorType(array.shape, str(array.dtype))
            self._parameters[name] = relax.Var(re.sub(r"\W", "_", name), ty)
        return self._parameters[name]

    def stored(self, name: str) -> np.ndarray:
        """The array that became a constant by this name."""
        return self._code.arrays[name]

    def lies_in(self, name: str, array: np.ndarray) -> None:
        """An array by this name, if someone asks for it, is this part of one that is there."""
        self._code.arrays.setdefault(name, array)

    def constants(self, owner: str, arrays: Mapping[str, np.ndarray]) -> list:
        """A layer's arrays, in their order."""
        return [self.constant(f"{owner}.{name}", array) for name, array in arrays.items()]

    def mask(self, dest: Flat, lines: int, lanes: int):
        pitch = "x".join(map(str, (dest.frame.batch, *dest.frame.pitch)))
        size = "x".join(map(str, dest.size))
        name = f"mask.{size}.in.{pitch}.{lines}x{lanes}"
        return self.constant(name, pack.border_mask(dest, lines, lanes))

    def flat(self, value: Value):
        """The value as a flat activation or a part of one, converted on first demand."""
        self.read += FLOAT * value.channels * self._layout.flat(value).frame.row
        if value.name in self._parts:
            value, _ = self._parts[value.name]
        if value.name not in self._flat:
            self._flat[value.name] = self.convert(value, value, (1, 1, 1), EVERY_PIXEL)
        return self._flat[value.name]

    def whole(self, value: Value):
        """The value as a flat activation of its own."""
        if value.name not in self._parts:
            return self.flat(value)
        if value.name not in self._whole:
            dest, part = self._layout.flat(value), self.place(value)
            kernel = flat.from_flat(dest, part, (1, 1, 1), EVERY_PIXEL, self.target.vector)
            args = [self.flat(value)]
            self._whole[value.name] = self.kernel("from_flat", kernel, args, (dest.length,))
        return self._whole[value.name]

    def plain(self, var: str):
        """The variable as a plain tensor, converted on first demand."""
        if var in self._named:
            name = self._named[var]
            return self.constant(name, self._program.arrays[name])
        if var not in self._plain:
            value, shape = self._values[var]
            kernel = flat.to_plain(self.place(value), shape)
            self._plain[var] = self.kernel("to_plain", kernel, [self.flat(value)], shape)
        x = self._plain[var]
        if isinstance(x.ty, relax.TensorType):
            self.read += FLOAT * int(np.prod(self.shape(x)))
        return x

    def reshaped(self, tensor, shape: tuple[int, ...]):
        """The same numbers in the same memory."""
        if self.shape(tensor) == shape:
            return tensor
        return self.builder.emit(relax.op.reshape(tensor, shape))

    def convert(self, value: Value, to: Value, stride, phases):
        """`value` laid out as `to`: from its flat form if there is one, else from the plain
        tensor."""
        dest, lanes = self.place(to), self.target.vector
        if value.name in self._flat or value.name in self._parts:
            kernel = flat.from_flat(dest, self.place(value), stride, phases, lanes)
            return self.kernel("from_flat", kernel, [self.flat(value)], (dest.length,))
        kernel = flat.from_plain(dest, value.channels, value.size, stride, phases, lanes)
        length = value.batch * value.channels * int(np.prod(value.size))
        x = self.reshaped(self.plain(value.var), (length,))
        return self.kernel("from_plain", kernel, [x], (dest.length,))

    def layer_kernel(self, shape: GatherGemm | Winograd, dest: Flat, args: list):
        """A layer's kernel, still to be scheduled; layers of one shape share it."""
        if isinstance(shape, Winograd):
            function, lanes = winograd, dest.frame.image * dest.frame.batch
        else:
            function, lanes = gather_gemm, shape.lanes
        margins = Margins(dest.frame, dest.channels, lanes)
        return self._scheduled_later(
            (shape, margins), shape, lambda: margins.noted_on(function(shape)), args, (dest.length,)
        )

    def plain_kernel(self, shape, define, args: list, *results: tuple[int, ...]):
        """The same on plain tensors: what the kernel that `define` makes of a shape gives, a tensor
        or a tuple of them."""
        return self._scheduled_later(shape, shape, lambda: define(shape), args, *results)

    def kernel(self, name: str, function, args: list, shape: tuple[int, ...]):
        """The result, a tensor of `shape`, of a kernel that is fast as it is."""
        return self._call(self._code.add(function, name), args, shape)

    def on_plain(self, expr):
        """`expr` of the old function on the new one's plain tensors."""
        expr = substitute(expr, {var: self.plain(var.name) for var in variables(expr)})
        if not isinstance(expr, relax.Call):
            return expr
        args = [self._carried(a) if isinstance(a, tvm.ir.GlobalVar) else a for a in expr.args]
        return relax.Call(expr.op, args, expr.attrs, expr.ty_args)

    # what steps leave behind

    def set_flat(self, step, x) -> None:
        self._flat[step.result.name] = x
        self._values[step.output.name] = (step.result, self.shape(step.output))

    def set_part(self, step, joint: Value, first: int) -> None:
        """The step's result is the channels from `first` on of `joint`, which is there."""
        self._parts[step.result.name] = joint, first
        self._values[step.output.name] = (step.result, self.shape(step.output))

    def set_plain(self, var, x) -> None:
        self._plain[var.name] = x

    def _carried(self, function: tvm.ir.GlobalVar) -> tvm.ir.GlobalVar:
        """A kernel that the front end wrote, in the new module."""
        old = self._program.module[function]
        return self._code.kernel(function, lambda: old, function.name_hint)

    def _scheduled_later(self, key, shape, define: Callable, args: list, *results):
        kernel = self._code.kernel(key, lambda: define().with_attr(KERNEL, shape.kind), shape.kind)
        self._code.shapes[kernel.name_hint] = shape
        return self._call(kernel, args, *results)

    def _call(self, function, args: list, *shapes: tuple[int, ...]):
        results = [relax.TensorType(shape, "float32") for shape in shapes]
        out = results if len(results) > 1 else results[0]
        return self.builder.emit(relax.call_tir(function, args, out_ty=out))
