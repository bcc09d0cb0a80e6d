"""One layer in numpy: the truth that every kernel is checked against."""

import numpy as np

from .layer import Layer


def run(
    layer: Layer,
    x: np.ndarray,
    weight: np.ndarray,
    bias: np.ndarray | None = None,
    residual: np.ndarray | None = None,
) -> np.ndarray:
    """What `layer` computes: x [batch, channels, *size] or [..., features] -> y, in x's dtype.

    Sums are taken in float64 and rounded once, after the epilogue.
    """
    y = _linear(x, weight) if layer.kind == "linear" else _convolution(layer, x, weight)
    channels = (-1,) + (1,) * len(layer.kernel)
    for step in layer.epilogue:
        if step == "bias":
            y = y + bias.astype(np.float64).reshape(channels)
        elif step == "add":
            y = y + residual.astype(np.float64)
        else:
            y = _ACTIVATION[step](y)
    return y.astype(x.dtype)


def output_shape(layer: Layer, input_shape: tuple[int, ...]) -> tuple[int, ...]:
    """The shape that follows from input, kernel, stride, padding and dilation."""
    filters = layer.weight_shape[0]
    if layer.kind == "linear":
        return (*input_shape[:-1], filters)
    batch, _, *size = input_shape
    axes = zip(size, layer.kernel, layer.stride, layer.padding, layer.dilation, strict=True)
    return (batch, filters, *((n + sum(p) - d * (k - 1) - 1) // s + 1 for n, k, s, p, d in axes))


def _linear(x: np.ndarray, weight: np.ndarray) -> np.ndarray:
    return x.astype(np.float64) @ weight.astype(np.float64).T


def _convolution(layer: Layer, x: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Each kernel position sees the padded input shifted and strided; their products add up."""
    padded = np.pad(x.astype(np.float64), ((0, 0), (0, 0), *layer.padding))
    weight = weight.astype(np.float64)
    batch, filters, *size = output_shape(layer, x.shape)
    y = np.zeros((filters, batch, *size))
    for position in np.ndindex(*layer.kernel):
        axes = zip(position, layer.dilation, layer.stride, size, strict=True)
        seen = tuple(slice(p * d, p * d + (n - 1) * s + 1, s) for p, d, s, n in axes)
        w, x = weight[(..., *position)], padded[(..., *seen)]
        if layer.is_depthwise:
            y += np.einsum("co,nc...->cn...", w, x)
        else:
            y += np.tensordot(w, x, axes=(1, 1))
    return np.moveaxis(y, 0, 1)


def _relu(y: np.ndarray) -> np.ndarray:
    return np.maximum(y, 0)


def _relu6(y: np.ndarray) -> np.ndarray:
    return np.clip(y, 0, 6)


def _hardswish(y: np.ndarray) -> np.ndarray:
    return y * np.clip(y + 3, 0, 6) / 6


def _sigmoid(y: np.ndarray) -> np.ndarray:
    return np.exp(-np.logaddexp(0, -y))  # 1 / (1 + exp(-y)) without its overflow


def _silu(y: np.ndarray) -> np.ndarray:
    return y * _sigmoid(y)


_ACTIVATION = {
    "relu": _relu,
    "relu6": _relu6,
    "hardswish": _hardswish,
    "sigmoid": _sigmoid,
    "silu": _silu,
}
