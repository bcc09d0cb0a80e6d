"""A recurrence in the graph: the call of the plain loops that a front end wrote."""

from dataclasses import dataclass

from .._tvm import relax, tvm
from ..ir.layer import STATES
from ..kernels.recurrence import CELL, REVERSE

_CALL_TIR = tvm.ir.Op.get("relax.call_tir")


@dataclass(frozen=True)
class RecurrentCall:
    """R.call_tir(recurrence, (data, weight, bias?, h, c?)) -> (y, h, c?)."""

    kind: str
    reverse: bool
    call: relax.Call
    data: relax.Expr
    weight: relax.Expr
    bias: relax.Expr | None
    state: tuple[relax.Expr, ...]

    @property
    def args(self) -> list[relax.Expr]:
        return list(self.call.args[1].fields)


def recurrent_call(module: tvm.IRModule, expr: relax.Expr) -> RecurrentCall | None:
    """`expr` as a recurrence, if it is one."""
    if not isinstance(expr, relax.Call) or expr.op != _CALL_TIR:
        return None
    attrs = module[expr.args[0]].attrs
    if attrs is None or CELL not in attrs:
        return None
    kind, args = str(attrs[CELL]), list(expr.args[1].fields)
    data, weight, *bias = args[: -STATES[kind]]
    state = tuple(args[-STATES[kind] :])
    return RecurrentCall(
        kind, bool(attrs[REVERSE]), expr, data, weight, bias[0] if bias else None, state
    )
