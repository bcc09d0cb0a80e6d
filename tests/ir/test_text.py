"""The layer IR as it is printed."""

from dataclasses import replace

import numpy as np

from sparsetvm.ir import DenseOp, LayerIR, print_layer_ir
from sparsetvm.sparsity import PatternConnectivity

NET = """\
torch Net in relax: 3 layers, 178 of 666 weights stay (3.7x)
in   x [1,3,9,7] float32
out  [1,3] float32

%0 features.0:  conv2d [1,3,9,7] -> [1,8,9,7]  kernel 3x3 stride 1 pad 1     then bias, relu
   pattern(4 entries, set of 8) + connectivity 2x   group 2  block 2
   packed  4 groups x 2 blocks x 4 columns x 2   0.3 kB of 0.9 kB (3.4x)
%1 features.10: conv2d [1,8,9,7] -> [1,6,4,3]  kernel 3x3 stride 2 pad 0:1   then add, relu6
   pattern(4 entries, set of 8) + connectivity 2x   group 2  block 2
   packed  3 groups x 4 blocks x 4 columns x 2   0.4 kB of 1.7 kB (4.5x)
%2 head:        linear [1,1,6]   -> [1,1,3]                                  then bias, relu
   dense   0.1 kB

runs as TVM's dense code:
   no weights  nn.max_pool2d x2
   depthwise   nn.conv2d"""


def test_a_net_reads_as_a_table(net):
    assert str(net) == NET


def test_measured_times_follow_their_layer(net):
    text = print_layer_ir(net, {"head": ["cpu     tuned 1.21 ms", "phone   tuned 3.1 ms"]})

    added = "\n   cpu     tuned 1.21 ms\n   phone   tuned 3.1 ms\n\nruns as"
    assert text == NET.replace("\n\nruns as", added)


def test_a_large_layer_reads_as_in_the_design(build_layer):
    structure = PatternConnectivity(connectivity=3.6, group=8, block=32)
    layer, arrays = build_layer(
        "conv2d", name="features.12", channels=256, filters=256, size=(56, 56), structure=structure
    )

    assert str(LayerIR((layer,), (), arrays, "")).splitlines()[2:] == [
        "%0 features.12: conv2d [1,256,56,56] -> [1,256,56,56]  kernel 3x3 stride 1 pad 1"
        "   then bias, relu",
        "   pattern(4 entries, set of 8) + connectivity 3.6x   group 8  block 32",
        "   packed  32 groups x 8 blocks x 36 columns x 8   0.29 MB of 2.36 MB (8.0x)",
    ]


def test_axes_are_told_apart_only_where_they_differ(build_layer):
    layer, arrays = build_layer(
        "conv3d", kernel=(1, 3, 3), stride=(1, 2, 2), padding=((0, 0), (1, 1), (0, 2)),
        dilation=(1, 1, 2), epilogue=(),
    )  # fmt: skip

    head = str(LayerIR((layer,), (), arrays, "")).splitlines()[2]
    assert head.endswith("  kernel 1x3x3 stride 1x2x2 pad 0x1x0:2 dilation 1x1x2")


def test_numbers_of_ten_layers_and_more_stay_in_line(build_layer):
    layer, arrays = build_layer("linear")
    layers = tuple(replace(layer, name=f"l{i}") for i in range(11))

    lines = str(LayerIR(layers, (), arrays, "")).splitlines()
    heads = [line for line in lines if line.startswith("%")]
    assert (heads[0][:8], heads[10][:8]) == ("%0  l0: ", "%10 l10:")
    assert len({head.index("linear") for head in heads}) == 1


def test_a_net_without_layers_prints_its_ends_and_its_dense_ops():
    ir = LayerIR((), (DenseOp("a", "nn.relu", "no weights"),), {}, "", source="model.onnx")

    assert str(ir) == (
        "model.onnx in relax: 0 layers, 0 of 0 weights stay (0.0x)\n"
        "\nruns as TVM's dense code:\n   no weights  nn.relu"
    )


def test_arrays_and_graph_stay_out_of_the_representation(net):
    ir = replace(net, arrays={"w": np.zeros(3)}, graph="secret")

    assert "secret" not in repr(ir) and "arrays" not in repr(ir)
