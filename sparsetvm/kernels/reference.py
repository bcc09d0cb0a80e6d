"""The operator in numpy, directly and in the Winograd domain: what scheduled kernels must give."""

from collections.abc import Sequence
from math import prod

import numpy as np

from .gather_gemm import GatherGemm
from .winograd import Winograd

_ACTIVATIONS = {
    "relu": lambda y: np.maximum(y, 0),
    "relu6": lambda y: np.clip(y, 0, 6),
    "hardswish": lambda y: y * np.clip(y + 3, 0, 6) / 6,
    "sigmoid": lambda y: 1 / (1 + np.exp(-y)),
    "silu": lambda y: y / (1 + np.exp(-y)),
}


def truth(
    kernel: GatherGemm | Winograd, arguments: Sequence[np.ndarray]
) -> tuple[np.ndarray, np.ndarray]:
    """(places in the output, the values that belong there) for a kernel's arguments, its output's
    order."""
    if isinstance(kernel, Winograd):
        return winograd(kernel, *arguments)
    return gather_gemm(kernel.epilogue, kernel.pitch, *arguments)


def operations(kernel: GatherGemm | Winograd, arguments: Sequence[np.ndarray]) -> int:
    """Multiplications and additions of the gather-GEMMs that a kernel must do."""
    values = arguments[1]
    if isinstance(kernel, Winograd):
        return 2 * values.size * kernel.frame.batch * prod(kernel.tiles)
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
    channel: np.ndarray,
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
    start = frame.guard + np.arange(kernel.work.channels) * frame.row
    reads = (corner @ frame.strides)[:, None, None, None] + inside @ frame.strides[1:]
    u = x[start[:, None, None, None, None] + reads]  # [channels, tiles, points]
    u = np.einsum("pd,ik,jl,ctdkl->pijct", *(axis.BT for axis in axes), u, optimize=True)
    u = u.reshape(domain.points, len(start), -1)
    total = np.empty((*row.shape, len(tile), *outputs), np.float32)
    for r, g in np.ndindex(*row.shape[:2]):
        products = values[r, :, g].transpose(0, 2, 1) @ u[:, channel[r, g]]
        products = products.reshape(*points, -1, len(tile))
        ends = (axis.AT for axis in axes)
        total[r, g] = np.einsum("pd,ik,jl,dklbt->btpij", *ends, products, optimize=True)
    total += bias[..., None, None, None, None]
    pixel = corner[:, None, None, None, 1:] + np.moveaxis(np.indices(outputs), 0, -1)
    exists = np.all(pixel < kernel.work.size, axis=-1)
    places = corner[:, :1, None, None] * frame.strides[0] + pixel @ frame.strides[1:]
    places = (row[..., None, None, None, None] + places)[..., exists]
    return places, _end(kernel.epilogue, total[..., exists], places, residual)


def _end(
    epilogue: tuple[str, ...], total: np.ndarray, places: np.ndarray, residual: np.ndarray | None
) -> np.ndarray:
    if residual is not None:
        total = total + residual[places]
    return _ACTIVATIONS.get(epilogue[-1] if epilogue else "", lambda y: y)(total)
