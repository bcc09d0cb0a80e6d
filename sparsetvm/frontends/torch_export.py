"""From torch: torch.export traces a module, Relax imports the graph, weights keep their names."""

import re
import warnings
from typing import Any

import numpy as np
import torch
from torch.export import ExportedProgram
from torch.export.graph_signature import InputKind
from tvm.relax.frontend.torch import from_exported_program

from .._tvm import relax
from ..errors import ModelError
from .imported import Imported, first_line, imported, unique_name
from .torch_recurrent import CONVERTERS

KEPT_WHOLE = (
    torch.ops.aten.linear.default,
    torch.ops.aten.hardswish.default,
    torch.ops.aten.silu.default,
    torch.ops.aten.gru.input,
    torch.ops.aten.lstm.input,
    torch.ops.aten.gru_cell.default,
    torch.ops.aten.lstm_cell.default,
)
"""Operators that Relax imports better as they are; all others are decomposed first."""


def from_torch(module: torch.nn.Module | ExportedProgram, example_inputs: Any = None) -> Imported:
    """Import a module as it computes in eval mode, for inputs of the example's shapes.

    `example_inputs` is a tensor or a tuple of them; an ExportedProgram has its own.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch and TVM deprecate parts of themselves here
        if isinstance(module, ExportedProgram):
            return _from_program(module, "torch ExportedProgram")
        source = f"torch {type(module).__name__}"
        return _from_program(_export(module, example_inputs, source), source)


def _export(module: torch.nn.Module, example_inputs: Any, source: str) -> ExportedProgram:
    if example_inputs is None:
        raise ModelError(f"{source}: give example inputs, a tensor of the shape it will be run on")
    if isinstance(example_inputs, torch.Tensor):
        example_inputs = (example_inputs,)
    modes = {part: part.training for part in module.modules()}
    module.eval()
    try:
        return torch.export.export(module, tuple(example_inputs))
    except Exception as err:  # torch.export raises whatever the module meets
        raise ModelError(
            f"{source}: torch.export cannot trace it ({first_line(err)}); "
            "try torch.export.export(module, inputs) alone, and pass what it returns"
        ) from err
    finally:
        for part, training in modes.items():
            part.training = training


def _from_program(program: ExportedProgram, source: str) -> Imported:
    _check_dtypes(program, source)
    decompositions = torch.export.default_decompositions()
    for operator in KEPT_WHOLE:
        decompositions.pop(operator, None)
    program = program.run_decompositions(decompositions)
    _call_buffers_parameters(program)
    try:
        module = from_exported_program(
            program,
            keep_params_as_input=True,
            unwrap_unit_return_tuple=True,
            run_ep_decomposition=False,
            custom_convert_map=CONVERTERS,
        )
    except Exception as err:  # TVM asserts, or raises what it meets
        raise ModelError(
            f"{source}: Relax cannot import it ({first_line(err)}); "
            "replace that operator by others, or import the net from ONNX"
        ) from err
    module, values = relax.frontend.detach_params(module)
    targets = {spec.arg.name: spec.target for spec in program.graph_signature.input_specs}
    params = [var.name for var in module["main"].params]
    inputs = tuple(params[: len(params) - len(values["main"])])
    weights: dict[str, np.ndarray] = {}
    for param, value in zip(params[len(inputs) :], values["main"], strict=True):
        weights[unique_name(_plain(targets[param]), set(weights))] = value.numpy()
    return imported(module, inputs, weights, lambda const: None, source)


def _check_dtypes(program: ExportedProgram, source: str) -> None:
    """TVM's importer takes convolutions of float32 alone, and says so in a roundabout way."""
    for name, tensor in program.state_dict.items():
        if tensor.is_floating_point() and tensor.ndim > 1 and tensor.dtype != torch.float32:
            dtype = str(tensor.dtype).removeprefix("torch.")
            raise ModelError(
                f"{source}: {name} is {dtype}, and nets are compiled in float32; "
                "convert it first, with example inputs alike: model.float()"
            )


def _call_buffers_parameters(program: ExportedProgram) -> None:
    """Relax keeps names of parameters only, and in eval mode buffers are as constant as they."""
    for spec in program.graph_signature.input_specs:
        if spec.kind is InputKind.BUFFER and spec.target in program.state_dict:
            spec.kind = InputKind.PARAMETER


def _plain(target: str) -> str:
    """The name that a pruned or parametrized weight would have otherwise.

    conv.weight_orig, conv.parametrizations.weight.original  ->  conv.weight
    """
    target = re.sub(r"parametrizations\.(\w+)\.original$", r"\1", target)
    return target.removesuffix("_orig")
