"""The operator where a sample is one position: lanes run over filters, activations stay plain."""

from dataclasses import dataclass
from typing import ClassVar

from .._tvm import T, tirx
from .builder import store, tensor, tensor_function, where
from .by_filters import ByFilters, column_type
from .epilogue import activation


@dataclass(frozen=True)
class Samples(ByFilters):
    """The static extents of one kernel; layers that agree in all of them share it.

    rounds    of `together` samples each; the last one overlaps the one before, if need be
    outputs   features of y
    """

    samples: int
    together: int
    inputs: int
    outputs: int
    epilogue: tuple[str, ...]

    kind: ClassVar[str] = "samples"

    @property
    def rounds(self) -> int:
        return -(-self.samples // self.together)


def samples(shape: Samples):
    """The unscheduled PrimFunc

        sample = min(r * together, samples - together) + s
        total[r, i, s, u] = sum over k of values[0, i, k, u] * x[sample, column[0, i, k, u // B]]
        y[sample, i * P * B + u] = epilogue(total[r, i, s, u] + bias[0, i, u])

    x         float32 [samples, inputs]
    values    float32 [1, tiles, K, P * B]   the weights that stay
    column    [1, tiles, K, P]               the input that each multiplies
    bias      float32 [1, tiles, P * B]
    residual  float32 [samples, outputs]     only with 'add' in the epilogue
    y         float32 [samples, outputs]
    """
    R, S, N, U, K = shape.rounds, shape.together, shape.tiles, shape.units, shape.columns
    activate = activation(shape.epilogue)
    with tensor_function() as function:
        x = tensor("x", shape.samples, shape.inputs)
        values = tensor("values", 1, N, K, U)
        column = tensor("column", 1, N, K, shape.groups, dtype=column_type(shape.inputs))
        bias = tensor("bias", 1, N, U)
        y_shape = (shape.samples, shape.outputs)
        residual = tensor("residual", *y_shape) if "add" in shape.epilogue else None
        y = tensor("y", *y_shape)
        total = T.sblock_alloc_buffer((R, N, S, U))

        with T.grid(R, N, S, U, K) as loops, T.sblock("gather_gemm"):
            T.sblock_attr({"sparsity": shape.facts})
            r, i, s, u, k = T.axis.remap("SSSSR", loops)
            with T.init():
                store(total, [r, i, s, u], T.float32(0))
            place = column[0, i, k, tirx.floordiv(u, shape.filters)].astype("int32")
            product = values[0, i, k, u] * x[_sample(shape, r, s), place]
            store(total, [r, i, s, u], total[r, i, s, u] + product)

        with T.grid(R, N, S, U) as loops, T.sblock("epilogue"):
            r, i, s, u = T.axis.remap("SSSS", loops)
            sample, filter = _sample(shape, r, s), i * U + u
            with where(shape.outputs % U, filter < shape.outputs):
                value = total[r, i, s, u] + bias[0, i, u]
                if residual is not None:
                    value = value + residual[sample, filter]
                store(y, [sample, filter], activate(value))
    return function.get()


def _sample(shape: Samples, r, s):
    last = shape.samples - shape.together
    return (tirx.min(r * shape.together, last) if shape.rounds > 1 else 0) + s
