"""What follows a layer goes into its function, as far as nothing else reads it."""

import numpy as np
import pytest
from tvm.script import ir as I, relax as R

from sparsetvm._tvm import relax, tvm
from sparsetvm.passes.block import Block
from sparsetvm.passes.fuse import fuse
from sparsetvm.passes.layer_function import called_function, epilogue_of
from sparsetvm.passes.mark import layers_of, mark
from sparsetvm.sparsity.plan import Plan
from tests.passes.machine import random_inputs, run, with_random_weights


@I.ir_module
class Net:
    @R.function
    def main(
        x: R.Tensor((1, 3, 5, 6), "float32"),
        w: R.Tensor((3, 3, 3, 3), "float32"),
        b: R.Tensor((3,), "float32"),
    ):
        R.func_attr({"num_input": 1})
        with R.dataflow():
            c = R.nn.conv2d(x, w, padding=1)
            r = R.reshape(b, [1, 3, 1, 1])
            d = R.add(c, r)
            e = R.add(x, d)
            y = R.nn.relu(e)
            R.output(y)
        return y


@I.ir_module
class Fused:
    @R.function(private=True)
    def w(
        x: R.Tensor((1, 3, 5, 6), "float32"),
        weight: R.Tensor((3, 3, 3, 3), "float32"),
        bias: R.Tensor((3,), "float32"),
        residual: R.Tensor((1, 3, 5, 6), "float32"),
    ):
        R.func_attr(
            {
                "sparsetvm.layer": "w",
                "sparsetvm.kind": "conv2d",
                "sparsetvm.epilogue": ["bias", "add", "relu"],
            }
        )
        with R.dataflow():
            c = R.nn.conv2d(x, weight, padding=1)
            r = R.reshape(bias, [1, 3, 1, 1])
            d = R.add(c, r)
            e = R.add(d, residual)
            y = R.nn.relu(e)
            R.output(y)
        return y

    @R.function
    def main(
        x: R.Tensor((1, 3, 5, 6), "float32"),
        w: R.Tensor((3, 3, 3, 3), "float32"),
        b: R.Tensor((3,), "float32"),
    ):
        R.func_attr({"num_input": 1})
        cls = Fused
        with R.dataflow():
            y = cls.w(x, w, b, x)
            R.output(y)
        return y


def test_bias_residual_and_activation_go_into_the_layers_function():
    program = with_random_weights(Net)
    fused = fuse(mark(program))
    tvm.ir.assert_structural_equal(fused.module, Fused)
    (x,) = random_inputs(program)
    np.testing.assert_array_equal(run(fused, x), run(program, x))


def test_fusing_twice_is_fusing_once():
    fused = fuse(mark(with_random_weights(Net)))
    tvm.ir.assert_structural_equal(fuse(fused).module, fused.module)


def test_a_record_says_what_was_drawn_in():
    ((layer,), _) = layers_of(fuse(mark(with_random_weights(Net))), Plan())
    assert (layer.bias, layer.epilogue) == ("b", ("bias", "add", "relu"))


def epilogues(follow):
    """What is drawn into conv1 and conv2; `follow` makes the results of them, x and a vector."""
    builder = relax.BlockBuilder()
    x, vector, *weights = (
        relax.Var(name, relax.TensorType(shape, "float32"))
        for name, shape in {
            "x": (1, 4, 5, 4),
            "vector": (4,),
            "conv1.weight": (4, 4, 1, 1),
            "conv2.weight": (4, 4, 1, 1),
        }.items()
    )
    with builder.function("main", [x, *weights, vector], attrs={"num_input": 1}):
        with builder.dataflow():
            layers = [builder.emit(relax.op.nn.conv2d(x, weight)) for weight in weights]
            result = follow(builder.emit, x, vector, *layers)
            y = builder.emit_output(relax.Tuple(list(result)))
        builder.emit_func_output(y)
    program = fuse(mark(with_random_weights(builder.get())))
    calls = Block.of(program.module).bindings.values()
    functions = [called_function(program.module, call) for call in calls]
    return [epilogue_of(function) for function in functions if function is not None]


def test_a_value_that_is_read_twice_ends_the_epilogue():
    def follow(emit, x, vector, c1, c2):
        r1 = emit(relax.op.nn.relu(c1))
        r2 = emit(relax.op.nn.relu(c2))
        return emit(relax.op.sigmoid(r1)), r1, c2, r2

    assert epilogues(follow) == [("relu",), ()]


def test_of_two_layers_that_are_added_the_later_takes_the_add():
    def follow(emit, x, vector, c1, c2):
        return (emit(relax.op.add(c1, c2)),)

    assert epilogues(follow) == [(), ("add",)]


def test_a_value_added_to_itself_is_no_residual():
    def follow(emit, x, vector, c1, c2):
        return emit(relax.op.add(c1, c1)), emit(relax.op.add(c2, x))

    assert epilogues(follow) == [(), ("add",)]


def test_a_residual_computed_after_the_layer_is_added_outside():
    def follow(emit, x, vector, c1, c2):
        return emit(relax.op.add(c1, emit(relax.op.tanh(x)))), c2

    assert epilogues(follow) == [(), ()]


