"""The neutral graph: a net as a table of plain operators, which needs no TVM to be read.

It stands in a LayerIR of dialect "neutral", in place of TVM's own module, and comes from where that
TVM is another one than compiles it. Shapes are static; images are [batch, channels, *size].
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from ..errors import FileError, ModelError

FORMAT = "sparsetvm neutral graph"
VERSION = 1
DIALECT = "neutral"

OPERATORS: dict[str, tuple[str, ...]] = {
    "conv": ("stride", "padding", "dilation", "groups"),  # x, weight [filters, channels, *kernel]
    "linear": (),  # x [batch, features], weight [filters, features]
    "max_pool": ("kernel", "stride", "padding", "dilation", "ceil"),
    "avg_pool": ("kernel", "stride", "padding", "dilation", "ceil", "count_padding"),
    "adaptive_avg_pool": ("size",),
    "mean": ("axes", "keep"),
    **dict.fromkeys(("add", "subtract", "multiply", "divide", "maximum", "minimum"), ()),
    **dict.fromkeys(("exp", "negative", "relu", "sigmoid", "sqrt", "tanh"), ()),
    "clip": ("low", "high"),
    "softmax": ("axis",),
    "concat": ("axis",),
    "pad": ("before", "after", "value"),
    "reshape": (),  # to the node's shape
    "transpose": ("axes",),
}
"""Each operator and its attributes. Spatial ones have a number for each axis; `padding` has those
before each axis, then those after. Two operands of one operator broadcast as in numpy."""


@dataclass(frozen=True)
class Node:
    """`name` = op(*inputs), of `shape`; an input is a node, an input of the graph, or an array."""

    name: str
    op: str
    inputs: tuple[str, ...]
    attrs: dict[str, Any]
    shape: tuple[int, ...]


@dataclass(frozen=True)
class Graph:
    """Nodes in an order in which they can be computed, and those whose values come out."""

    nodes: tuple[Node, ...]
    outputs: tuple[str, ...]

    def to_json(self) -> str:
        """The text that `from_json` reads, a node a line."""
        nodes = ",\n".join(f"  {json.dumps(asdict(node))}" for node in self.nodes)
        head = {"format": FORMAT, "version": VERSION, "outputs": list(self.outputs)}
        return f'{json.dumps(head)[:-1]}, "nodes": [\n{nodes}\n]}}\n'

    @classmethod
    def from_json(cls, text: str) -> "Graph":
        try:
            table = json.loads(text)
            form, version = table["format"], table["version"]
        except (ValueError, TypeError, KeyError) as err:
            raise FileError("this is no neutral graph; export the model again") from err
        if (form, version) != (FORMAT, VERSION):
            raise FileError(
                f"the graph is {form} {version}; this SparseTVM reads {FORMAT} {VERSION}\n"
                f"  export the model again, or use the SparseTVM that wrote it"
            )
        nodes = tuple(_node(entry) for entry in table["nodes"])
        return cls(nodes, tuple(table["outputs"]))


def check(graph: Graph, known: Mapping[str, Any]) -> None:
    """Raise ModelError for an unknown operator, attribute or input; `known` are inputs and
    arrays."""
    seen = set(known)
    for node in graph.nodes:
        if node.op not in OPERATORS:
            raise ModelError(f"{node.name}: operator {node.op!r} is none of the neutral graph's")
        if set(node.attrs) != set(OPERATORS[node.op]):
            raise ModelError(
                f"{node.name}: {node.op} has {', '.join(OPERATORS[node.op]) or 'none'}"
            )
        for name in node.inputs:
            if name not in seen:
                raise ModelError(f"{node.name} reads {name}, which is not computed before")
        seen.add(node.name)
    for name in graph.outputs:
        if name not in seen:
            raise ModelError(f"output {name} is computed nowhere")


def _node(entry: Mapping[str, Any]) -> Node:
    return Node(**{**entry, "inputs": tuple(entry["inputs"]), "shape": tuple(entry["shape"])})
