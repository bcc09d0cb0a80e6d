"""Whatever a graph is made of, it comes out in one form, and computes the same."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.utils import prune
from tvm.script import ir as I, relax as R, tirx as T

from sparsetvm._tvm import tvm
from sparsetvm.frontends import read
from sparsetvm.passes.block import Block
from sparsetvm.passes.canonicalise import canonicalise
from tests.passes import nets
from tests.passes.machine import random_inputs, run, with_random_weights


def assert_becomes(before: tvm.IRModule, expected: tvm.IRModule) -> None:
    program = with_random_weights(before)
    after = canonicalise(program)
    tvm.ir.assert_structural_equal(after.module, expected)
    x = random_inputs(program)
    np.testing.assert_allclose(run(after, *x), run(program, *x), rtol=1e-5, atol=1e-5)


def test_padding_goes_into_the_convolution():
    @I.ir_module
    class Before:
        @R.function
        def main(x: R.Tensor((1, 3, 5, 6), "float32"), w: R.Tensor((4, 3, 3, 3), "float32")):
            R.func_attr({"num_input": 1})
            with R.dataflow():
                p = R.nn.pad(x, [0, 0, 0, 0, 0, 1, 2, 0])
                q = R.nn.pad(p, [0, 0, 0, 0, 1, 0, 0, 0])
                y = R.nn.conv2d(q, w, strides=2, padding=[1, 0, 0, 1])
                R.output(y)
            return y

    @I.ir_module
    class Expected:
        @R.function
        def main(x: R.Tensor((1, 3, 5, 6), "float32"), w: R.Tensor((4, 3, 3, 3), "float32")):
            R.func_attr({"num_input": 1})
            with R.dataflow():
                y = R.nn.conv2d(x, w, strides=2, padding=[2, 2, 1, 1])
                R.output(y)
            return y

    assert_becomes(Before, Expected)


def test_padding_that_convolutions_do_not_have_stays():
    @I.ir_module
    class Before:
        @R.function
        def main(x: R.Tensor((1, 3, 5, 6), "float32"), w: R.Tensor((4, 3, 3, 3), "float32")):
            R.func_attr({"num_input": 1})
            with R.dataflow():
                ones = R.nn.pad(x, [0, 0, 0, 0, 1, 1, 1, 1], pad_value=1.0)
                a = R.nn.conv2d(ones, w)
                mirror = R.nn.pad(x, [0, 0, 0, 0, 1, 1, 1, 1], pad_mode="reflect")
                b = R.nn.conv2d(mirror, w)
                y = R.multiply(a, b)
                R.output(y)
            return y

    assert_becomes(Before, Before)


def test_a_pad_that_others_read_stays_for_them():
    @I.ir_module
    class Before:
        @R.function
        def main(x: R.Tensor((1, 4, 5, 6), "float32"), w: R.Tensor((4, 4, 3, 3), "float32")):
            R.func_attr({"num_input": 1})
            with R.dataflow():
                p = R.nn.pad(x, [0, 0, 0, 0, 1, 1, 1, 1])
                m = R.nn.max_pool2d(p, pool_size=[3, 3])
                c = R.nn.conv2d(p, w)
                y = R.multiply(m, c)
                R.output(y)
            return y

    @I.ir_module
    class Expected:
        @R.function
        def main(x: R.Tensor((1, 4, 5, 6), "float32"), w: R.Tensor((4, 4, 3, 3), "float32")):
            R.func_attr({"num_input": 1})
            with R.dataflow():
                p = R.nn.pad(x, [0, 0, 0, 0, 1, 1, 1, 1])
                m = R.nn.max_pool2d(p, pool_size=[3, 3])
                c = R.nn.conv2d(x, w, padding=1)
                y = R.multiply(m, c)
                R.output(y)
            return y

    assert_becomes(Before, Expected)


def test_what_scales_and_shifts_filters_becomes_weight_and_bias():
    @I.ir_module
    class Before:
        @R.function
        def main(
            x: R.Tensor((1, 3, 5, 6), "float32"),
            w: R.Tensor((4, 3, 3, 3), "float32"),
            a: R.Tensor((4, 1, 1), "float32"),
            b: R.Tensor((4,), "float32"),
        ):
            R.func_attr({"num_input": 1})
            with R.dataflow():
                y = R.nn.conv2d(x, w)
                y1 = R.add(a, y)
                y2 = R.multiply(y1, R.reshape(b, [1, 4, 1, 1]))
                y3 = R.subtract(y2, R.const(0.5, "float32"))
                y4 = R.divide(y3, a)
                R.output(y4)
            return y4

    @I.ir_module
    class Expected:
        @R.function
        def main(
            x: R.Tensor((1, 3, 5, 6), "float32"),
            w: R.Tensor((4, 3, 3, 3), "float32"),
            bias: R.Tensor((4,), "float32"),
        ):
            R.func_attr({"num_input": 1})
            with R.dataflow():
                y = R.nn.conv2d(x, w)
                b = R.reshape(bias, [1, 4, 1, 1])
                z = R.add(y, b)
                R.output(z)
            return z

    assert_becomes(Before, Expected)


def test_what_is_no_number_per_filter_stays():
    @I.ir_module
    class Before:
        @R.function
        def main(
            x: R.Tensor((1, 4, 3, 4), "float32"),
            w: R.Tensor((4, 4, 1, 1), "float32"),
            columns: R.Tensor((4,), "float32"),
        ):
            R.func_attr({"num_input": 1})
            with R.dataflow():
                c = R.nn.conv2d(x, w)
                y = R.add(c, columns)  # along the width, which happens to be 4 too
                R.output(y)
            return y

    assert_becomes(Before, Before)


def test_a_layer_whose_result_others_read_is_not_scaled():
    @I.ir_module
    class Before:
        @R.function
        def main(
            x: R.Tensor((1, 3, 5, 6), "float32"),
            w: R.Tensor((4, 3, 3, 3), "float32"),
            a: R.Tensor((4, 1, 1), "float32"),
        ):
            R.func_attr({"num_input": 1})
            with R.dataflow():
                c = R.nn.conv2d(x, w)
                s = R.multiply(c, a)
                y = R.tanh(c)
                z = R.add(s, y)
                R.output(z)
            return z

    assert_becomes(Before, Before)


def test_a_linear_layer_keeps_its_weight_filters_first():
    @I.ir_module
    class Before:
        @R.function
        def main(
            x: R.Tensor((2, 3, 5), "float32"),
            w: R.Tensor((5, 4), "float32"),
            b: R.Tensor((4,), "float32"),
        ):
            R.func_attr({"num_input": 1})
            with R.dataflow():
                m = R.matmul(x, w)
                y = R.add(b, m)
                R.output(y)
            return y

    @I.ir_module
    class Expected:
        @R.function
        def main(
            x: R.Tensor((2, 3, 5), "float32"),
            w: R.Tensor((4, 5), "float32"),
            b: R.Tensor((4,), "float32"),
        ):
            R.func_attr({"num_input": 1})
            with R.dataflow():
                t = R.permute_dims(w)
                m = R.matmul(x, t)
                y = R.add(m, b)
                R.output(y)
            return y

    assert_becomes(Before, Expected)
    program = with_random_weights(Before)
    after = canonicalise(program)
    np.testing.assert_array_equal(after.arrays["w"], program.arrays["w"].T)
    assert after.parameters == ("w", "w.bias")


def test_clips_in_a_row_are_one():
    @I.ir_module
    class Before:
        @R.function
        def main(x: R.Tensor((3, 5), "float32")):
            R.func_attr({"num_input": 1})
            with R.dataflow():
                a = R.maximum(x, R.const(0.0, "float32"))
                b = R.minimum(a, R.const(0.75, "float32"))
                c = R.clip(b, -1, 0.5)
                d = R.clip(R.negative(x), 0, R.prim_value(T.float64("inf")))
                y = R.add(c, d)
                R.output(y)
            return y

    @I.ir_module
    class Expected:
        @R.function
        def main(x: R.Tensor((3, 5), "float32")):
            R.func_attr({"num_input": 1})
            with R.dataflow():
                c = R.clip(x, T.float64(0.0), T.float64(0.5))
                n = R.negative(x)
                d = R.nn.relu(n)
                y = R.add(c, d)
                R.output(y)
            return y

    assert_becomes(Before, Expected)


def test_a_norm_goes_into_the_layer_before_it_under_that_layers_name():
    module = nn.Sequential(nn.Conv2d(3, 5, 3, bias=False), nn.BatchNorm2d(5))
    program = canonicalise(read(module, torch.randn(1, 3, 6, 5)))
    assert program.parameters == ("0.weight", "0.bias")


def test_a_norm_without_a_layer_before_it_is_a_multiply_and_an_add():
    module = nets.make(lambda: nn.Sequential(nn.BatchNorm2d(3, affine=False), nn.Conv2d(3, 4, 1)))
    x = torch.randn(1, 3, 6, 5)
    program = canonicalise(read(module, x))
    text = program.module.script()
    assert "batch_norm" not in text
    assert text.count("R.multiply") == 1
    np.testing.assert_allclose(run(program, x.numpy()), module(x).detach(), rtol=1e-4, atol=1e-5)


def test_a_norm_of_the_batch_itself_stays():
    @I.ir_module
    class Before:
        @R.function
        def main(
            x: R.Tensor((2, 3, 4, 5), "float32"),
            g: R.Tensor((3,), "float32"),
            b: R.Tensor((3,), "float32"),
            m: R.Tensor((3,), "float32"),
            v: R.Tensor((3,), "float32"),
        ):
            R.func_attr({"num_input": 1})
            with R.dataflow():
                n = R.nn.batch_norm(x, g, b, m, v, axis=1, training=True)
                y = n[0]
                R.output(y)
            return y

    tvm.ir.assert_structural_equal(canonicalise(with_random_weights(Before)).module, Before)


@pytest.mark.parametrize("layer", [nn.ConvTranspose2d(3, 5, 3), nn.Conv2d(3, 6, 3, groups=3)])
def test_a_norm_after_a_layer_that_is_not_marked_is_right_too(layer):
    filters = layer.out_channels
    module = nets.make(lambda: nn.Sequential(layer, nn.BatchNorm2d(filters), nn.ReLU()))
    x = torch.randn(1, 3, 6, 5)
    program = canonicalise(read(module, x))
    np.testing.assert_allclose(run(program, x.numpy()), module(x).detach(), rtol=1e-4, atol=1e-5)


def test_a_variance_below_zero_stays_what_it_is():
    module = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4))
    module[1].running_var[2] = -1
    program = canonicalise(read(module, torch.randn(1, 3, 5, 4)))
    assert "batch_norm" in program.module.script()
    assert not any(np.isnan(array).any() for array in program.arrays.values())


def test_a_division_by_zero_stays_in_the_graph():
    program = canonicalise(read(_Divided(), torch.randn(1, 3, 5, 4)))
    assert "R.divide" in program.module.script()
    assert np.isfinite(program.arrays["conv.weight"]).all()


class _Divided(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 2, 1)
        self.register_buffer("by", torch.tensor([[[0.0]], [[2.0]]]))

    def forward(self, x):
        return self.conv(x) / self.by


def test_dropout_leaves_nothing_behind():
    @I.ir_module
    class Before:
        @R.function
        def main(x: R.Tensor((3, 5), "float32")):
            R.func_attr({"num_input": 1})
            with R.dataflow():
                d = R.nn.dropout(x, rate=0.5)
                a = d[0]
                pair = (a, x)
                y = R.tanh(pair[0])
                R.output(y)
            return y

    @I.ir_module
    class Expected:
        @R.function
        def main(x: R.Tensor((3, 5), "float32")):
            R.func_attr({"num_input": 1})
            with R.dataflow():
                y = R.tanh(x)
                R.output(y)
            return y

    assert_becomes(Before, Expected)


def test_a_net_that_does_nothing_stays_one():
    x = torch.randn(2, 3)
    program = canonicalise(read(nn.Dropout(), x))
    assert not Block.of(program.module).weights
    np.testing.assert_array_equal(run(program, x.numpy()), x)


@pytest.mark.filterwarnings("ignore:The tensor attribute")
def test_a_mask_is_multiplied_into_its_weight():
    module = nn.Sequential(nn.Conv2d(3, 4, 3))
    prune.random_unstructured(module[0], "weight", 0.5)
    program = canonicalise(read(module, torch.randn(1, 3, 6, 5)))
    assert program.parameters == ("0.weight", "0.bias")
    np.testing.assert_array_equal(program.arrays["0.weight"], module[0].weight.detach())


def test_a_weight_that_two_layers_share_is_one_array_until_one_is_scaled():
    class Shared(nn.Module):
        def __init__(self, norm):
            super().__init__()
            self.conv, self.norm = nn.Conv2d(3, 3, 1, bias=False), norm

        def forward(self, x):
            return self.conv(torch.tanh(self.norm(self.conv(x))))

    x = torch.randn(1, 3, 5, 4)
    assert canonicalise(read(Shared(nn.Identity()), x)).parameters == ("conv.weight",)
    scaled = canonicalise(read(Shared(nn.BatchNorm2d(3)), x))
    assert scaled.parameters == ("conv.weight", "conv.bias", "conv@2.weight")


def test_a_linear_layer_called_twice_keeps_one_weight_and_one_bias():
    class Shared(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc = nn.Linear(4, 4)

        def forward(self, x):
            return self.fc(torch.tanh(self.fc(x)))

    program = canonicalise(read(Shared(), torch.randn(2, 4)))
    assert program.parameters == ("fc.weight", "fc.bias")
