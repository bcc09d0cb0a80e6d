"""What follows a layer inside its kernel: one expression per activation."""

from collections.abc import Callable

from .._tvm import tirx


def activation(epilogue: tuple[str, ...]) -> Callable:
    """The function of one value that ends an epilogue; the identity when it ends in 'bias' or
    'add'."""
    return _ACTIVATIONS.get(epilogue[-1] if epilogue else "", lambda value: value)


def _clip(value, low: float, high: float):
    return tirx.min(_f32(high), tirx.max(_f32(low), value))


def _sigmoid(value):
    return _f32(1) / (_f32(1) + tirx.exp(-value))


def _f32(number: float):
    return tirx.const(number, "float32")


# The number stands first in max and min: what comes second is what NaN gives, and torch passes
# NaN on.
_ACTIVATIONS = {
    "relu": lambda value: tirx.max(_f32(0), value),
    "relu6": lambda value: _clip(value, 0, 6),
    "hardswish": lambda value: value * _clip(value + _f32(3), 0, 6) * _f32(1 / 6),
    "sigmoid": _sigmoid,
    "silu": lambda value: value * _sigmoid(value),
}
