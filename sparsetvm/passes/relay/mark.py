"""Mark the sparse layers of a Relay graph: each becomes a function that says its structure."""

import logging
from dataclasses import dataclass

import numpy as np

from ..._tvm import relay
from ...errors import ModelError, StructureError
from ...ir.layer import Layer
from ...sparsity import Dense, Plan, Structure
from ...sparsity.detect import detect
from .layer import kind_of, read_layer, read_structure, why_not, write_structure
from .names import layer_names

log = logging.getLogger(__name__)

COMPOSITE = "sparsetvm.layer"
NAME = "sparsetvm.name"
STRUCTURE = "sparsetvm.structure"


@relay.transform.function_pass(opt_level=0, name="MarkSparsity", required=["InferType"])
class MarkSparsity:
    """Each layer whose weight has a structure becomes a call of a function that bears it.

        %0 = nn.conv2d(%data, weight, padding=[1, 1, 1, 1])                       # span: conv
        -->
        %0 = fn (%x, %w, Composite="sparsetvm.layer", sparsetvm.name="conv",
                 sparsetvm.structure="{name: pattern, entries: 4, …}") {
          nn.conv2d(%x, %w, padding=[1, 1, 1, 1]) };
        %1 = %0(%data, weight)

    `plan` says which structure each layer's zeros follow, by the layer's name; without a plan the
    structure is found in the zeros. Assumes that weights are constants (Canonicalise). What has no
    structure stays as it is, and so do depthwise layers.
    """

    def __init__(self, plan: Plan | None = None):
        self.plan = plan

    def transform_function(self, function, module, context):
        names = layer_names(function)
        if self.plan is not None:
            self.plan.check_matches(names.values())
        found = {call: _structure(call, name, self.plan) for call, name in names.items()}
        sparse = {call: one for call, one in found.items() if not isinstance(one, Dense)}
        log.info("%d of %d layers are sparse", len(sparse), len(names))
        return _Mark(names, sparse).visit(function)


@dataclass(frozen=True)
class Marked:
    """A marked call: its layer's record, and the dense weight with its zeros."""

    layer: Layer
    weight: np.ndarray


def marked(call: relay.Call) -> Marked | None:
    """What MarkSparsity says of a call; None: it is no marked layer."""
    function = call.op
    if not isinstance(function, relay.Function) or function.attrs is None:
        return None
    if str(function.attrs.get("Composite", "")) != COMPOSITE:
        return None
    weight = call.args[1].data.numpy()
    structure = read_structure(str(function.attrs[STRUCTURE]))
    return Marked(read_layer(function.body, weight, str(function.attrs[NAME]), structure), weight)


def _structure(call: relay.Call, name: str, plan: Plan | None) -> Structure:
    if not isinstance(call.args[1], relay.Constant):
        if plan is None:
            return Dense()
        raise ModelError(
            f"{name}: its weight is no constant; "
            "give the net's parameters: Canonicalise(params) before, or --params"
        )
    weight = call.args[1].data.numpy()
    if kind_of(call).startswith("depthwise"):
        return Dense()
    if plan is None:
        structure = detect(weight) if weight.dtype == np.float32 else Dense()
    else:
        structure = plan.structure_for(name.partition("@")[0], kind_of(call), weight.shape)
    if isinstance(structure, Dense):
        return structure
    if reason := why_not(call):
        raise ModelError(f"{name} cannot run sparse: {reason}")
    try:
        structure.check(weight)
    except StructureError as err:
        raise StructureError(
            f"{name}: {err}\n  prune it first (st.prune), or give it another structure in the plan"
        ) from err
    return structure


class _Mark(relay.ExprMutator):
    def __init__(self, names: dict[relay.Call, str], structures: dict[relay.Call, Structure]):
        super().__init__()
        self._names, self._structures = names, structures

    def visit_call(self, call):
        new = super().visit_call(call)
        if call not in self._structures:
            return new
        x, weight = (
            relay.Var(name, arg.checked_type) for name, arg in zip("xw", call.args, strict=True)
        )
        body = relay.Call(new.op, [x, weight], new.attrs, new.type_args, new.span)
        function = relay.Function([x, weight], body, call.checked_type)
        attrs = {
            "Composite": COMPOSITE,
            NAME: self._names[call],
            STRUCTURE: write_structure(self._structures[call]),
        }
        return relay.Call(function.with_attr(attrs), new.args, span=new.span)
