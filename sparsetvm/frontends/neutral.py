"""From the neutral graph, which another TVM's side wrote: every operator becomes Relax's."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from .._tvm import relax
from ..ir.neutral import Graph, Node, check
from .imported import Imported, imported

Inputs = Sequence[tuple[str, tuple[int, ...], str]]


def from_neutral(
    graph: Graph, arrays: Mapping[str, np.ndarray], inputs: Inputs, source: str
) -> Imported:
    """Import a graph whose `inputs` are (name, shape, dtype); weights keep their names."""
    check(graph, {**arrays, **{name: None for name, *_ in inputs}})
    builder = relax.BlockBuilder()
    constants = {name: relax.const(array) for name, array in arrays.items()}
    variables = {name: relax.Var(name, relax.TensorType(*type_)) for name, *type_ in inputs}
    values = {**constants, **variables}
    with builder.function("main", list(variables.values())):
        with builder.dataflow():
            for node in graph.nodes:
                args = [values[name] for name in node.inputs]
                values[node.name] = builder.emit(_call(node, args))
            outputs = [values[name] for name in graph.outputs]
            result = outputs[0] if len(outputs) == 1 else relax.Tuple(outputs)
            result = builder.emit_output(result)
        builder.emit_func_output(result)
    names = {const: name for name, const in constants.items()}
    return imported(builder.get(), tuple(variables), {}, names.get, source)


def _call(node: Node, args: list[relax.Expr]) -> relax.Expr:
    if node.op in _OPERATORS:
        return _OPERATORS[node.op](node, *args)
    return getattr(relax.op, node.op)(*args)


def _by_rank(name: str, attrs: Callable[[dict[str, Any]], dict[str, Any]]) -> Callable:
    """Relax has an operator for each number of spatial axes: nn.conv2d."""

    def build(node: Node, x: relax.Expr, *others: relax.Expr) -> relax.Expr:
        operator = getattr(relax.op.nn, f"{name}{len(node.shape) - 2}d")
        return operator(x, *others, **attrs(node.attrs))

    return build


def _conv(attrs: dict[str, Any]) -> dict[str, Any]:
    same = {key: attrs[key] for key in ("padding", "dilation", "groups")}
    return {"strides": attrs["stride"], **same}


def _pool(attrs: dict[str, Any]) -> dict[str, Any]:
    return {
        "pool_size": attrs["kernel"],
        "strides": attrs["stride"],
        "padding": attrs["padding"],
        "dilation": attrs["dilation"],
        "ceil_mode": attrs["ceil"],
        "count_include_pad": attrs.get("count_padding", False),
    }


def _pad(node: Node, x: relax.Expr) -> relax.Expr:
    pairs = zip(node.attrs["before"], node.attrs["after"], strict=True)
    return relax.op.nn.pad(x, [n for pair in pairs for n in pair], pad_value=node.attrs["value"])


_OPERATORS: dict[str, Callable[..., relax.Expr]] = {
    "conv": _by_rank("conv", _conv),
    "linear": lambda node, x, weight: relax.op.matmul(x, relax.op.permute_dims(weight)),
    "max_pool": _by_rank("max_pool", _pool),
    "avg_pool": _by_rank("avg_pool", _pool),
    "adaptive_avg_pool": _by_rank("adaptive_avg_pool", lambda a: {"output_size": a["size"]}),
    "mean": lambda node, x: relax.op.mean(x, node.attrs["axes"], node.attrs["keep"]),
    "relu": lambda node, x: relax.op.nn.relu(x),
    "clip": lambda node, x: relax.op.clip(x, node.attrs["low"], node.attrs["high"]),
    "softmax": lambda node, x: relax.op.nn.softmax(x, node.attrs["axis"]),
    "concat": lambda node, *parts: relax.op.concat(list(parts), node.attrs["axis"]),
    "pad": _pad,
    "reshape": lambda node, x: relax.op.reshape(x, node.shape),
    "transpose": lambda node, x: relax.op.permute_dims(x, node.attrs["axes"]),
}
"""Those whose Relax call is not simply relax.op.<name>(*inputs)."""
