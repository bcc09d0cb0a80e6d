"""Nets of layers side by side, each with an input of its own: many kernels in one compilation."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from sparsetvm._tvm import relax, tvm
from sparsetvm.frontends.imported import Imported
from sparsetvm.ir import Layer, reference
from sparsetvm.passes.form import Form, forms_of
from sparsetvm.passes.mark import layers_of
from sparsetvm.passes.pipeline import to_code, to_layers
from sparsetvm.passes.schedule import TraceOf
from sparsetvm.sparsity import Plan, Structure
from sparsetvm.targets.target import Target
from tests.examples import pruned_weight

ACTIVATIONS = {
    "relu": relax.op.nn.relu,
    "relu6": lambda x: relax.op.clip(x, 0, 6),
    "sigmoid": relax.op.sigmoid,
    "silu": relax.op.nn.silu,
    "hardswish": lambda x: x * relax.op.clip(x + relax.const(3.0), 0, 6) / relax.const(6.0),
}


@dataclass(frozen=True)
class Case:
    """One layer: x [batch, channels, *size] (or [..., features]) and how it is convolved."""

    x: tuple[int, ...]
    filters: int
    kernel: tuple[int, ...] = ()
    stride: int | tuple[int, ...] = 1
    padding: int | tuple[int, ...] = 0
    dilation: int | tuple[int, ...] = 1
    epilogue: tuple[str, ...] = ("bias",)

    def __str__(self) -> str:
        if not self.kernel:
            return f"linear {self.x}->{self.filters} {'+'.join(self.epilogue)}"
        kernel = "x".join(map(str, self.kernel))
        return (
            f"{self.x}->{self.filters} k{kernel} s{self.stride} p{self.padding} d{self.dilation} "
            + "+".join(self.epilogue)
        )

    @property
    def weight_shape(self) -> tuple[int, ...]:
        channels = self.x[1] if self.kernel else self.x[-1]
        return (self.filters, channels, *self.kernel)


@dataclass(frozen=True)
class Result:
    """What one layer's kernel gave and what the reference says."""

    layer: Layer
    y: np.ndarray
    truth: np.ndarray

    @property
    def error(self) -> float:
        """The largest difference, relative to the largest value."""
        return float(np.abs(self.y - self.truth).max() / np.abs(self.truth).max())


def program_of(
    cases: list[Case], structure: Structure, rng: np.random.Generator
) -> tuple[Imported, tuple[Layer, ...]]:
    """All cases side by side in one net with weights of `structure`, its layers l0, l1, ..."""
    builder = relax.BlockBuilder()
    inputs, weights, arrays, outputs = [], [], {}, []
    for i, case in enumerate(cases):
        inputs.append(relax.Var(f"x{i}", relax.TensorType(case.x, "float32")))
        arrays[f"l{i}.weight"] = pruned_weight(structure, case.weight_shape, rng)
        arrays[f"l{i}.bias"] = rng.standard_normal(case.filters).astype(np.float32)
    weights = [relax.Var(n, relax.TensorType(a.shape, "float32")) for n, a in arrays.items()]
    residuals = {}
    with builder.function("main"):
        with builder.dataflow():
            for i, case in enumerate(cases):
                y = _layer(builder, case, inputs[i], *weights[2 * i : 2 * i + 2])
                if "add" in case.epilogue:
                    shape = [int(n) for n in y.ty.shape]
                    residuals[i] = relax.Var(f"r{i}", relax.TensorType(shape, "float32"))
                    y = builder.emit(relax.op.add(y, residuals[i]))
                if case.epilogue and case.epilogue[-1] in ACTIVATIONS:
                    y = builder.normalize(ACTIVATIONS[case.epilogue[-1]](y))
                    y = builder.emit(y)
                outputs.append(y)
            result = builder.emit_output(relax.Tuple(outputs))
        all_inputs = inputs + list(residuals.values())
        builder.emit_func_output(result, all_inputs + weights)
    main = builder.get()["main"].with_attr("num_input", len(all_inputs))
    module = tvm.IRModule({"main": main})
    specs = tuple((v.name, tuple(int(n) for n in v.ty.shape), "float32") for v in all_inputs)
    program = to_layers(Imported(module, arrays, tuple(arrays), specs, "cases"))
    layers, _ = layers_of(program, Plan(default=structure))
    assert len(layers) == len(cases)
    return program, layers


def run_here(code: Imported, target: Target, arguments: list[np.ndarray]) -> list[np.ndarray]:
    """The outputs of a program of kernels, compiled for this CPU."""
    executable = tvm.compile(code.module, target=tvm.target.Target(dict(target.tvm)))
    machine = relax.VirtualMachine(executable, tvm.cpu())
    found = machine["main"](*(tvm.runtime.tensor(array) for array in arguments))
    return [found[i].numpy() for i in range(len(found))]


def run_cases(
    cases: list[Case],
    structure: Structure,
    target: Target,
    rng: np.random.Generator,
    form_of: Callable[[Layer], Form] = lambda layer: forms_of(layer)[0],
    run: Callable[[Imported, Target, list[np.ndarray]], list[np.ndarray]] = run_here,
    trace_of: TraceOf = lambda function: None,
) -> list[Result]:
    """Lower all cases as one net with weights of `structure`, run it, and each by the
    reference."""
    program, layers = program_of(cases, structure, rng)
    forms = {layer.name: form_of(layer) for layer in layers}
    code = to_code(program, layers, target, forms, trace_of)
    data = {
        name: rng.standard_normal(shape).astype(np.float32) for name, shape, _ in program.inputs
    }
    arguments = [*data.values(), *(code.arrays[name] for name in code.parameters)]
    found = run(code, target, arguments)
    by_name = {layer.name: layer for layer in layers}
    return [_result(by_name[f"l{i}"], found[i], i, data, program.arrays) for i in range(len(cases))]


def _result(layer: Layer, y: np.ndarray, i: int, data: dict, arrays: dict) -> Result:
    bias = None if layer.bias is None else arrays[layer.bias]
    truth = reference.run(layer, data[f"x{i}"], arrays[layer.weight], bias, data.get(f"r{i}"))
    return Result(layer, y, truth)


def _layer(builder, case: Case, x, weight, bias):
    if not case.kernel:
        y = relax.op.matmul(x, relax.op.permute_dims(weight))
        shape = (-1,)
    else:
        rank = len(case.kernel)
        convolve = getattr(relax.op.nn, f"conv{rank}d")
        sides = _each(case.padding, rank)
        y = convolve(
            x,
            weight,
            strides=_each(case.stride, rank),
            padding=sides if len(sides) == 2 * rank else sides * 2,
            dilation=_each(case.dilation, rank),
        )
        shape = (1, case.filters) + (1,) * rank
    y = builder.emit(builder.normalize(y))
    if "bias" in case.epilogue:
        y = builder.emit(relax.op.add(y, relax.op.reshape(bias, shape)))
    return y


def _each(value: int | tuple[int, ...], rank: int) -> list[int]:
    return [value] * rank if isinstance(value, int) else list(value)
