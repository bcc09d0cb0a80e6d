"""From ONNX: constants are folded, Relax imports the graph, layers get their dotted names back."""

import contextlib
import io
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from google.protobuf.message import DecodeError
from onnx import numpy_helper
from onnx.reference import ReferenceEvaluator
from tvm import topi
from tvm.relax.frontend.onnx.onnx_frontend import ONNXGraphImporter

from .._tvm import relax, tvm
from ..errors import FileError, ModelError
from .imported import Imported, first_line, imported, unique_name

ROLES = {
    "Conv": ("weight", "bias"),
    "ConvTranspose": ("weight", "bias"),
    "Gemm": ("weight", "bias"),
    "MatMul": ("weight",),
    "BatchNormalization": ("weight", "bias", "running_mean", "running_var"),
}
"""What the inputs of an operator after its first are called in torch."""


def from_onnx(
    model: str | Path | onnx.ModelProto,
    shapes: Mapping[str, tuple[int, ...]] | Sequence[tuple[int, ...]] = (),
) -> Imported:
    """Import a file or a model in memory.

    `shapes`, by name or in order, fixes inputs whose sizes the model leaves free.
    """
    source = "ONNX model" if isinstance(model, onnx.ModelProto) else str(model)
    model = _checked(model, source)
    _fold_constants(model.graph, {entry.domain: entry.version for entry in model.opset_import})
    initializers = {tensor.name for tensor in model.graph.initializer}
    inputs = tuple(entry.name for entry in model.graph.input if entry.name not in initializers)
    if not isinstance(shapes, Mapping):
        shapes = dict(zip(inputs, shapes, strict=False))
    importer = ONNXGraphImporter(dict(shapes), "float32")
    importer.bb = _OperatorBuilder()
    try:
        # the importer warns of every name it changes, and prints the operator that it fails at
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            module = importer.from_onnx(model.graph, _opset(model))
    except tvm.error.OpNotImplemented as err:
        operators = str(err).strip().rpartition(": ")[2]
        raise ModelError(
            f"{source}: Relax cannot import the operator {operators}; export the net without it"
        ) from err
    except Exception as err:  # converters raise whatever they meet
        raise ModelError(
            f"{source}: Relax cannot import it ({first_line(err)}); "
            "simplify the graph, or import the net from torch"
        ) from err
    names = {importer._nodes[name]: dotted for name, dotted in _dotted_names(model.graph).items()}
    return imported(module, inputs, {}, names.get, source)


class _OperatorBuilder(relax.BlockBuilder):
    """The importer writes Clip and Pad as kernels; passes can only read operators."""

    def emit_te(self, func: Callable, *args: Any, **kwargs: Any) -> relax.Var:
        if func is topi.nn.pad:
            data, before, after, value = args
            widths = [int(n) for pair in zip(before, after, strict=True) for n in pair]
            return self.emit(relax.op.nn.pad(data, widths, pad_value=float(value)))
        if func in (topi.maximum, topi.minimum):
            operator = relax.op.maximum if func is topi.maximum else relax.op.minimum
            x, bound = args
            if not isinstance(bound, relax.Expr):
                bound = relax.const(bound, str(x.ty.dtype))
            return self.emit(operator(x, bound))
        return super().emit_te(func, *args, **kwargs)


def _checked(model: str | Path | onnx.ModelProto, source: str) -> onnx.ModelProto:
    """A model of our own that ONNX's checker accepts."""
    try:
        if isinstance(model, onnx.ModelProto):
            given, model = model, onnx.ModelProto()
            model.CopyFrom(given)
        else:
            model = onnx.load(model)
        onnx.checker.check_model(model)
    except OSError as err:
        raise FileError(
            f"{source}: cannot be read ({err.strerror}); give the path of an ONNX file"
        ) from err
    except (DecodeError, onnx.checker.ValidationError, ValueError) as err:
        raise ModelError(
            f"{source}: not an ONNX model, or a truncated one ({first_line(err)}); export it again"
        ) from err
    return model


def _opset(model: onnx.ModelProto) -> int:
    own = (entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx"))
    return next(own, 1)


def _fold_constants(graph: onnx.GraphProto, opsets: dict[str, int]) -> None:
    """Nodes that depend on initializers alone become initializers, in place."""
    known = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    known[""] = None
    kept = []
    for node in graph.node:
        outputs = _value_of(node, known, opsets)
        if outputs is None:
            kept.append(node)
            continue
        known.update(outputs)
        graph.initializer.extend(
            numpy_helper.from_array(np.asarray(value), name) for name, value in outputs.items()
        )
    del graph.node[:]
    graph.node.extend(kept)


def _value_of(
    node: onnx.NodeProto, known: dict[str, np.ndarray | None], opsets: dict[str, int]
) -> dict[str, np.ndarray] | None:
    if not all(name in known for name in node.input) or node.op_type.startswith("Random"):
        return None
    inputs = [onnx.ValueInfoProto(name=name) for name in dict.fromkeys(node.input) if name]
    outputs = [onnx.ValueInfoProto(name=name) for name in node.output if name]
    graph = onnx.helper.make_graph([node], "constant", inputs, outputs)
    try:
        values = ReferenceEvaluator(graph, opsets=opsets).run(
            None, {entry.name: known[entry.name] for entry in inputs}
        )
    except Exception:  # what the reference cannot compute is left to Relax
        return None
    return dict(zip((entry.name for entry in outputs), values, strict=True))


def _dotted_names(graph: onnx.GraphProto) -> dict[str, str]:
    """The initializers that have a name, theirs or their module's.

    onnx::Conv_83, read as weight by /features/features.0/Conv  ->  features.0.weight
    """
    initializers = {tensor.name for tensor in graph.initializer}
    names = {name: name for name in initializers if not name.startswith(("/", "onnx::"))}
    taken = set(names)
    for node in graph.node:
        scope = _scope(node.name)
        for name, role in zip(node.input[1:], ROLES.get(node.op_type, ()), strict=False):
            if scope and name in initializers and not names.get(name, "").endswith(f".{role}"):
                taken.discard(names.get(name, ""))
                names[name] = unique_name(f"{scope}.{role}", taken)
                taken.add(names[name])
    return names


def _scope(node: str) -> str:
    """The dotted module that a node stands in: /layer1/layer1.0/conv1/Conv -> layer1.0.conv1."""
    scopes: list[str] = []
    for part in node.strip("/").split("/")[:-1]:
        if scopes and part.startswith(scopes[-1] + "."):
            scopes.pop()  # torch repeats a sequence's name in its items: layer1, layer1.0
        scopes.append(part)
    return ".".join(scopes)
