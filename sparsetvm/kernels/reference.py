"""The operator in numpy, directly and in the Winograd domain: what scheduled kernels must give."""

from collections.abc import Sequence
from math import prod

import numpy as np

from .gather_gemm import GatherGemm
from .recurrent import Recurrent
from .samples import Samples
from .winograd import Winograd

_ACTIVATIONS = {
    "relu": lambda y: np.maximum(y, 0),
    "relu6": lambda y: np.clip(y, 0, 6),
    "hardswish": lambda y: y * np.clip(y + 3, 0, 6) / 6,
    "sigmoid": lambda y: 1 / (1 + np.exp(-y)),
    "silu": lambda y: y / (1 + np.exp(-y)),
}


def truth(
    kernel: GatherGemm | Winograd | Samples | Recurrent, arguments: Sequence[np.ndarray]
) -> tuple[np.ndarray, np.ndarray]:
    """(places in the output, the values that belong there) for a kernel's arguments, its output's
    order."""
    if isinstance(kernel, Winograd):
        return winograd(kernel, *arguments)
    if isinstance(kernel, Samples | Recurrent):
        y = (samples if isinstance(kernel, Samples) else recurrent)(kernel, *arguments)
        return np.arange(y.size), y.ravel()
    return gather_gemm(kernel.epilogue, kernel.pitch, *arguments)


def operations(
    kernel: GatherGemm | Winograd | Samples | Recurrent, arguments: Sequence[np.ndarray]
) -> int:
    """Multiplications and additions of the gather-GEMMs that a kernel must do."""
    values = arguments[1]
    if isinstance(kernel, Winograd):
        return 2 * values.size * kernel.frame.batch * prod(kernel.tiles)
    if isinstance(kernel, Samples):
        return 2 * values.size * kernel.samples
    if isinstance(kernel, Recurrent):
        return 2 * values.size * kernel.batch * kernel.steps
    return 2 * values.size * int(np.count_nonzero(arguments[5]))


def gather_gemm(
    epilogue: tuple[str, ...],
    pitch: int,
    x: np.ndarray,
    values: np.ndarray,
    offset: np.ndarray,
    row: np.ndarray,
    bias: np.ndarray,
    mask: np.ndarray,
    residual: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """(places, values) of the lanes that kernels/gather_gemm.py writes; its shape's epilogue and
    pitch, its arguments, its output's order."""
    lines, lanes = mask.shape
    lane = (np.arange(lines)[:, None] * pitch + np.arange(lanes)).ravel()
    places = row[:, :, None] + lane
    total = np.empty(places.shape, np.float32)
    for g in range(len(row)):
        kept = values[:, g].reshape(-1, values.shape[-1])
        total[g] = kept.T @ x[offset[:, g].reshape(-1, 1) + lane]
    total += bias[:, :, None]
    return places, np.where(mask.ravel() != 0, _end(epilogue, total, places, residual), 0)


def winograd(
    kernel: Winograd,
    x: np.ndarray,
    values: np.ndarray,
    source: np.ndarray,
    row: np.ndarray,
    bias: np.ndarray,
    residual: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """The same for kernels/winograd.py: the pixels that it writes."""
    domain, frame = kernel.work.domain, kernel.frame
    axes = (domain.depth, domain.plane, domain.plane)
    outputs, points = domain.outputs, [axis.points for axis in axes]
    tile = np.array(list(np.ndindex(frame.batch, *kernel.tiles)))  # image, plane, line, pixel
    corner = tile * (1, *outputs)
    inside = np.moveaxis(np.indices(points), 0, -1) - kernel.before
    row_of, plane_of = np.divmod(np.arange(kernel.work.sources), domain.slices)
    start = frame.guard + row_of * frame.row + plane_of * frame.strides[1]
    reads = (corner @ frame.strides)[:, None, None, None] + inside @ frame.strides[1:]
    u = x[start[:, None, None, None, None] + reads]  # [sources, tiles, points]
    u = np.einsum("pd,ik,jl,ctdkl->pijct", *(axis.BT for axis in axes), u, optimize=True)
    u = u.reshape(domain.points, len(start), -1)
    total = np.empty((*row.shape, len(tile), *outputs), np.float32)
    for r, g in np.ndindex(*row.shape[:2]):
        products = values[r, :, g].transpose(0, 2, 1) @ u[:, source[r, g]]
        products = products.reshape(*points, -1, len(tile))
        ends = (axis.AT for axis in axes)
        total[r, g] = np.einsum("pd,ik,jl,dklbt->btpij", *ends, products, optimize=True)
    total += bias[..., None, None, None, None]
    pixel = corner[:, None, None, None, 1:] + np.moveaxis(np.indices(outputs), 0, -1)
    exists = np.all(pixel < kernel.work.size, axis=-1)
    places = corner[:, :1, None, None] * frame.strides[0] + pixel @ frame.strides[1:]
    places = (row[..., None, None, None, None] + places)[..., exists]
    return places, _end(kernel.epilogue, total[..., exists], places, residual)


def samples(
    kernel: Samples,
    x: np.ndarray,
    values: np.ndarray,
    column: np.ndarray,
    bias: np.ndarray,
    residual: np.ndarray | None = None,
) -> np.ndarray:
    """y [samples, outputs] of kernels/samples.py."""
    total = x @ _dense(values, column, kernel.outputs, kernel.inputs)[0].T
    total = total + bias.reshape(-1)[: kernel.outputs]
    return _end(kernel.epilogue, total, slice(None), residual)


def recurrent(
    kernel: Recurrent,
    projected: np.ndarray,
    values: np.ndarray,
    column: np.ndarray,
    bias: np.ndarray,
    h: np.ndarray,
    c: np.ndarray | None = None,
) -> np.ndarray:
    """y [T, N, H] of kernels/recurrent.py."""
    H = kernel.hidden
    weights, bias = _dense(values, column, H, H), bias.reshape(len(bias), -1)[:, :H]
    sigmoid = _ACTIVATIONS["sigmoid"]
    y = np.empty((kernel.steps, kernel.batch, H), np.float32)
    for t in range(kernel.steps)[:: -1 if kernel.reverse else 1]:
        past = [h @ weight.T + one for weight, one in zip(weights, bias, strict=True)]
        given = np.split(projected[t], len(weights), axis=1)
        if kernel.cell == "gru":
            reset, move = (sigmoid(a + b) for a, b in zip(given[:2], past[:2], strict=True))
            new = np.tanh(given[2] + reset * past[2])
            h = new + move * (h - new)
        else:
            i, f, g, o = (a + b for a, b in zip(given, past, strict=True))
            c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
            h = sigmoid(o) * np.tanh(c)
        y[t] = h
    return y


def _dense(values: np.ndarray, column: np.ndarray, filters: int, inputs: int) -> np.ndarray:
    """values [N, tiles, K, P * B], column [N, tiles, K, P] -> weights [N, filters, inputs]."""
    N, tiles, _, units = values.shape
    dense = np.zeros((N, tiles, units, inputs), np.float32)
    places = np.repeat(column, units // column.shape[3], axis=3)
    n, tile, _, unit = np.indices(values.shape, sparse=True)
    np.add.at(dense, (n, tile, unit, places), values)  # a column that fills up is there twice
    return dense.reshape(N, -1, inputs)[:, :filters]


def _end(
    epilogue: tuple[str, ...], total: np.ndarray, places: np.ndarray, residual: np.ndarray | None
) -> np.ndarray:
    if residual is not None:
        total = total + residual[places]
    return _ACTIVATIONS.get(epilogue[-1] if epilogue else "", lambda y: y)(total)
