"""Give each marked layer the operator that runs it, on its packed weights."""

from math import prod

import numpy as np

from ..._tvm import relay
from ...ir.layer import Layer
from ...kernels.tile import lanes_for
from ...targets import Target, resolve
from .. import pack
from . import gather_gemm
from .layer import layer_attrs
from .mark import Marked, marked
from .place import Place


@relay.transform.function_pass(opt_level=0, name="LowerSparsity", required=["InferType"])
class LowerSparsity:
    """Marked calls become sparsetvm.gather_gemm.

        %0 = fn (%x, %w, Composite="sparsetvm.layer", sparsetvm.name="conv", …) {
          nn.conv2d(%x, %w, padding=[1, 1, 1, 1]) };
        %1 = %0(%data, dense weight with zeros)
        -->
        %0 = reshape(%data, newshape=[-1]);
        %1 = sparsetvm.gather_gemm(%0, values, offset, row, bias, mask, name="conv", …)

    The bias is 0: Relay fuses the net's own behind the operator. `target` says for which vectors
    rows are cut; code for others runs too, but slower.
    """

    def __init__(self, target: str = "cpu"):
        self.target = resolve(target)

    def transform_function(self, function, module, context):
        return _Lower(self.target).visit(function)


class _Lower(relay.ExprMutator):
    def __init__(self, target: Target):
        super().__init__()
        self._target = target

    def visit_call(self, call):
        layer = marked(call)
        new = super().visit_call(call)
        return new if layer is None else self._operator(layer, new.args[0], new.span)

    def _operator(self, marked: Marked, data: relay.Expr, span) -> relay.Call:
        layer = marked.layer
        constants = packed_constants(layer, marked.weight, self._target)
        row = relay.reshape(data, [prod(layer.input_shape)])
        args = [row, *map(relay.const, constants)]
        return relay.Call(relay.op.get(gather_gemm.NAME), args, layer_attrs(layer), span=span)


def packed_constants(layer: Layer, weight: np.ndarray, target: Target) -> list[np.ndarray]:
    """values, offset, row, bias and mask, as the operator takes them."""
    packed = layer.structure.pack(weight)
    place = Place.of(layer)
    positions, row = place.dest.positions, place.dest.frame.row
    lanes = lanes_for(packed.group, positions, row, target.lanes, target.registers)
    return [
        pack.values(packed),
        pack.offsets(packed, place.window, place.source),
        pack.output_rows(packed, place.dest),
        pack.group_bias(packed, None),
        pack.border_mask(place.dest, 1, lanes),
    ]
