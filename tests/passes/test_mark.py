"""Layers get functions with their names; what is not taken says why."""

import numpy as np
import pytest
from tvm.script import ir as I, relax as R

from sparsetvm._tvm import relax, tvm
from sparsetvm.passes.block import Block
from sparsetvm.passes.fuse import fuse
from sparsetvm.passes.mark import layer_of_call, layers_of, mark
from sparsetvm.sparsity.dense import Dense
from sparsetvm.sparsity.plan import Plan
from tests.passes.machine import random_inputs, run, with_random_weights


@I.ir_module
class Net:
    """A convolution, the same weight once more, a linear layer."""

    @R.function
    def main(
        x: R.Tensor((1, 3, 7, 6), "float32"),
        conv: R.Tensor((3, 3, 3, 2), "float32"),
        fc: R.Tensor((4, 5), "float32"),
    ):
        R.func_attr({"num_input": 1})
        with R.dataflow():
            a = R.nn.conv2d(x, conv, strides=[2, 1], padding=[1, 0, 2, 1], dilation=[1, 2])
            b = R.nn.conv2d(a, conv, padding=[1, 1, 1, 0])
            t = R.permute_dims(fc)
            y = R.matmul(b, t)
            R.output(y)
        return y


@I.ir_module
class Marked:
    @R.function(private=True)
    def conv(x: R.Tensor((1, 3, 7, 6), "float32"), weight: R.Tensor((3, 3, 3, 2), "float32")):
        R.func_attr(
            {"sparsetvm.layer": "conv", "sparsetvm.kind": "conv2d", "sparsetvm.epilogue": []}
        )
        with R.dataflow():
            y = R.nn.conv2d(x, weight, strides=[2, 1], padding=[1, 0, 2, 1], dilation=[1, 2])
            R.output(y)
        return y

    @R.function(private=True)
    def conv_2(x: R.Tensor((1, 3, 4, 5), "float32"), weight: R.Tensor((3, 3, 3, 2), "float32")):
        R.func_attr(
            {"sparsetvm.layer": "conv@2", "sparsetvm.kind": "conv2d", "sparsetvm.epilogue": []}
        )
        with R.dataflow():
            y = R.nn.conv2d(x, weight, padding=[1, 1, 1, 0])
            R.output(y)
        return y

    @R.function(private=True)
    def fc(x: R.Tensor((1, 3, 4, 5), "float32"), weight: R.Tensor((4, 5), "float32")):
        R.func_attr({"sparsetvm.layer": "fc", "sparsetvm.kind": "linear", "sparsetvm.epilogue": []})
        with R.dataflow():
            t = R.permute_dims(weight)
            y = R.matmul(x, t)
            R.output(y)
        return y

    @R.function
    def main(
        x: R.Tensor((1, 3, 7, 6), "float32"),
        conv: R.Tensor((3, 3, 3, 2), "float32"),
        fc: R.Tensor((4, 5), "float32"),
    ):
        R.func_attr({"num_input": 1})
        cls = Marked
        with R.dataflow():
            a = cls.conv(x, conv)
            b = cls.conv_2(a, conv)
            y = cls.fc(b, fc)
            R.output(y)
        return y


@pytest.fixture(scope="module")
def program():
    return with_random_weights(Net)


def test_each_layer_becomes_a_private_function_that_bears_its_name(program):
    marked = mark(program)
    tvm.ir.assert_structural_equal(marked.module, Marked)
    (x,) = random_inputs(program)
    np.testing.assert_array_equal(run(marked, x), run(program, x))


def test_marking_twice_is_marking_once(program):
    marked = mark(program)
    tvm.ir.assert_structural_equal(mark(marked).module, marked.module)


def test_a_call_tells_which_layer_it_is(program):
    marked = mark(program)
    calls = Block.of(marked.module).bindings.values()
    assert [layer_of_call(marked.module, call) for call in calls] == ["conv", "conv@2", "fc"]
    calls = Block.of(program.module).bindings.values()
    assert {layer_of_call(program.module, call) for call in calls} == {None}


