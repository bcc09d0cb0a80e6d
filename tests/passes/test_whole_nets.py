"""After every pass a net still computes what torch computes, from torch and from ONNX alike."""

import numpy as np
import pytest
import torch

from sparsetvm._tvm import relax, tvm
from sparsetvm.frontends import read
from sparsetvm.passes.block import Block
from sparsetvm.passes.canonicalise import canonicalise
from sparsetvm.passes.fuse import fuse
from sparsetvm.passes.mark import layers_of, mark
from sparsetvm.sparsity.plan import Plan
from tests.passes import nets
from tests.passes.machine import run, to_onnx

EPILOGUES = {
    nets.Vgg: {
        "features.0": ("bias", "relu"),
        "features.3": ("bias", "relu"),
        "classifier.0": ("bias", "relu"),
        "classifier.3": ("bias",),
    },
    nets.ResNet: {
        "conv1": ("bias", "relu"),
        "conv2": ("bias", "add", "relu"),
        "conv3": ("bias",),
        "downsample.0": ("bias", "add", "relu"),
    },
    nets.MobileNet: {
        "stem": ("bias",),
        "conv.0.0": ("bias", "relu6"),
        "conv.1.0": ("bias", "relu6"),
        "conv.2": ("bias", "add"),
    },
    nets.EfficientNetLite: {"conv": ("bias", "relu6"), "depthwise": ()},
    nets.Smooth: {
        "a": ("bias", "hardswish"),
        "b": ("bias", "silu"),
        "c": ("bias", "sigmoid"),
        "d": ("bias", "hardswish"),
    },
    nets.Conv1d: {"conv1": ("bias", "relu"), "conv2": (), "linear": ("bias",)},
    nets.Conv3d: {"conv1": ("bias", "relu"), "conv2": ("bias", "relu")},
    nets.Mlp: {"first": ("bias", "relu"), "second": ("add",)},
    nets.Twice: {
        "conv": ("bias", "relu"),
        "conv@2": ("bias",),
        "linear": ("bias", "relu"),
        "linear@2": ("bias",),
    },
}


class Case:
    """A net, an input, and what the passes make of it one after the other."""

    def __init__(self, net: type[torch.nn.Module], source: str):
        self.net, self.module, self.x = net, nets.make(net), torch.randn(nets.SHAPES[net])
        self.source = source
        program = read(self.module if source == "torch" else to_onnx(self.module, self.x), self.x)
        self.steps = {"import": program}
        for step in (canonicalise, mark, fuse):
            self.steps[step.__name__] = program = step(program)


@pytest.fixture(scope="module", params=["torch", "onnx"])
def source(request):
    return request.param


@pytest.fixture(scope="module", params=nets.SHAPES, ids=lambda net: net.__name__)
def case(request, source):
    return Case(request.param, source)


@pytest.mark.parametrize("step", ["import", "canonicalise", "mark", "fuse"])
def test_it_computes_what_torch_computes(case, step):
    expected = case.module(case.x).detach().numpy()
    found = run(case.steps[step], case.x.numpy())
    # sums of up to 200 float32 terms in another order
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5 * np.abs(expected).max())


@pytest.mark.parametrize("step", ["import", "canonicalise", "mark", "fuse"])
def test_it_is_one_dataflow_block_over_the_inputs_and_the_named_weights(case, step):
    program = case.steps[step]
    assert relax.analysis.well_formed(program.module) is not False
    (block,) = program.module["main"].body.blocks
    assert isinstance(block, relax.DataflowBlock)
    names = [var.name for var in Block.of(program.module).weights]
    assert names == list(program.parameters) == list(program.arrays)
    bound = [binding.var.name for binding in block.bindings]
    assert len(set(bound)) == len(bound)


@pytest.mark.parametrize("step", ["import", "canonicalise", "mark", "fuse"])
def test_it_survives_being_written_as_json(case, step):
    module = case.steps[step].module
    again = tvm.ir.load_json(tvm.ir.save_json(module))
    tvm.ir.assert_structural_equal(again, module)
    assert [v.name for v in again["main"].params] == [v.name for v in module["main"].params]


def test_each_layer_draws_in_what_follows_it(case):
    layers, _ = layers_of(case.steps["fuse"], Plan())
    if (case.net, case.source) == (nets.Twice, "onnx"):
        # the exporter writes what is called twice out twice, under names of its own
        assert [layer.epilogue for layer in layers] == list(EPILOGUES[case.net].values())
    else:
        assert {layer.name: layer.epilogue for layer in layers} == EPILOGUES[case.net]


def test_no_convolution_or_matmul_is_left_behind(case):
    _, dense = layers_of(case.steps["fuse"], Plan())
    assert dense == ()


def test_no_batch_norm_pad_or_dropout_is_left(case):
    text = case.steps["canonicalise"].module.script()
    assert not any(name in text for name in ("batch_norm", "nn.pad", "dropout"))


def test_zeros_stay_zeros_and_nothing_else_becomes_one(case):
    layers, _ = layers_of(case.steps["fuse"], Plan())
    for layer in layers:
        weight = case.steps["fuse"].arrays[layer.weight]
        name = layer.name.partition("@")[0].removesuffix("_1")
        dense = case.module.get_parameter(f"{name}.weight").detach().numpy()
        assert weight.shape == layer.weight_shape == dense.shape
        np.testing.assert_array_equal(weight == 0, dense == 0)
