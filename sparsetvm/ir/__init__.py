"""The layer-wise IR: records, text, file, rules, and the numpy truth of each layer."""

from . import reference
from .file import load, save
from .layer import ACTIVATIONS, KINDS, DenseOp, Layer, LayerIR
from .text import print_layer_ir
from .verify import verify

__all__ = [
    "ACTIVATIONS",
    "KINDS",
    "DenseOp",
    "Layer",
    "LayerIR",
    "load",
    "print_layer_ir",
    "reference",
    "save",
    "verify",
]
