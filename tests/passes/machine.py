"""Programs to put through passes, and Relax's virtual machine to run them as they stand."""

import io
import warnings

import numpy as np
import onnx
import torch

from sparsetvm._tvm import relax, tvm
from sparsetvm.frontends.imported import Imported
from sparsetvm.passes.block import Block


def run(program: Imported, *inputs: np.ndarray) -> np.ndarray:
    module = relax.transform.BindParams("main", program.arrays)(program.module)
    quick = tvm.target.Target({"kind": "llvm", "opt-level": 0})  # compiles five times faster
    machine = relax.VirtualMachine(tvm.compile(module, quick), tvm.cpu())
    return machine["main"](*(tvm.runtime.tensor(x) for x in inputs)).numpy()


def with_random_weights(module: tvm.IRModule) -> Imported:
    """The module as a front end would hand it over; its weights are called as its parameters."""
    rng, block = np.random.default_rng(1), Block.of(module)
    arrays = {var.name: _random(var, rng) for var in block.weights}
    inputs = tuple((var.name, _shape(var), str(var.ty.dtype)) for var in block.inputs)
    return Imported(module, arrays, tuple(arrays), inputs, "a test")


def random_inputs(program: Imported) -> list[np.ndarray]:
    rng = np.random.default_rng(2)
    return [rng.standard_normal(shape).astype(dtype) for _, shape, dtype in program.inputs]


def to_onnx(module: torch.nn.Module, *inputs: torch.Tensor) -> onnx.ModelProto:
    file = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(module, inputs, file, dynamo=False, opset_version=13)
    return onnx.load_from_string(file.getvalue())


def _random(var: relax.Var, rng: np.random.Generator) -> np.ndarray:
    return rng.uniform(0.5, 1.5, _shape(var)).astype(str(var.ty.dtype))


def _shape(var: relax.Var) -> tuple[int, ...]:
    return tuple(int(n) for n in var.ty.shape)
