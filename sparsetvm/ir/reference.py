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


def run_recurrent(
    layer: Layer,
    x: np.ndarray,
    weight: np.ndarray,
    bias: np.ndarray | None,
    state: tuple[np.ndarray, ...],
) -> tuple[np.ndarray, ...]:
    """What a recurrent layer gives: (y [steps, batch, hidden], h, c?) from x and the state before,
    each [batch, hidden], as torch's GRU and LSTM define it; in x's dtype, computed in float64."""
    h, *c = (one.astype(np.float64) for one in state)
    y = np.empty(layer.output_shape)
    steps = range(len(x))[:: -1 if layer.reverse else 1]
    for t in steps:
        past = h @ weight.astype(np.float64).T + (0 if bias is None else bias)
        gates = np.split(x[t].astype(np.float64), len(weight) // h.shape[1], axis=1)
        pasts = np.split(past, len(gates), axis=1)
        if layer.kind == "gru":
            reset, update = (_sigmoid(a + b) for a, b in zip(gates[:2], pasts[:2], strict=True))
            new = np.tanh(gates[2] + reset * pasts[2])
            h = (1 - update) * new + update * h
        else:
            i, f, g, o = (a + b for a, b in zip(gates, pasts, strict=True))
            c = [_sigmoid(f) * c[0] + _sigmoid(i) * np.tanh(g)]
            h = _sigmoid(o) * np.tanh(c[0])
        y[t] = h
    return tuple(one.astype(x.dtype) for one in (y, h, *c))


def output_shape(layer: Layer, input_shape: tuple[int, ...]) -> tuple[int, ...]:
    """The shape that follows from input, kernel, stride, padding and dilation."""
    filters = layer.weight_shape[0]
    if layer.is_recurrent:
        return (*input_shape[:-1], layer.weight_shape[1])
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