def test_what_only_broadcasts_is_neither_bias_nor_residual():
    def follow(emit, x, vector, c1, c2):
        row = emit(relax.op.mean(x, axis=[2], keepdims=True))
        return emit(relax.op.add(c1, vector)), emit(relax.op.add(c2, row))

    assert epilogues(follow) == [(), ()]


def test_a_weight_of_the_layers_shape_is_no_residual():
    assert _epilogue_of_sum(lambda x, w, p: (relax.op.nn.conv2d(x, w), p)) == ()


def test_a_depthwise_layer_takes_no_residual():
    assert _epilogue_of_sum(lambda x, w, p: (relax.op.nn.conv2d(x, w), x)) == ("add",)
    assert _epilogue_of_sum(lambda x, w, p: (relax.op.nn.conv2d(x, w, groups=2), x), 1) == ()


def _epilogue_of_sum(summands, channels=2):
    """What is drawn into the only layer of a net that adds two summands made of (x, weight, p)."""
    builder = relax.BlockBuilder()
    x, w, p = (
        relax.Var(name, relax.TensorType(shape, "float32"))
        for name, shape in (("x", (1, 2, 3, 3)), ("w", (2, channels, 1, 1)), ("p", (1, 2, 3, 3)))
    )
    with builder.function("main", [x, w, p], attrs={"num_input": 1}):
        with builder.dataflow():
            layer, other = summands(x, w, p)
            y = builder.emit_output(relax.op.add(builder.emit(layer), other))
        builder.emit_func_output(y)
    (layer,), _ = layers_of(fuse(mark(with_random_weights(builder.get()))), Plan())
    return layer.epilogue


def _c(number):
    return relax.const(number, "float32")


OP, NN = relax.op, relax.op.nn
ACTIVATIONS = {
    "relu": [
        NN.relu,
        lambda x: OP.maximum(x, _c(0.0)),
        lambda x: OP.maximum(_c([0.0]), x),
        lambda x: OP.clip(x, 0, float("inf")),
        lambda x: NN.relu(NN.relu(x)),
    ],
    "relu6": [
        lambda x: OP.clip(x, 0, 6),
        lambda x: OP.minimum(OP.maximum(x, _c(0.0)), _c(6.0)),
        lambda x: OP.minimum(NN.relu(x), _c(6.0)),
    ],
    "hardswish": [
        lambda x: OP.divide(OP.multiply(x, OP.clip(OP.add(x, _c(3.0)), 0, 6)), _c(6.0)),
        lambda x: OP.multiply(x, OP.divide(OP.clip(OP.add(_c(3.0), x), 0, 6), _c(6.0))),
        lambda x: OP.multiply(OP.multiply(OP.clip(OP.add(x, _c(3.0)), 0, 6), _c(1 / 6)), x),
        lambda x: OP.multiply(x, OP.clip(OP.add(OP.multiply(x, _c(0.16666667)), _c(0.5)), 0, 1)),
        lambda x: OP.multiply(
            x, OP.minimum(NN.relu(OP.add(OP.divide(x, _c(6.0)), _c(0.5))), _c(1.0))
        ),
    ],
    "sigmoid": [
        OP.sigmoid,
        lambda x: OP.divide(_c(1.0), OP.add(_c(1.0), OP.exp(OP.negative(x)))),
    ],
    "silu": [
        NN.silu,
        lambda x: OP.multiply(x, OP.sigmoid(x)),
        lambda x: OP.divide(x, OP.add(OP.exp(OP.multiply(x, _c(-1.0))), _c(1.0))),
    ],
}


@pytest.mark.parametrize(
    ("name", "form"),
    [(name, form) for name, forms in ACTIVATIONS.items() for form in forms],
)
def test_an_activation_is_known_in_every_form(name, form):
    assert epilogues(lambda emit, x, v, c1, c2: (emit(form(c1)), c2)) == [(name,), ()]


@pytest.mark.parametrize(
    "form",
    [
        lambda x: OP.clip(x, 0, 5.9),
        lambda x: OP.clip(x, -1, 6),
        lambda x: OP.clip(x, 0, 1e6),
        lambda x: NN.leakyrelu(x, 0.01),
        lambda x: OP.clip(OP.add(OP.multiply(x, _c(0.2)), _c(0.5)), 0, 1),
        lambda x: OP.multiply(x, OP.sigmoid(OP.multiply(x, _c(1.702)))),
        NN.gelu,
        OP.tanh,
        OP.negative,
    ],
)
def test_what_only_resembles_an_activation_stays_outside(form):
    assert epilogues(lambda emit, x, v, c1, c2: (emit(form(c1)), c2)) == [(), ()]


def test_an_activation_that_something_reads_half_way_stays_outside():
    def follow(emit, x, vector, c1, c2):
        gate = emit(relax.op.sigmoid(c1))
        return emit(relax.op.multiply(c1, gate)), gate, c2

    assert epilogues(follow) == [(), ()]


def test_the_longest_activation_is_taken_and_the_next_left():
    def follow(emit, x, vector, c1, c2):
        r1 = emit(relax.op.nn.relu(c1))
        r2 = emit(relax.op.minimum(emit(relax.op.nn.relu(c2)), _c(6.0)))
        return emit(relax.op.sigmoid(r1)), r2

    assert epilogues(follow) == [("relu",), ("relu6",)]
