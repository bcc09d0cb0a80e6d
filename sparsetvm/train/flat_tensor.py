"""Flat activations as torch tensors: strided views of buffers whose margins are zero.

A buffer is laid out as kernels read it (kernels/frame.py), with one channel of zeros after the last.
What the user sees of it is a tensor [batch, channels, *size] whose strides skip the margins: all of
torch works on it, and nothing that torch does to it reaches the margins.
"""

import weakref
from collections import defaultdict
from dataclasses import dataclass

import numpy as np
import torch

from ..kernels.frame import Flat, Frame
from ..runtime.artifact import aligned

Size = tuple[int, int, int]


def flat_of(frame: Frame, channels: int, size: Size) -> Flat:
    """The layout of so many channels, and of the zeros after them."""
    return Flat(frame, channels + 1, size)


@dataclass(frozen=True)
class FlatTensor:
    """One activation: the whole buffer, and what the user sees of it."""

    flat: Flat
    data: torch.Tensor
    """float32 [flat.length], margins included."""
    view: torch.Tensor
    """[batch, channels, *size], of the user's rank."""

    @property
    def rows(self) -> torch.Tensor:
        """[channels, row]: each channel with its margins."""
        frame = self.flat.frame
        channels = self.flat.channels - 1
        return self.data[frame.guard :][: channels * frame.row].view(channels, frame.row)


class Buffers:
    """Flat activations, used again and again: new memory costs more than what is done with it.

    A buffer is free again when the last tensor on it is gone.
    """

    def __init__(self):
        self._free: dict[Flat, list[np.ndarray]] = defaultdict(list)
        self._flats: dict[int, Flat] = {}

    def take(self, flat: Flat, rank: int) -> FlatTensor:
        """An activation with zeros around its pixels; `rank` spatial axes are seen of it."""
        free = self._free[flat]
        memory = free.pop() if free else _zeros(flat.length)
        data = memory.view()
        self._flats[data.ctypes.data] = flat
        weakref.finalize(data, free.append, memory)
        return _as_seen(flat, torch.from_numpy(data), rank)

    def find(self, tensor: torch.Tensor) -> FlatTensor | None:
        """The activation that `tensor` is the whole view of; None: it lies elsewhere."""
        flat = self._flats.get(tensor.untyped_storage().data_ptr())
        if flat is None:
            return None
        seen = _as_seen(flat, tensor.detach(), tensor.ndim - 2)
        same = seen.view.shape == tensor.shape and seen.view.stride() == tensor.stride()
        return seen if same and seen.view.storage_offset() == tensor.storage_offset() else None

    def as_flat(self, tensor: torch.Tensor, flat: Flat) -> FlatTensor:
        """The tensor itself, where it lies so; else a copy that does."""
        found = self.find(tensor)
        if found is not None and found.flat == flat:
            return found
        copy = self.take(flat, tensor.ndim - 2)
        copy.view.copy_(tensor)
        return copy


def _zeros(length: int) -> np.ndarray:
    memory = aligned((length,), "float32")
    memory.fill(0)
    return memory


def _as_seen(flat: Flat, tensor: torch.Tensor, rank: int) -> FlatTensor:
    storage, frame = tensor.untyped_storage(), flat.frame
    image, *steps = frame.strides
    shape = (frame.batch, flat.channels - 1, *flat.size[3 - rank :])
    # set_, for what as_strided gives may not be changed in place under autograd
    data = torch.empty(0).set_(storage, 0, (flat.length,), (1,))
    strides = (image, frame.row, *steps[3 - rank :])
    return FlatTensor(flat, data, torch.empty(0).set_(storage, frame.start(0), shape, strides))
