"""The way out of Relay: a LayerIR with a neutral graph, which the newer TVM's side compiles."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from ..._tvm import relay, tvm
from ...errors import ModelError
from ...ir.layer import DenseOp, Layer, LayerIR
from ...ir.names import unique_name
from ...ir.neutral import DIALECT, Graph, Node
from ...ir.verify import verify
from ...sparsity import Dense, Plan, Structure
from . import gather_gemm
from .canonicalise import Canonicalise
from .layer import (
    KIND_OF,
    numbers,
    operator_name,
    read_layer,
    shape_of,
    sides,
    wrong_layout,
)
from .mark import MarkSparsity, marked
from .names import layer_names


def export(
    module: tvm.IRModule,
    params: Mapping[str, tvm.nd.NDArray] | None = None,
    plan: Plan | None = None,
    source: str = "Relay module",
) -> LayerIR:
    """`module`, before our passes or after MarkSparsity, as the newer TVM's side takes it.

    `params` and `plan` are as `pipeline` takes them.
    """
    module = relay.transform.InferType()(module)
    _check_shapes(module["main"], source)
    if not _is_marked(module["main"]):
        module = MarkSparsity(plan)(Canonicalise(params)(module))
    module = relay.transform.InferType()(module)
    writer = _Writer(layer_names(module["main"]))
    outputs = writer.outputs(module["main"].body)
    ir = LayerIR(
        layers=tuple(writer.layers),
        dense_ops=tuple(writer.dense_ops),
        arrays=writer.arrays,
        graph=Graph(tuple(writer.nodes), outputs).to_json(),
        dialect=DIALECT,
        inputs=tuple(
            (var.name_hint, shape_of(var), var.checked_type.dtype) for var in module["main"].params
        ),
        outputs=_types(module["main"].body),
        source=source,
    )
    verify(ir)
    return ir


@dataclass
class _Writer:
    """The graph under construction: what each expression is called, and what was written of it."""

    names: dict[relay.Call, str]
    nodes: list[Node] = field(default_factory=list)
    arrays: dict[str, np.ndarray] = field(default_factory=dict)
    layers: list[Layer] = field(default_factory=list)
    dense_ops: list[DenseOp] = field(default_factory=list)
    _known: dict[relay.Expr, str] = field(default_factory=dict)

    def outputs(self, body: relay.Expr) -> tuple[str, ...]:
        fields = body.fields if isinstance(body, relay.Tuple) else [body]
        return tuple(self.value(expr) for expr in fields)

    def value(self, expr: relay.Expr, called: str = "constant") -> str:
        """The name of what `expr` computes; a constant is `called` so, or numbered after it."""
        if expr not in self._known:
            self._known[expr] = self._write(expr, called)
        return self._known[expr]

    def _write(self, expr: relay.Expr, called: str) -> str:
        if isinstance(expr, relay.Var):
            return expr.name_hint
        if isinstance(expr, relay.Constant):
            name = unique_name(called, set(self.arrays))
            self.arrays[name] = np.array(expr.data.numpy())
            return name
        if not isinstance(expr, relay.Call):
            raise ModelError(
                f"a {type(expr).__name__} has no place in the neutral graph; "
                "simplify the net until it is calls of operators alone"
            )
        found = marked(expr)
        call = expr if found is None else expr.op.body
        if operator_name(call) in KIND_OF:
            return self._layer(expr, call, Dense() if found is None else found.layer.structure)
        name = operator_name(call)
        if name not in _OPERATORS:
            raise ModelError(_unknown(name or "a call of a function"))
        op, attrs = _OPERATORS[name](call)
        args = call.args[0].fields if isinstance(call.args[0], relay.Tuple) else call.args
        if op == "pad":
            args = args[:1]  # its value is an attribute
        return self._node(op, [self.value(arg, self._bias(args)) for arg in args], attrs, call)

    def _layer(self, expr: relay.Call, call: relay.Call, structure: Structure) -> str:
        """A convolution or dense call, `expr` itself or what a marked one holds."""
        name, weight = self.names[call], expr.args[1]
        if not isinstance(weight, relay.Constant):
            raise ModelError(
                f"{name}: its weight is no constant; give the net's parameters (--params)"
            )
        if reason := wrong_layout(call):
            raise ModelError(f"{name} cannot be exported: {reason}")
        array = np.array(weight.data.numpy())
        inputs = [self.value(expr.args[0]), self.value(weight, f"{name}.weight")]
        record = replace(read_layer(call, array, name, structure), weight=inputs[1])
        groups = 1 if record.kind == "linear" else int(call.attrs.groups)
        if groups == 1 or record.is_depthwise:
            self.layers.append(record)
        else:
            self.dense_ops.append(DenseOp(name, call.op.name, f"{groups} groups"))
        attrs = {}
        if record.kind != "linear":
            before, after = zip(*record.padding, strict=True)
            attrs = {
                "stride": record.stride,
                "padding": before + after,
                "dilation": record.dilation,
                "groups": groups,
            }
        return self._node("linear" if record.kind == "linear" else "conv", inputs, attrs, call)

    def _node(self, op: str, inputs: list[str], attrs: dict, call: relay.Call) -> str:
        name = f"%{len(self.nodes)}"
        self.nodes.append(Node(name, op, tuple(inputs), attrs, shape_of(call)))
        return name

    def _bias(self, args: Sequence[relay.Expr]) -> str:
        """What a constant among `args` is called: after the layer that it is added to."""
        for arg in args:
            found = marked(arg) if isinstance(arg, relay.Call) else None
            call = arg if found is None else arg.op.body
            if call in self.names:
                return f"{self.names[call]}.bias"
        return "constant"


def _check_shapes(main: relay.Function, source: str) -> None:
    for var in main.params:
        if not all(isinstance(n, tvm.tir.IntImm) for n in var.checked_type.shape):
            shape = ", ".join(map(str, var.checked_type.shape))
            raise ModelError(
                f"{source}: {var.name_hint} has the dynamic shape ({shape}); "
                "import the net for inputs of one fixed shape"
            )


def _is_marked(main: relay.Function) -> bool:
    """Whether MarkSparsity has seen it; what LowerSparsity has made cannot go back."""
    found = []

    def visit(expr: relay.Expr) -> None:
        if operator_name(expr) == gather_gemm.NAME:
            raise ModelError("its weights are packed already; export it before LowerSparsity")
        found.append(isinstance(expr, relay.Call) and marked(expr) is not None)

    relay.analysis.post_order_visit(main, visit)
    return any(found)


def _types(body: relay.Expr) -> tuple[tuple[tuple[int, ...], str], ...]:
    """(shape, dtype) of each output."""
    fields = body.fields if isinstance(body, relay.Tuple) else [body]
    return tuple((shape_of(one), one.checked_type.dtype) for one in fields)


def _unknown(name: str) -> str:
    return f"the neutral graph has no {name}; replace it by other operators before the export"


def _pool(op: str, *more: str) -> Callable:
    def attrs(call: relay.Call) -> tuple[str, dict]:
        pool, rank = call.attrs, len(call.checked_type.shape) - 2
        if not pool.layout.startswith("NC"):
            raise ModelError(
                f"{call.op.name} has layout {pool.layout}, not NC…; run relay.transform."
                f'ConvertLayout({{"{call.op.name}": ["NC…", "default"]}}) before'
            )
        before, after = zip(*sides(numbers(pool.padding), rank), strict=True)
        found = {
            "kernel": numbers(pool.pool_size),
            "stride": numbers(pool.strides),
            "padding": before + after,
            "dilation": numbers(pool.dilation),
            "ceil": bool(pool.ceil_mode),
        }
        return op, found | {name: bool(pool.count_include_pad) for name in more}

    return attrs


def _mean(call: relay.Call) -> tuple[str, dict]:
    rank = len(call.args[0].checked_type.shape)
    axes = range(rank) if call.attrs.axis is None else numbers(call.attrs.axis)
    axes = {axis % rank for axis in axes}
    if call.attrs.exclude:
        axes = set(range(rank)) - axes
    return "mean", {"axes": sorted(axes), "keep": bool(call.attrs.keepdims)}


def _pad(call: relay.Call) -> tuple[str, dict]:
    if call.attrs.pad_mode != "constant" or not isinstance(call.args[1], relay.Constant):
        raise ModelError(_unknown(f"nn.pad of mode {call.attrs.pad_mode}"))
    before, after = zip(*(numbers(pair) for pair in call.attrs.pad_width), strict=True)
    value = float(call.args[1].data.numpy())
    return "pad", {"before": before, "after": after, "value": value}


def _transpose(call: relay.Call) -> tuple[str, dict]:
    rank = len(call.checked_type.shape)
    axes = range(rank)[::-1] if call.attrs.axes is None else numbers(call.attrs.axes)
    return "transpose", {"axes": [axis % rank for axis in axes]}


def _plain(op: str) -> Callable:
    return lambda call: (op, {})


def _adaptive(call: relay.Call) -> tuple[str, dict]:
    return "adaptive_avg_pool", {"size": shape_of(call)[2:]}


_SAME = "add subtract multiply divide maximum minimum exp negative sigmoid sqrt tanh".split()

_OPERATORS: dict[str, Callable[[relay.Call], tuple[str, dict]]] = {
    **{name: _plain(name) for name in _SAME},
    "nn.relu": _plain("relu"),
    **dict.fromkeys(("reshape", "squeeze", "expand_dims", "nn.batch_flatten"), _plain("reshape")),
    **{f"nn.max_pool{rank}d": _pool("max_pool") for rank in (1, 2, 3)},
    **{f"nn.avg_pool{rank}d": _pool("avg_pool", "count_padding") for rank in (1, 2, 3)},
    **{f"nn.adaptive_avg_pool{rank}d": _adaptive for rank in (1, 2, 3)},
    "nn.global_avg_pool2d": _adaptive,
    "mean": _mean,
    "clip": lambda call: ("clip", {"low": call.attrs.a_min, "high": call.attrs.a_max}),
    "nn.softmax": lambda call: ("softmax", {"axis": int(call.attrs.axis)}),
    "concatenate": lambda call: ("concat", {"axis": int(call.attrs.axis)}),
    "nn.pad": _pad,
    "transpose": _transpose,
}
"""Relay's operators, and what the neutral graph calls them."""
