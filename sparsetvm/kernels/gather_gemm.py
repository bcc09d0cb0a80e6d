"""The one operator: groups of filters gather the columns they keep, over flat activations."""

from dataclasses import dataclass
from typing import ClassVar

from .._tvm import T, tirx
from .builder import store, tensor, tensor_function
from .epilogue import activation

PREFETCH = "sparsetvm.prefetch"
"""A schedule annotates its loop over (tile block, group) with 1 where kernels/prefetch.py shall
fetch x. Nobody does in TVM 0.19: there the same function has just written x."""


@dataclass(frozen=True)
class GatherGemm:
    """The static extents of one kernel; layers that agree in all of them share it.

    groups G, filters B (of one group), blocks N, columns K (of one block in one group);
    lanes     positions computed in each line, a multiple of the vector for all but the shortest
    lines     lines computed in each row: one, if it is not cut into blocks (kernels/blocks.py)
    pitch     elements from one line to the next
    x_length  elements of the input activation, guards included
    y_length  elements of the output activation
    epilogue  what follows, as in ir.Layer
    """

    groups: int
    filters: int
    blocks: int
    columns: int
    lanes: int
    x_length: int
    y_length: int
    epilogue: tuple[str, ...]
    lines: int = 1
    pitch: int = 0

    kind: ClassVar[str] = "gather_gemm"

    @property
    def facts(self) -> dict[str, int | str]:
        """What schedule rules and the cost model may read: coarse facts, for they are part of the
        workload."""
        return {
            "kind": self.kind,
            "groups": self.groups,
            "filters": self.filters,
            "blocks": self.blocks,
            "columns": self.columns,
        }


def gather_gemm(shape: GatherGemm):
    """The unscheduled PrimFunc

        total[g, b, l, s] = sum over n, k of values[n, g, k, b] * x[offset[n, g, k] + l * pitch + s]
        y[row[g, b] + l * pitch + s] = mask[l, s] ? epilogue(total[g, b, l, s] + bias[g, b]) : 0

    x         float32 [x_length]      the input activation, flat (kernels/frame.py)
    values    float32 [N, G, K, B]    the weights that stay
    offset    int32   [N, G, K]       where lane 0 of a column lies in x
    row       int32   [G, B]          where lane 0 of a filter lies in y
    bias      float32 [G, B]
    mask      float32 [lines, lanes]  1 where a lane is a pixel, 0 in the margins
    residual  float32 [y_length]      only with 'add' in the epilogue; laid out as y
    y         float32 [y_length]

    The sum has one axis per loop (g, b, l, s), since schedules that fold two block axes into one
    buffer axis come out wrong (TVM 0.27).
    """
    G, B, N, K = shape.groups, shape.filters, shape.blocks, shape.columns
    L, S = shape.lines, shape.lanes
    activate = activation(shape.epilogue)
    with tensor_function() as function:
        x = tensor("x", shape.x_length)
        values = tensor("values", N, G, K, B)
        offset = tensor("offset", N, G, K, dtype="int32")
        row = tensor("row", G, B, dtype="int32")
        bias = tensor("bias", G, B)
        mask = tensor("mask", L, S)
        residual = tensor("residual", shape.y_length) if "add" in shape.epilogue else None
        y = tensor("y", shape.y_length)
        total = T.sblock_alloc_buffer((G, B, L, S))

        with T.grid(G, B, L, S, N, K) as loops, T.sblock("gather_gemm"):
            T.sblock_attr({"sparsity": shape.facts})
            g, b, line, s, n, k = T.axis.remap("SSSSRR", loops)
            with T.init():
                store(total, [g, b, line, s], T.float32(0))
            product = values[n, g, k, b] * x[offset[n, g, k] + line * shape.pitch + s]
            store(total, [g, b, line, s], total[g, b, line, s] + product)

        with T.grid(G, B, L, S) as loops, T.sblock("epilogue"):
            g, b, line, s = T.axis.remap("SSSS", loops)
            place = row[g, b] + line * shape.pitch + s
            value = total[g, b, line, s] + bias[g, b]
            if residual is not None:
                value = value + residual[place]
            is_pixel = mask[line, s] != T.float32(0)
            store(y, [place], tirx.Select(is_pixel, activate(value), T.float32(0)))
    return function.get()
