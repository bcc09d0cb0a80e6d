"""The numpy truth of a layer against torch, and by hand."""

from itertools import product

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from sparsetvm.ir import ACTIVATIONS, KINDS, reference
from sparsetvm.ir.layer import STATES

TORCH_CONV = {
    f"{kind}{axes}d": convolve
    for kind in ("conv", "depthwise")
    for axes, convolve in ((1, F.conv1d), (2, F.conv2d), (3, F.conv3d))
}
TORCH_ACTIVATION = {
    "relu": F.relu, "relu6": F.relu6, "hardswish": F.hardswish, "sigmoid": F.sigmoid, "silu": F.silu
}  # fmt: skip

KERNELS = [(1, 1, 1), (3, 3, 3), (2, 5, 1)]
STRIDES = [(1, 1, 1), (2, 2, 2), (1, 3, 2)]
DILATIONS = [(1, 1, 1), (2, 1, 2)]
PADDINGS = [((0, 0),) * 3, ((1, 1),) * 3, ((0, 1), (3, 2), (1, 0))]


def of(random: np.random.Generator, *shape: int) -> np.ndarray:
    return random.standard_normal(shape).astype(np.float32)


def torch_conv(layer, x, weight):
    pads = [pad for pads in reversed(layer.padding) for pad in pads]
    x = F.pad(torch.from_numpy(x).double(), pads)
    weight = torch.from_numpy(weight).double()
    groups = len(weight) if layer.is_depthwise else 1
    convolve = TORCH_CONV[layer.kind]
    return convolve(x, weight, stride=layer.stride, dilation=layer.dilation, groups=groups)


@pytest.mark.parametrize("kind", TORCH_CONV)
@pytest.mark.parametrize(
    "kernel, stride, dilation, padding", list(product(KERNELS, STRIDES, DILATIONS, PADDINGS))
)
def test_a_convolution_equals_torch(build_layer, kind, kernel, stride, dilation, padding):
    axes = KINDS[kind]
    layer, arrays = build_layer(
        kind, batch=2, size=(11, 10, 6)[:axes], kernel=kernel[:axes], stride=stride[:axes],
        dilation=dilation[:axes], padding=padding[:axes], epilogue=(),
    )  # fmt: skip
    x = of(np.random.default_rng(1), *layer.input_shape)
    weight = arrays[layer.weight]

    y = reference.run(layer, x, weight)

    assert y.dtype == np.float32
    assert y.shape == layer.output_shape
    np.testing.assert_allclose(y, torch_conv(layer, x, weight).float(), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("shape", [(), (5,), (2, 3)])
def test_a_linear_layer_equals_torch_whatever_stands_before_the_features(build_layer, shape):
    layer, arrays = build_layer("linear", batch=4, size=shape, channels=7, epilogue=("bias",))
    x = of(np.random.default_rng(1), *layer.input_shape)
    weight, bias = arrays[layer.weight], arrays[layer.bias]

    y = reference.run(layer, x, weight, bias)

    truth = F.linear(*(torch.from_numpy(a).double() for a in (x, weight, bias))).float()
    assert y.shape == layer.output_shape
    np.testing.assert_allclose(y, truth, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in STATES])
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_bias_then_residual_then_activation(build_layer, kind, activation):
    layer, arrays = build_layer(kind, batch=2, epilogue=("bias", "add", activation))
    random = np.random.default_rng(1)
    x, residual = of(random, *layer.input_shape), of(random, *layer.output_shape)
    weight, bias = arrays[layer.weight], arrays[layer.bias]

    y = reference.run(layer, x, weight, bias, residual)

    a, w, b, r = (torch.from_numpy(array).double() for array in (x, weight, bias, residual))
    if kind == "linear":
        linear = F.linear(a, w, b)
    else:
        linear = torch_conv(layer, x, weight) + b.reshape(-1, *(1,) * len(layer.kernel))
    truth = TORCH_ACTIVATION[activation](linear + r).float()
    np.testing.assert_allclose(y, truth, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_activations_hold_far_from_zero(build_layer, activation):
    layer, _ = build_layer("linear", channels=1, filters=1, epilogue=(activation,))
    x = np.array([[-1e4], [-100.0], [-3.0], [0.0], [3.0], [6.5], [1e4]], np.float32)

    y = reference.run(layer, x, np.ones((1, 1), np.float32))

    truth = TORCH_ACTIVATION[activation](torch.from_numpy(x).double()).float()
    np.testing.assert_allclose(y, truth, rtol=1e-6, atol=1e-30)


def test_a_small_convolution_by_hand(build_layer):
    layer, _ = build_layer(
        "conv1d", channels=1, filters=1, size=(4,), kernel=(2,), padding=((1, 0),), epilogue=()
    )
    x = np.array([[[1, 2, 3, 4]]], np.float32)

    y = reference.run(layer, x, np.array([[[10, 1]]], np.float32))

    assert y.tolist() == [[[1, 12, 23, 34]]]  # 10 times the one before, plus itself


def test_sums_do_not_lose_small_numbers(build_layer):
    layer, _ = build_layer("linear", channels=3, filters=1, epilogue=())

    y = reference.run(layer, np.array([[1e8, 1, -1e8]], np.float32), np.ones((1, 3), np.float32))

    assert y.item() == 1
