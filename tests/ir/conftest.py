"""Layers and nets for the tests of the layer IR."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from sparsetvm.ir import KINDS, DenseOp, Layer, LayerIR, reference
from sparsetvm.sparsity import Dense, PatternConnectivity, Structure

DENSE = Dense()
Arrays = dict[str, np.ndarray]


@pytest.fixture(scope="session")
def build_layer() -> Callable[..., tuple[Layer, Arrays]]:
    return _build_layer


@pytest.fixture
def net() -> LayerIR:
    """Two convolutions and a linear layer, with arrays of other kinds that the graph keeps."""
    structure = PatternConnectivity(connectivity=2, group=2, block=2)
    first, arrays = _build_layer("conv2d", name="features.0", structure=structure)
    second, more = _build_layer(
        "conv2d", name="features.10", channels=8, filters=6, size=(9, 7), stride=(2, 2),
        padding=((0, 1), (0, 1)), epilogue=("add", "relu6"), structure=structure, seed=1,
    )  # fmt: skip
    third, most = _build_layer("linear", name="head", size=(1,), channels=6, filters=3, seed=2)
    constants = {
        "mean": np.array(0.5, np.float32),
        "axes": np.array([0, -1], np.int64),
        "none": np.zeros((0, 3), np.float16),
        "keep": np.array([[True], [False]]),
        "turned": np.arange(6, dtype=np.float64).reshape(2, 3).T,
    }
    return LayerIR(
        layers=(first, second, third),
        dense_ops=(
            DenseOp("pool1", "nn.max_pool2d", "no weights"),
            DenseOp("depthwise", "nn.conv2d", "depthwise"),
            DenseOp("pool2", "nn.max_pool2d", "no weights"),
        ),
        arrays=constants | most | more | arrays,
        graph='{"graph": "ünïcode"}\r\n',
        inputs=(("x", (1, 3, 9, 7), "float32"),),
        outputs=(((1, 3), "float32"),),
        source="torch Net",
    )


def _build_layer(
    kind: str,
    *,
    name: str = "conv",
    batch: int = 1,
    channels: int = 3,
    filters: int = 8,
    size: tuple[int, ...] | None = None,
    kernel: tuple[int, ...] | None = None,
    stride: tuple[int, ...] | None = None,
    padding: tuple[tuple[int, int], ...] | None = None,
    dilation: tuple[int, ...] | None = None,
    epilogue: tuple[str, ...] = ("bias", "relu"),
    structure: Structure = DENSE,
    seed: int = 0,
) -> tuple[Layer, Arrays]:
    """A layer with normal weights; a linear one takes [batch, *size, channels], a depthwise one
    as many channels as it has filters."""
    axes = KINDS[kind]
    is_depthwise = kind.startswith("depthwise")
    channels = filters if is_depthwise else channels
    kernel = kernel or (3,) * axes
    size = size or (9, 7, 5)[:axes]
    random = np.random.default_rng(seed)
    taken = 1 if is_depthwise else channels
    weight = random.standard_normal((filters, taken, *kernel)).astype(np.float32)
    weight *= structure.mask(weight)
    arrays = {f"{name}.weight": weight}
    if "bias" in epilogue:
        arrays[f"{name}.bias"] = random.standard_normal(filters).astype(np.float32)
    input_shape = (batch, channels, *size) if axes else (batch, *size, channels)
    layer = Layer(
        name=name,
        kind=kind,
        weight=f"{name}.weight",
        bias=f"{name}.bias" if "bias" in epilogue else None,
        input_shape=input_shape,
        output_shape=(),
        kernel=kernel,
        stride=stride or (1,) * axes,
        padding=padding or ((1, 1),) * axes,
        dilation=dilation or (1,) * axes,
        epilogue=epilogue,
        structure=structure,
        weight_shape=weight.shape,
        parameters=int(np.count_nonzero(weight)),
    )
    return replace(layer, output_shape=reference.output_shape(layer, input_shape)), arrays
