"""Flat activations as torch tensors: strided views of buffers whose margins are zero.

A buffer is laid out as kernels read it (kernels/frame.py), with a channel of zeros after the last.
What the user sees of it is a tensor [batch, channels, *size] whose strides skip the margins: all of
torch works on it, and nothing that torch does to it reaches the margins.
"""

import weakref
from collections import defaultdict
from dataclasses import dataclass
from functools import cache

import numpy as np
import torch

from .._tvm import tvm
from ..kernels.frame import Flat, Frame
from ..runtime.artifact import aligned

Size = tuple[int, int, int]


@dataclass(frozen=True, eq=False)
class Layout:
    """Where an activation lies in its buffer, and what torch sees of it; one object for each."""

    flat: Flat
    rank: int
    """Spatial axes that are seen; 0: samples of features."""
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    offset: int

    @property
    def channels(self) -> int:
        return self.shape[1]


@cache
def layout(frame: Frame, channels: int, size: Size, rank: int) -> Layout:
    """Of so many channels in this raster, and of the zeros after them."""
    image, *steps = frame.strides
    shape = (frame.batch, channels, *size[3 - rank :])
    strides = (image, frame.row, *steps[3 - rank :])
    return Layout(Flat(frame, channels + 1, size), rank, shape, strides, frame.start(0))


@dataclass(frozen=True)
class FlatTensor:
    """One activation: what torch sees of it, and the whole buffer as kernels take it."""

    layout: Layout
    view: torch.Tensor
    data: tvm.runtime.Tensor


class Buffers:
    """Flat activations, used again and again: new memory costs more than what is done with it.

    A buffer is free again when the last tensor on it is gone.
    """

    def __init__(self):
        self._free: dict[Layout, list[np.ndarray]] = defaultdict(list)
        self._known: dict[int, tuple[Layout, tvm.runtime.Tensor]] = {}

    def take(self, layout: Layout) -> FlatTensor:
        """An activation with zeros around its pixels."""
        free = self._free[layout]
        memory = free.pop() if free else self._new(layout)
        lent = memory.view()
        weakref.finalize(lent, free.append, memory)
        storage = torch.from_numpy(lent).untyped_storage()
        # set_, for what as_strided gives may not be changed in place under autograd
        view = torch.empty(0).set_(storage, layout.offset, layout.shape, layout.strides)
        return FlatTensor(layout, view, self._known[storage.data_ptr()][1])

    def find(self, tensor: torch.Tensor) -> FlatTensor | None:
        """The activation that `tensor` is the whole view of; None: it lies elsewhere."""
        found = self._known.get(tensor.untyped_storage().data_ptr())
        if found is None:
            return None
        layout, data = found
        seen = (tensor.shape, tensor.stride(), tensor.storage_offset())
        if seen != (layout.shape, layout.strides, layout.offset):
            return None
        return FlatTensor(layout, tensor, data)

    def as_flat(self, tensor: torch.Tensor, layout: Layout) -> FlatTensor:
        """The tensor itself, where it lies so; else a copy that does."""
        found = self.find(tensor)
        if found is not None and found.layout is layout:
            return found
        copy = self.take(layout)
        copy.view.copy_(tensor)
        return copy

    def _new(self, layout: Layout) -> np.ndarray:
        memory = aligned((layout.flat.length,), "float32")
        memory.fill(0)
        self._known[memory.ctypes.data] = (layout, tvm.runtime.from_dlpack(memory))
        return memory
