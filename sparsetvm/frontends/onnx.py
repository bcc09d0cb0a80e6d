"""From ONNX: constants are folded, Relax imports the graph, layers get their dotted names back."""

import contextlib
import io
import warnings
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from google.protobuf.message import DecodeError
from tvm import topi
from tvm.relax.frontend.onnx.onnx_frontend import ONNXGraphImporter

from .._tvm import relax, tvm
from ..errors import FileError, ModelError
from . import onnx_recurrent
from .imported import Imported, first_line, imported, unique_name
from .onnx_settle import settle

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
    values: Mapping[str, np.ndarray] | Sequence[np.ndarray | None] = (),
) -> Imported:
    """Import a file or a model in memory.

    By name or in order, `shapes` fixes inputs whose sizes the model leaves free, and `values` those
    that the net is imported for, as a sample rate by which it branches: they are inputs no more.
    """
    source = "ONNX model" if isinstance(model, onnx.ModelProto) else str(model)
    model = _checked(model, source)
    named = _inputs(model.graph)
    shapes, values = (
        dict(given if isinstance(given, Mapping) else zip(named, given, strict=False))
        for given in (shapes, values)
    )
    settle(model, shapes, {name: value for name, value in values.items() if value is not None})
    inputs = _inputs(model.graph)
    importer = _Importer()
    try:
        # the importer warns of every name it changes, and prints the operator that it fails at
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            module = importer.from_onnx(model.graph, _opset(model))
    except onnx_recurrent.Unsupported as err:
        raise ModelError(f"{source}: {err}; export the net without it") from err
    except tvm.error.OpNotImplemented as err:
        operators = str(err).strip().rpartition(": ")[2]
        raise ModelError(
            f"{source}: Relax cannot import the operator {operators}; export the net without it"
        ) from err
    except Exception as err:  # converters raise whatever they meet
        what = err if isinstance(err, _Failed) else f"graph ({first_line(err)})"
        raise ModelError(
            f"{source}: Relax cannot import its {what}; "
            "simplify the graph, or import the net from torch"
        ) from err
    dotted = _dotted_names(model.graph)
    names = {importer._nodes[name]: dotted[name] for name in dotted} | importer.recurrent_weights
    return imported(module, inputs, {}, names.get, source)


def _inputs(graph: onnx.GraphProto) -> tuple[str, ...]:
    initializers = {tensor.name for tensor in graph.initializer}
    return tuple(entry.name for entry in graph.input if entry.name not in initializers)


class _Failed(Exception):
    """An operator that TVM's converter gave up on, and why."""


class _Importer(ONNXGraphImporter):
    """TVM's own, which takes GRU and LSTM too; shapes stand in the graph."""

    def __init__(self):
        super().__init__({}, "float32")
        self.bb = _OperatorBuilder()
        self.recurrent_weights: dict[tvm.ir.GenericConst, str] = {}
        self._layers: Counter[str] = Counter()

    def _check_for_unsupported_ops(self, graph: onnx.GraphProto) -> None:
        others = (node for node in graph.node if node.op_type not in onnx_recurrent.CELLS)
        super()._check_for_unsupported_ops(onnx.GraphProto(node=others))

    def _convert_operator(
        self, op_name: str, inputs: list, attrs: dict[str, Any], opset: int
    ) -> relax.Expr:
        if op_name not in onnx_recurrent.CELLS:
            try:
                return super()._convert_operator(op_name, inputs, attrs, opset)
            except Exception as err:
                raise _Failed(f"{op_name} ({first_line(err)})") from err
        node = attrs["tvm_custom"]["name"]
        try:
            results, names = onnx_recurrent.convert(self.bb, op_name, inputs, attrs)
        except onnx_recurrent.Unsupported as err:
            raise onnx_recurrent.Unsupported(f"{node or 'a node'} is {op_name} with {err}") from err
        scope = _scope(node) or op_name.lower()
        layer = f"_l{self._layers[scope]}"
        self._layers[scope] += 1
        for weight, name in names.items():
            self.recurrent_weights[weight] = f"{scope}.{name.format(layer)}"
        return results


_PAD_MODES = {
    topi.nn.pad: "constant",
    topi.nn.mirror_pad: "reflect",
    topi.nn.replicate_pad: "replicate",
}
"""The kernels that TVM's importer writes for Pad, and how Relax's operator calls each."""


class _OperatorBuilder(relax.BlockBuilder):
    """The importer writes Clip and Pad as kernels; passes can only read operators."""

    def emit_te(self, func: Callable, *args: Any, **kwargs: Any) -> relax.Var:
        if func in _PAD_MODES:
            data, before, after, *value = args
            widths = [int(n) for pair in zip(before, after, strict=True) for n in pair]
            number = float(value[0]) if func is topi.nn.pad else 0.0
            return self.emit(relax.op.nn.pad(data, widths, _PAD_MODES[func], number))
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
