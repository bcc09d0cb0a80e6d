"""From torch: torch.export traces a module, Relax imports the graph, weights keep their names."""

import operator
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

BATCH_NORM = torch.ops.aten.batch_norm.default

SIMPLE = {
    BATCH_NORM,
    operator.getitem,
    torch.ops.aten.adaptive_avg_pool2d.default,
    torch.ops.aten.add.Tensor,
    torch.ops.aten.conv1d.default,
    torch.ops.aten.conv2d.default,
    torch.ops.aten.conv3d.default,
    torch.ops.aten.flatten.using_ints,
    torch.ops.aten.linear.default,
    torch.ops.aten.max_pool2d.default,
    torch.ops.aten.relu.default,
}
"""What torch decomposes, if at all, into one operator. It takes the square of a net's depth for
that, minutes for 600 layers, so a net of these alone is spared it."""


def from_torch(module: torch.nn.Module | ExportedProgram, example_inputs: Any = None) -> Imported:
    """Import a module as it computes in eval mode, for inputs of the example's shapes.

    `example_inputs` is a tensor, torch's or numpy's, or a tuple of them; an ExportedProgram has its
    own.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch and TVM deprecate parts of themselves here
        if isinstance(module, ExportedProgram):
            source, program = "torch ExportedProgram", module
            is_simple = False  # the graph is the user's own
        else:
            source = f"torch {type(module).__name__}"
            program = _export(module, example_inputs, source)
            is_simple = _is_simple(program)
        _check_dtypes(program, source)
        program = _split_batch_norms(program) if is_simple else _decompose(program)
        return _from_program(program, source)


def _export(module: torch.nn.Module, example_inputs: Any, source: str) -> ExportedProgram:
    if example_inputs is None:
        raise ModelError(f"{source}: give example inputs, a tensor of the shape it will be run on")
    if isinstance(example_inputs, torch.Tensor | np.ndarray):
        example_inputs = (example_inputs,)
    inputs = tuple(torch.from_numpy(x) if isinstance(x, np.ndarray) else x for x in example_inputs)
    modes = {part: part.training for part in module.modules()}
    module.eval()
    try:
        return torch.export.export(module, inputs)
    except Exception as err:  # torch.export raises whatever the module meets
        raise ModelError(
            f"{source}: torch.export cannot trace it ({first_line(err)}); "
            "try torch.export.export(module, inputs) alone, and pass what it returns"
        ) from err
    finally:
        for part, training in modes.items():
            part.training = training


def _from_program(program: ExportedProgram, source: str) -> Imported:
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
        weights[unique_name(_plain(targets[param]), weights)] = value.numpy()
    return imported(module, inputs, weights, lambda const: None, source)


def _decompose(program: ExportedProgram) -> ExportedProgram:
    decompositions = torch.export.default_decompositions()
    for whole in KEPT_WHOLE:
        decompositions.pop(whole, None)
    return program.run_decompositions(decompositions)


def _is_simple(program: ExportedProgram) -> bool:
    calls = [node for node in program.graph.nodes if node.op == "call_function"]
    is_training = any(node.args[5] for node in calls if node.target is BATCH_NORM)
    return not is_training and {node.target for node in calls} <= SIMPLE


def _split_batch_norms(program: ExportedProgram) -> ExportedProgram:
    """batch_norm(x, ..., training=False)  ->  _native_batch_norm_legit_no_training(x, ...)[0]"""
    graph = program.graph
    for node in [node for node in graph.nodes if node.target is BATCH_NORM]:
        *operands, _training, momentum, epsilon, _cudnn = node.args
        with graph.inserting_before(node):
            whole = graph.call_function(
                torch.ops.aten._native_batch_norm_legit_no_training.default,
                (*operands, momentum, epsilon),
            )
            first = graph.call_function(operator.getitem, (whole, 0))
        whole.meta, first.meta = {**node.meta, "val": (node.meta["val"],)}, node.meta
        node.replace_all_uses_with(first)
        graph.erase_node(node)
    return program


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
