"""Gather-GEMM in numpy: what every scheduled kernel must give."""

import numpy as np

_ACTIVATIONS = {
    "relu": lambda y: np.maximum(y, 0),
    "relu6": lambda y: np.clip(y, 0, 6),
    "hardswish": lambda y: y * np.clip(y + 3, 0, 6) / 6,
    "sigmoid": lambda y: 1 / (1 + np.exp(-y)),
    "silu": lambda y: y / (1 + np.exp(-y)),
}


def gather_gemm(
    epilogue: tuple[str, ...],
    x: np.ndarray,
    values: np.ndarray,
    offset: np.ndarray,
    row: np.ndarray,
    bias: np.ndarray,
    mask: np.ndarray,
    residual: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """(places, values) of the lanes that kernels/gather_gemm.py writes; its arguments, its
    output's order."""
    lane = np.arange(len(mask))
    activate = _ACTIVATIONS.get(epilogue[-1] if epilogue else "", lambda y: y)
    places = row[:, :, None] + lane
    total = np.empty(places.shape, np.float32)
    for g in range(len(values)):
        kept = values[g].reshape(-1, values.shape[-1])
        total[g] = kept.T @ x[offset[g].reshape(-1, 1) + lane]
    total += bias[:, :, None]
    if residual is not None:
        total += residual[places]
    return places, np.where(mask != 0, activate(total), 0)
