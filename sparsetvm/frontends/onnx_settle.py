"""An ONNX graph where all that follows from constants and sizes is computed, and If decided."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import onnx
from onnx import numpy_helper
from onnx.reference import ReferenceEvaluator

from ..ir.names import unique_name

MOST_SIZES = 64
"""An array of more numbers is a weight, and says no shape."""

Shapes = Mapping[str, tuple[int, ...]]
Values = Mapping[str, np.ndarray]


def settle(model: onnx.ModelProto, shapes: Shapes, values: Values) -> None:
    """Nodes that depend on nothing else become initializers, in place.

        x[1, 576], sr = 16000: If(sr == 16000) {Add(x, a)} else {..}  ->  Add(x, a)

    `shapes` fixes inputs whose sizes the model leaves free; inputs in `values` are inputs no more.
    """
    graph = model.graph
    kept = []
    for entry in graph.input:
        if entry.name in values:
            dtype = onnx.helper.tensor_dtype_to_np_dtype(entry.type.tensor_type.elem_type)
            value = np.asarray(values[entry.name], dtype)
            graph.initializer.append(numpy_helper.from_array(value, entry.name))
            continue
        if entry.name in shapes:
            _fix(entry, shapes[entry.name])
        kept.append(entry)
    _replace(graph.input, kept)
    walk = _Walk(model)
    _replace(graph.node, list(walk.settled(graph)))
    given = {tensor.name for tensor in graph.initializer}
    graph.initializer.extend(
        numpy_helper.from_array(np.asarray(value), name)
        for name, value in walk.known.items()
        if name and name not in given
    )


class _Walk:
    """Values and types by name, as far as they are known where the walk stands."""

    def __init__(self, model: onnx.ModelProto):
        self.opsets = {entry.domain: entry.version for entry in model.opset_import}
        self.known: dict[str, np.ndarray | None] = {"": None}
        self.types = {entry.name: entry.type for entry in model.graph.input}

    def settled(self, graph: onnx.GraphProto) -> Iterator[onnx.NodeProto]:
        """The nodes that are left of a graph; a branch of an If is inlined."""
        for tensor in graph.initializer:
            self._learn(tensor.name, numpy_helper.to_array(tensor))
        for node in graph.node:
            if node.op_type == "If" and node.input[0] in self.known:
                yield from self._branch(node)
                continue
            values = self._values(node)
            if values is None:
                self._infer_types(node)
                yield node
                continue
            for name, value in zip(node.output, values, strict=True):
                if name:
                    self._learn(name, np.asarray(value))

    def _learn(self, name: str, value: np.ndarray) -> None:
        self.known[name] = value
        kind = onnx.helper.np_dtype_to_tensor_dtype(value.dtype)
        self.types[name] = onnx.helper.make_tensor_type_proto(kind, value.shape)

    def _branch(self, node: onnx.NodeProto) -> Iterator[onnx.NodeProto]:
        condition = bool(np.all(self.known[node.input[0]]))
        name = "then_branch" if condition else "else_branch"
        (branch,) = (attr.g for attr in node.attribute if attr.name == name)
        branch = _renamed(branch, set(self.types) | set(self.known))
        results = [
            onnx.helper.make_node("Identity", [inner.name], [outer])
            for inner, outer in zip(branch.output, node.output, strict=True)
        ]
        branch.node.extend(results)
        yield from self.settled(branch)

    def _values(self, node: onnx.NodeProto) -> list[np.ndarray] | None:
        """What a node gives, where that depends on constants or sizes alone."""
        if node.op_type in ("Shape", "Size") and node.input[0] not in self.known:
            sizes = _sizes(self.types.get(node.input[0]))
            if sizes is None:
                return None
            known = {node.input[0]: np.broadcast_to(np.float32(0), sizes)}
        elif not all(name in self.known for name in node.input):
            return None
        else:
            known = self.known
        if node.op_type.startswith("Random"):
            return None
        inputs = [onnx.ValueInfoProto(name=name) for name in dict.fromkeys(node.input) if name]
        outputs = [onnx.ValueInfoProto(name=name) for name in node.output if name]
        graph = onnx.helper.make_graph([node], "constant", inputs, outputs)
        try:
            values = ReferenceEvaluator(graph, opsets=self.opsets).run(
                None, {entry.name: known[entry.name] for entry in inputs}
            )
        except Exception:  # what the reference cannot compute is left to Relax
            return None
        found = iter(values)
        return [next(found) if name else None for name in node.output]

    def _infer_types(self, node: onnx.NodeProto) -> None:
        """Learn the types of what a node gives, where ONNX can tell."""
        version = self.opsets.get(node.domain, 1)
        types = {name: self.types[name] for name in node.input if name in self.types}
        data = {
            name: numpy_helper.from_array(value)
            for name in node.input
            if (value := self.known.get(name)) is not None and value.size <= MOST_SIZES
        }
        try:
            schema = onnx.defs.get_schema(node.op_type, version, node.domain)
            self.types |= onnx.shape_inference.infer_node_outputs(
                schema, node, types, data, opset_imports=list(self._imports())
            )
        except Exception:  # an operator that ONNX does not know, or inputs of unknown types
            return

    def _imports(self) -> Iterator[onnx.OperatorSetIdProto]:
        for domain, version in self.opsets.items():
            yield onnx.helper.make_opsetid(domain, version)


def _replace(entries: Any, others: list) -> None:
    """Of a protobuf's repeated field; `others` may be some of its own."""
    copies = [type(entry)() for entry in others]
    for copy, entry in zip(copies, others, strict=True):
        copy.CopyFrom(entry)
    del entries[:]
    entries.extend(copies)


def _fix(entry: onnx.ValueInfoProto, shape: tuple[int, ...]) -> None:
    kind = entry.type.tensor_type.elem_type
    entry.type.CopyFrom(onnx.helper.make_tensor_type_proto(kind, shape))


def _sizes(type_: onnx.TypeProto | None) -> tuple[int, ...] | None:
    """The shape, where all of it is numbers."""
    if type_ is None or not type_.tensor_type.HasField("shape"):
        return None
    sizes = type_.tensor_type.shape.dim
    if not all(size.HasField("dim_value") for size in sizes):
        return None
    return tuple(size.dim_value for size in sizes)


def _renamed(graph: onnx.GraphProto, taken: set[str]) -> onnx.GraphProto:
    """A copy whose own names are free: two branches may use the same."""
    copy = onnx.GraphProto()
    copy.CopyFrom(graph)
    own = [tensor.name for tensor in copy.initializer]
    own += [name for node in copy.node for name in node.output if name]
    names = {name: unique_name(name, taken) for name in own if name in taken}
    if names:
        for tensor in copy.initializer:
            tensor.name = names.get(tensor.name, tensor.name)
        _rename_uses(copy, names)
    return copy


def _rename_uses(graph: onnx.GraphProto, names: Mapping[str, str]) -> None:
    for node in graph.node:
        node.input[:] = [names.get(name, name) for name in node.input]
        node.output[:] = [names.get(name, name) for name in node.output]
        for attribute in node.attribute:
            if attribute.HasField("g"):
                _rename_uses(attribute.g, names)
    for entry in graph.output:
        entry.name = names.get(entry.name, entry.name)
