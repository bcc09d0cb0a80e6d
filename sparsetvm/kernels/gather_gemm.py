"""The one operator: groups of filters gather the columns they keep, over flat activations."""

from dataclasses import dataclass
from typing import ClassVar

from .._tvm import T, tirx
from .builder import store, tensor, tensor_function
from .epilogue import activation


@dataclass(frozen=True)
class GatherGemm:
    """The static extents of one kernel; layers that agree in all of them share it.

    groups G, filters B (of one group), blocks N, columns K (of one block in one group);
    lanes     positions computed in each row, a multiple of the vector for all but the smallest rows
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

        total[g, b, s] = sum over n, k of values[g, n, k, b] * x[offset[g, n, k] + s]
        y[row[g, b] + s] = mask[s] ? epilogue(total[g, b, s] + bias[g, b]) : 0

    x         float32 [x_length]      the input activation, flat (kernels/frame.py)
    values    float32 [G, N, K, B]    the weights that stay
    offset    int32   [G, N, K]       where lane 0 of a column lies in x
    row       int32   [G, B]          where lane 0 of a filter lies in y
    bias      float32 [G, B]
    mask      float32 [lanes]         1 where a lane is a pixel, 0 in the margins
    residual  float32 [y_length]      only with 'add' in the epilogue; laid out as y
    y         float32 [y_length]

    The sum has one axis per loop (g, b, s), since schedules that fold two block axes into one
    buffer axis come out wrong (TVM 0.27).
    """
    G, B, N, K, S = shape.groups, shape.filters, shape.blocks, shape.columns, shape.lanes
    activate = activation(shape.epilogue)
    with tensor_function() as function:
        x = tensor("x", shape.x_length)
        values = tensor("values", G, N, K, B)
        offset = tensor("offset", G, N, K, dtype="int32")
        row = tensor("row", G, B, dtype="int32")
        bias = tensor("bias", G, B)
        mask = tensor("mask", S)
        residual = tensor("residual", shape.y_length) if "add" in shape.epilogue else None
        y = tensor("y", shape.y_length)
        total = T.sblock_alloc_buffer((G, B, S))

        with T.grid(G, B, S, N, K) as loops, T.sblock("gather_gemm"):
            T.sblock_attr({"sparsity": shape.facts})
            g, b, s, n, k = T.axis.remap("SSSRR", loops)
            with T.init():
                store(total, [g, b, s], T.float32(0))
            store(total, [g, b, s], total[g, b, s] + values[g, n, k, b] * x[offset[g, n, k] + s])

        with T.grid(G, B, S) as loops, T.sblock("epilogue"):
            g, b, s = T.axis.remap("SSS", loops)
            place = row[g, b] + s
            value = total[g, b, s] + bias[g, b]
            if residual is not None:
                value = value + residual[place]
            is_pixel = mask[s] != T.float32(0)
            store(y, [place], tirx.Select(is_pixel, activate(value), T.float32(0)))
    return function.get()
