"""A convolution or a linear layer in the graph, whatever it is made of."""

from collections.abc import Callable
from dataclasses import dataclass

from .._tvm import relax
from .evaluate import operator_name, shape_of

KIND_OF = {f"relax.nn.conv{rank}d": f"conv{rank}d" for rank in (1, 2, 3)}


@dataclass(frozen=True)
class LayerCall:
    """`call` computes a layer from `data` and `weight` [filters, input channels, *kernel].

    conv2d        R.nn.conv2d(data, weight)
    depthwise2d   R.nn.conv2d(data, weight, groups=channels)
    linear        R.matmul(data, R.permute_dims(weight))
    """

    kind: str
    call: relax.Call
    data: relax.Expr
    weight: relax.Expr

    @property
    def channel_axis(self) -> int:
        """Where the filters are in the result, from its end."""
        return -1 if self.kind == "linear" else 1 - len(shape_of(self.call))

    @property
    def bias_shape(self) -> tuple[int, ...]:
        """A vector [filters] of this shape broadcasts over the result."""
        filters = shape_of(self.weight)[0]
        rank = -self.channel_axis
        return (filters,) if rank == 1 else (1, filters) + (1,) * (rank - 1)

    def compute(
        self,
        emit: Callable[[relax.Expr], relax.Var],
        data: relax.Expr,
        weight: relax.Expr,
        bias: relax.Expr | None = None,
    ) -> relax.Var:
        """The same layer on other operands; the bias is a vector."""
        if self.kind == "linear":
            weight = emit(relax.op.permute_dims(weight))
        result = emit(relax.Call(self.call.op, [data, weight], self.call.attrs))
        if bias is None:
            return result
        if self.kind != "linear":
            bias = emit(relax.op.reshape(bias, self.bias_shape))
        return emit(relax.op.add(result, bias))


def layer_call(
    expr: relax.Expr, bound: Callable[[relax.Expr], relax.Expr | None]
) -> LayerCall | None:
    """`expr` as a layer, if it is one; `bound` says what a variable is bound to."""
    name = operator_name(expr)
    if name in KIND_OF:
        x, weight = expr.args
        is_depthwise = 1 < expr.attrs.groups == shape_of(x)[1] == shape_of(weight)[0]
        kind = KIND_OF[name].replace("conv", "depthwise") if is_depthwise else KIND_OF[name]
        return LayerCall(kind, expr, x, weight)
    if name == "relax.matmul":
        transpose = bound(expr.args[1])
        if operator_name(transpose) == "relax.permute_dims" and len(shape_of(transpose)) == 2:
            return LayerCall("linear", expr, expr.args[0], transpose.args[0])
    return None
