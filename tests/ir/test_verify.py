"""Every rule of the layer IR has its message."""

from dataclasses import replace

import numpy as np
import pytest

from sparsetvm.errors import ModelError
from sparsetvm.ir import LayerIR, verify
from sparsetvm.ir.verify import STAGES

AGAIN = "\n  export the model again; if this stays, its front end is at fault: report it$"


def change(net: LayerIR, layer: int = 0, **fields) -> LayerIR:
    layers = list(net.layers)
    layers[layer] = replace(layers[layer], **fields)
    return replace(net, layers=tuple(layers))


def with_array(net: LayerIR, name: str, array: np.ndarray) -> LayerIR:
    return replace(net, arrays=net.arrays | {name: array})


def test_a_good_net_passes(net):
    verify(net)
    verify(LayerIR((), (), {}, ""))


@pytest.mark.parametrize(
    "fields, message",
    [
        (
            {"kind": "conv4d"},
            "kind 'conv4d' is none of conv1d, conv2d, conv3d, depthwise1d, depthwise2d, depthwise3d, linear",
        ),
        ({"kind": "conv1d"}, r"kernel \(3, 3\) has not one entry for each of 1 axes"),
        ({"stride": (1,)}, r"stride \(1,\) has not one entry for each of 2 axes"),
        ({"padding": ()}, r"padding \(\) has not one entry for each of 2 axes"),
        ({"dilation": (1, 1, 1)}, r"dilation \(1, 1, 1\) has not one entry for each of 2 axes"),
        ({"input_shape": (3, 9, 7)}, r"input shape \(3, 9, 7\) is not that of a conv2d"),
        ({"kernel": (3, 1)}, r"weight shape \(8, 3, 3, 3\) does not end in kernel \(3, 1\)"),
        ({"weight_shape": (8, 27)}, r"weight shape \(8, 27\) does not end in kernel \(3, 3\)"),
        ({"stride": (0, 1)}, r"stride \(0, 1\) holds a number below 1"),
        ({"dilation": (1, 0)}, r"dilation \(1, 0\) holds a number below 1"),
        ({"input_shape": (0, 3, 9, 7)}, r"input shape \(0, 3, 9, 7\) holds a number below 1"),
        ({"padding": ((1, 1), (-1, 1))}, r"padding \(\(1, 1\), \(-1, 1\)\) holds a number below 0"),
        ({"input_shape": (1, 4, 9, 7)}, "the input has 4 channels, the weight takes 3"),
        (
            {"output_shape": (1, 8, 9, 8)},
            r"output shape is \(1, 8, 9, 8\); \(1, 8, 9, 7\) follows from the input",
        ),
        (
            {"input_shape": (1, 3, 9, 1), "padding": ((1, 1), (0, 1))},
            r"kernel \(3, 3\) does not fit into the padded input \(1, 3, 9, 1\)",
        ),
        (
            {"epilogue": ("relu", "bias")},
            "epilogue relu, bias is not in the order bias, add, relu/",
        ),
        ({"epilogue": ("add", "bias")}, "epilogue add, bias is not in the order"),
        ({"epilogue": ("bias", "relu", "relu")}, "epilogue bias, relu, relu is not in the order"),
        ({"epilogue": ("bias", "gelu")}, "epilogue bias, gelu is not in the order"),
        ({"epilogue": ("relu",)}, "a bias array and 'bias' in the epilogue need each other"),
        ({"bias": None}, "a bias array and 'bias' in the epilogue need each other"),
        ({"weight": "w"}, "array w is missing"),
        ({"bias": "b"}, "array b is missing"),
        ({"parameters": 65}, "65 parameters are said to stay; 64 do"),
    ],
)
def test_a_record_that_contradicts_itself_is_named(net, fields, message):
    with pytest.raises(ModelError, match=f"(?s)^features.0: {message}.*{AGAIN}"):
        verify(change(net, **fields))


@pytest.mark.parametrize("shape", [(1, 1, 6), (3, 6, 1)])
def test_a_linear_weight_has_two_axes(net, shape):
    with pytest.raises(ModelError, match=r"head: weight shape .* does not end in kernel \(\)"):
        verify(change(net, 2, weight_shape=shape))


def test_a_linear_output_keeps_all_but_the_features(net):
    with pytest.raises(ModelError, match=r"head: output shape is \(1, 3\); \(1, 1, 3\) follows"):
        verify(change(net, 2, output_shape=(1, 3)))


def test_two_layers_of_one_name_are_named(net):
    with pytest.raises(ModelError, match=f"^head: 2 layers have this name{AGAIN}"):
        verify(replace(net, layers=(*net.layers, net.layers[2])))


def test_an_array_of_another_shape_is_named(net):
    wrong = with_array(net, "features.0.bias", np.zeros((8, 1), np.float32))

    expected = r"array features.0.bias has shape \(8, 1\); the layer says \(8,\)"
    with pytest.raises(ModelError, match=f"^features.0: {expected}{AGAIN}"):
        verify(wrong)


@pytest.mark.parametrize("dtype", [np.float16, np.float64, np.int8])
def test_an_unsupported_dtype_is_named_with_its_layer(net, dtype):
    weight = net.arrays["features.0.weight"].astype(dtype)
    expected = (
        f"array features.0.weight is {np.dtype(dtype)}; sparse layers are float32\n  export it"
    )

    with pytest.raises(ModelError, match=f"^features.0: {expected}"):
        verify(with_array(net, "features.0.weight", weight))


@pytest.mark.parametrize("number", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("name", ["features.0.weight", "features.0.bias"])
def test_numbers_that_are_none_are_counted(net, name, number):
    array = net.arrays[name].copy()
    array.flat[[1, 3]] = number

    expected = f"array {name} holds 2 NaN or infinite numbers of {array.size}\n  train it again"
    with pytest.raises(ModelError, match=f"^features.0: {expected}"):
        verify(with_array(net, name, array))


def test_a_weight_that_breaks_its_structure_is_named_with_the_next_step(net):
    full = np.ones((8, 3, 3, 3), np.float32)

    expected = "^features.0: filters .* keep .*\n  prune first .sparsetvm prune., or give the layer"
    with pytest.raises(ModelError, match=expected):
        verify(change(with_array(net, "features.0.weight", full), parameters=full.size))


def test_all_layers_are_told_a_line_each_and_each_next_step_once(net):
    wrong = change(
        change(net, 0, bias=None), 1, output_shape=(1, 6, 1, 1), epilogue=("relu", "add")
    )
    wrong = with_array(wrong, "head.weight", net.arrays["head.weight"].astype(np.float16))

    with pytest.raises(ModelError) as raised:
        verify(wrong)

    assert str(raised.value).splitlines() == [
        "features.0: a bias array and 'bias' in the epilogue need each other",
        "features.10: output shape is (1, 6, 1, 1); (1, 6, 4, 3) follows from the input",
        "features.10: epilogue relu, add is not in the order bias, add, "
        "relu/relu6/hardswish/sigmoid/silu",
        "head: array head.weight is float16; sparse layers are float32",
        "  export the model again; if this stays, its front end is at fault: report it",
        "  export it in float32 (model.float()), or leave this layer dense",
    ]


def test_every_rule_says_one_next_step():
    rules = [rule for stage in STAGES for rule in stage]

    assert len(rules) == len(set(rules))
    assert all("\n" not in step for stage in STAGES for step in stage.values())
