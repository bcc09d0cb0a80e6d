"""The one operator: groups of filters gather the columns they keep, over flat, padded activations."""

from dataclasses import dataclass

from .._tvm import T, tvm
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

    @property
    def facts(self) -> dict[str, int | str]:
        """What schedule rules and the cost model may read: coarse facts, since they are part of the workload."""
        return {
            "kind": "gather_gemm",
            "groups": self.groups,
            "filters": self.filters,
            "blocks": self.blocks,
            "columns": self.columns,
        }


def gather_gemm(shape: GatherGemm):
    """The unscheduled PrimFunc

        y[row[g, b] + s] = mask[s] ? epilogue(sum over n, k of values[g, n, k, b] * x[offset[g, n, k] + s]) : 0

    x         float32 [x_length]      the input activation, flat (kernels/frame.py)
    values    float32 [G, N, K, B]    the weights that stay
    offset    int32   [G, N, K]       where lane 0 of a column lies in x
    row       int32   [G, B]          where lane 0 of a filter lies in y
    bias      float32 [G, B]
    mask      float32 [lanes]         1 where a lane is a pixel, 0 in the margins
    residual  float32 [y_length]      only with 'add' in the epilogue; laid out as y
    y         float32 [y_length]

    The output has one axis per loop (g, b, s) until the epilogue, since schedules that fold two
    block axes into one buffer axis come out wrong (TVM 0.27).
    """
    build = _with_residual if "add" in shape.epilogue else _plain
    return build(shape, activation(shape.epilogue))


def _plain(shape: GatherGemm, activate):
    G, B, N, K, S = shape.groups, shape.filters, shape.blocks, shape.columns, shape.lanes

    @T.prim_func(s_tir=True)
    def main(
        x: T.Buffer((shape.x_length,), "float32"),
        values: T.Buffer((G, N, K, B), "float32"),
        offset: T.Buffer((G, N, K), "int32"),
        row: T.Buffer((G, B), "int32"),
        bias: T.Buffer((G, B), "float32"),
        mask: T.Buffer((S,), "float32"),
        y: T.Buffer((shape.y_length,), "float32"),
    ):
        T.func_attr({"tirx.noalias": True, "op_pattern": 8})
        total = T.sblock_alloc_buffer((G, B, S), "float32")
        for g, b, s, n, k in T.grid(G, B, S, N, K):
            with T.sblock("gather_gemm"):
                T.sblock_attr({"sparsity": shape.facts})
                vg, vb, vs, vn, vk = T.axis.remap("SSSRR", [g, b, s, n, k])
                with T.init():
                    total[vg, vb, vs] = T.float32(0)
                total[vg, vb, vs] = (
                    total[vg, vb, vs] + values[vg, vn, vk, vb] * x[offset[vg, vn, vk] + vs]
                )
        for g, b, s in T.grid(G, B, S):
            with T.sblock("epilogue"):
                vg, vb, vs = T.axis.remap("SSS", [g, b, s])
                y[row[vg, vb] + vs] = T.Select(
                    mask[vs] != T.float32(0),
                    activate(total[vg, vb, vs] + bias[vg, vb]),
                    T.float32(0),
                )

    return main


def _with_residual(shape: GatherGemm, activate):
    G, B, N, K, S = shape.groups, shape.filters, shape.blocks, shape.columns, shape.lanes

    @T.prim_func(s_tir=True)
    def main(
        x: T.Buffer((shape.x_length,), "float32"),
        values: T.Buffer((G, N, K, B), "float32"),
        offset: T.Buffer((G, N, K), "int32"),
        row: T.Buffer((G, B), "int32"),
        bias: T.Buffer((G, B), "float32"),
        mask: T.Buffer((S,), "float32"),
        residual: T.Buffer((shape.y_length,), "float32"),
        y: T.Buffer((shape.y_length,), "float32"),
    ):
        T.func_attr({"tirx.noalias": True, "op_pattern": 8})
        total = T.sblock_alloc_buffer((G, B, S), "float32")
        for g, b, s, n, k in T.grid(G, B, S, N, K):
            with T.sblock("gather_gemm"):
                T.sblock_attr({"sparsity": shape.facts})
                vg, vb, vs, vn, vk = T.axis.remap("SSSRR", [g, b, s, n, k])
                with T.init():
                    total[vg, vb, vs] = T.float32(0)
                total[vg, vb, vs] = (
                    total[vg, vb, vs] + values[vg, vn, vk, vb] * x[offset[vg, vn, vk] + vs]
                )
        for g, b, s in T.grid(G, B, S):
            with T.sblock("epilogue"):
                vg, vb, vs = T.axis.remap("SSS", [g, b, s])
                y[row[vg, vb] + vs] = T.Select(
                    mask[vs] != T.float32(0),
                    activate(total[vg, vb, vs] + bias[vg, vb] + residual[row[vg, vb] + vs]),
                    T.float32(0),
                )

    return main
