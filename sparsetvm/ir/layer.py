"""The layer-wise IR: one frozen record for each layer that has weights, beside TVM's own graph."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ..sparsity.dense import Dense
from ..sparsity.structure import Structure

KINDS = {
    "conv1d": 1,
    "conv2d": 2,
    "conv3d": 3,
    "depthwise1d": 1,
    "depthwise2d": 2,
    "depthwise3d": 3,
    "linear": 0,
    "gru": 0,
    "lstm": 0,
}
"""Each kind of layer and how many spatial axes it has. A depthwise convolution has one kernel for
each channel, and is dense. The input projection of a recurrent layer is a linear layer of its own.
"""

GATES = {"gru": 3, "lstm": 4}
"""Gates of a recurrent layer, in torch's order: reset, update, new; input, forget, cell, output."""
STATES = {"gru": 1, "lstm": 2}
"""What a recurrent layer passes on from step to step: h; h and c."""

ACTIVATIONS = ("relu", "relu6", "hardswish", "sigmoid", "silu")
"""What an epilogue may end with."""


@dataclass(frozen=True)
class Layer:
    """One convolution, linear layer or recurrence, as the compiler sees it.

    All spatial tuples have the layer's rank: 1, 2 or 3 for a convolution, () for all others.
    Shapes are [batch, channels, *size]; a linear layer's are [..., features], a recurrent one's
    [steps, batch, gates * hidden] (what its input projection gives) -> [steps, batch, hidden].
    """

    name: str
    """The module's dotted name, as plans match it: features.10."""
    kind: str
    """One of KINDS: conv2d, linear, …"""
    weight: str
    """The array that holds the dense weight with its zeros, [filters, input channels, *kernel];
    a depthwise one is [channels, 1, *kernel], a recurrent one [gates * hidden, hidden]."""
    bias: str | None
    """The array that holds the bias [filters]; None: no bias."""
    input_shape: tuple[int, ...]
    output_shape: tuple[int, ...]
    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    padding: tuple[tuple[int, int], ...]
    """(before, after) along each spatial axis."""
    dilation: tuple[int, ...]
    epilogue: tuple[str, ...]
    """What follows in the kernel, in order: 'bias', 'add' (a residual), then one of ACTIVATIONS."""
    structure: Structure
    weight_shape: tuple[int, ...]
    parameters: int
    """Weights that stay; see count_parameters."""
    reverse: bool = False
    """A recurrent layer begins with the last step; its outputs stay where their inputs are."""

    @property
    def is_recurrent(self) -> bool:
        return self.kind in STATES

    @property
    def is_depthwise(self) -> bool:
        return self.kind.startswith("depthwise")

    @property
    def rate(self) -> float:
        """How many times fewer weights, and so operations, than dense."""
        return float(np.prod(self.weight_shape)) / max(self.parameters, 1)


def count_parameters(structure: Structure, weight: np.ndarray) -> int:
    """Weights that stay: all of a dense layer's, else those that are not zero."""
    return weight.size if isinstance(structure, Dense) else int(np.count_nonzero(weight))


@dataclass(frozen=True)
class DenseOp:
    """A call that runs as TVM's own dense code, and why."""

    name: str
    op: str
    reason: str


@dataclass(frozen=True)
class LayerIR:
    """A net ready to be tuned and compiled.

    `graph` is text, said by `dialect`: TVM's own module as JSON ("relax"), or the table of
    operators of ir/neutral.py, which another TVM's side wrote ("neutral"). Its weights are the
    names in `arrays`, so they are stored once. Everything here is readable without TVM.
    """

    layers: tuple[Layer, ...]
    dense_ops: tuple[DenseOp, ...]
    arrays: dict[str, np.ndarray] = field(repr=False)
    graph: str = field(repr=False)
    dialect: str = "relax"
    inputs: tuple[tuple[str, tuple[int, ...], str], ...] = ()
    """(name, shape, dtype) of each input."""
    outputs: tuple[tuple[tuple[int, ...], str], ...] = ()
    """(shape, dtype) of each output."""
    source: str = ""
    """Where it came from, for people: 'torch VGG', 'model.onnx'."""

    def __str__(self) -> str:
        from .text import print_layer_ir  # text reads these records

        return print_layer_ir(self)

    def save(self, path: str | Path, overwrite: bool = False) -> None:
        """Write `model.lir`, one file; a path that ends in / becomes a folder."""
        from .file import save  # file reads these records

        save(self, path, overwrite)
