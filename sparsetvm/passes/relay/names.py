"""What layers are called in Relay: a call's span names it, as front ends write it and passes keep.

from_pytorch(..., preserve_pytorch_scopes=True) writes torch's dotted names, which plans match.
"""

from collections import Counter

from ..._tvm import relay, tvm
from .layer import KIND_OF, layer_calls


def name_of_weight(weight: relay.Expr) -> str | None:
    """features.0.weight, a parameter  ->  features.0"""
    is_named = isinstance(weight, relay.Var) and weight.name_hint.endswith(".weight")
    return weight.name_hint.removesuffix(".weight") if is_named else None


def layer_names(function: relay.Function) -> dict[relay.Call, str]:
    """Each layer's name, no two alike: after its weight or its span, else numbered in order."""
    names: dict[relay.Call, str] = {}
    seen: Counter[str] = Counter()
    for number, call in enumerate(layer_calls(function), 1):
        name = name_of_weight(call.args[1]) or _span(call) or f"{KIND_OF[call.op.name]}_{number}"
        seen[name] += 1
        names[call] = name if seen[name] == 1 else f"{name}@{seen[name]}"
    return names


def with_names(function: relay.Function, names: list[str]) -> relay.Function:
    """The layers of `function`, in order, called so by their spans."""
    calls = dict(zip(layer_calls(function), names, strict=True))
    return _Name(calls).visit(function)


class _Name(relay.ExprMutator):
    def __init__(self, names: dict[relay.Call, str]):
        super().__init__()
        self._names = names

    def visit_call(self, call):
        new = super().visit_call(call)
        if call not in self._names:
            return new
        span = tvm.ir.Span(tvm.ir.SourceName(self._names[call]), 0, 0, 0, 0)
        return relay.Call(new.op, new.args, new.attrs, new.type_args, span)


def _span(call: relay.Call) -> str | None:
    """SequentialSpan joins the spans of what a pass has joined; the first one counts."""
    return call.span.source_name.name if isinstance(call.span, tvm.ir.Span) else None