def test_a_record_says_what_the_function_says(program):
    (conv, again, fc), dense = layers_of(mark(program), Plan())
    assert dense == ()
    assert (conv.name, conv.kind, conv.weight, conv.bias) == ("conv", "conv2d", "conv", None)
    assert (conv.input_shape, conv.output_shape) == ((1, 3, 7, 6), (1, 3, 4, 5))
    assert (conv.kernel, conv.stride, conv.dilation) == ((3, 2), (2, 1), (1, 2))
    assert conv.padding == ((1, 2), (0, 1))
    assert conv.epilogue == ()
    assert (conv.structure, conv.weight_shape, conv.parameters) == (Dense(), (3, 3, 3, 2), 54)
    assert (again.name, again.weight, again.padding) == ("conv@2", "conv", ((1, 1), (1, 0)))
    assert (fc.kind, fc.kernel, fc.stride, fc.padding, fc.dilation) == ("linear", (), (), (), ())
    assert (fc.input_shape, fc.output_shape) == ((1, 3, 4, 5), (1, 3, 4, 4))


def test_the_plan_is_asked_for_the_module_and_weights_that_stay_are_counted(program):
    plan = Plan.from_dict({"layers": [{"match": "conv", "structure": "nm", "n": 1, "m": 3}]})
    arrays = program.arrays | {"conv": program.arrays["conv"] * (np.arange(3) == 1)[:, None, None]}
    pruned = type(program)(program.module, arrays, program.parameters, program.inputs, "")
    layers, _ = layers_of(mark(pruned), plan)
    assert [type(layer.structure).__name__ for layer in layers] == ["NM", "NM", "Dense"]
    assert [layer.parameters for layer in layers] == [18, 18, 20]


def _main(emit, x_shape, weight_shape, dtype="float32"):
    """main(x, w) around what `emit` makes of them."""
    builder = relax.BlockBuilder()
    x = relax.Var("x", relax.TensorType(x_shape, dtype))
    w = relax.Var("layer.weight", relax.TensorType(weight_shape, dtype))
    with builder.function("main", [x, w], attrs={"num_input": 1}):
        with builder.dataflow():
            y = builder.emit_output(builder.normalize(emit(x, w)))
        builder.emit_func_output(y)
    return with_random_weights(builder.get())


NN = relax.op.nn
IMAGE, KERNEL = (1, 6, 5, 7), (6, 6, 3, 3)


def test_a_depthwise_convolution_is_a_layer_and_dense_whatever_the_plan_says():
    program = mark(_main(lambda x, w: NN.conv2d(x, w, groups=6), IMAGE, (6, 1, 3, 3)))
    (layer,), dense = layers_of(program, Plan.uniform("nm", n=1, m=3))
    assert dense == ()
    assert (layer.name, layer.kind, layer.structure) == ("layer", "depthwise2d", Dense())
    assert layer.weight_shape == (6, 1, 3, 3)


@pytest.mark.parametrize(
    ("program", "name", "reason"),
    [
        (_main(lambda x, w: NN.conv2d(x, w, groups=6), IMAGE, (12, 1, 3, 3)), "layer", "6 groups"),
        (_main(lambda x, w: NN.conv2d(x, w, groups=2), IMAGE, (4, 3, 3, 3)), "layer", "2 groups"),
        (
            _main(lambda x, w: NN.conv2d_transpose(x, w), IMAGE, KERNEL),
            "layer",
            "transposed convolution",
        ),
        (
            _main(lambda x, w: NN.conv2d(x, relax.op.tanh(w)), IMAGE, KERNEL),
            None,
            "weight computed at run time",
        ),
        (
            _main(lambda x, w: NN.conv2d(x, w, data_layout="NHWC"), (1, 5, 7, 6), KERNEL),
            "layer",
            "layout NHWC, OIHW",
        ),
        (
            _main(lambda x, w: NN.conv2d(x, w, out_layout="NHWC"), IMAGE, KERNEL),
            "layer",
            "layout NCHW to NHWC",
        ),
        (_main(lambda x, w: NN.conv2d(x, w), IMAGE, KERNEL, "float16"), "layer", "dtype float16"),
        (
            _main(lambda x, w: relax.op.matmul(x, relax.op.permute_dims(x)), (3, 5), (1,)),
            None,
            "weight computed at run time",
        ),
        (
            _main(lambda x, w: relax.op.matmul(x, w), (2, 3, 5), (2, 5, 4)),
            "layer",
            "no constant matrix to multiply by",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) and " " in value else "",
)
def test_what_is_not_taken_is_left_alone_and_says_why(program, name, reason):
    marked = fuse(mark(program))
    assert [var.name_hint for var in marked.module.get_global_vars()] == ["main"]
    layers, (op,) = layers_of(marked, Plan())
    assert layers == ()
    assert op.reason == reason
    assert name in (op.name, None)
