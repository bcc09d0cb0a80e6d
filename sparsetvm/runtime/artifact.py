"""A compiled net as one file: `net.stvm`, a sealed zip of library, weights and manifest.

    manifest.json         what it was compiled for, inputs and outputs, layers, steps
    library.so            the code, of TVM's virtual machine and of the kernels
    weights.safetensors   the packed weights
    views.json            weights that lie in others (nets that share them), if there are any

Reading an artifact runs nothing of it; loading it into an engine runs its library.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
import safetensors.numpy

from ..errors import FileError
from ..files import write_whole
from ..sealed_zip import open_sealed_zip, write_sealed_zip
from .manifest import AGAIN, Manifest

KIND = "artifact"
MANIFEST, LIBRARY, WEIGHTS = "manifest.json", "library.so", "weights.safetensors"
VIEWS = "views.json"

ALIGNMENT = 64
"""Bytes; generated code loads whole vectors, and TVM takes arrays without copying only at this."""

_DTYPES = {
    "BOOL": "bool",
    **{f"I{bits}": f"int{bits}" for bits in (8, 16, 32, 64)},
    **{f"U{bits}": f"uint{bits}" for bits in (8, 16, 32, 64)},
    **{f"F{bits}": f"float{bits}" for bits in (16, 32, 64)},
}


@dataclass(frozen=True)
class Artifact:
    """What compile makes and an engine runs."""

    library: bytes
    weights: dict[str, np.ndarray]
    manifest: Manifest

    def save(self, path: str | Path, overwrite: bool = False) -> None:
        """Write it to one file, whole or not at all."""
        views = _views(self.weights)
        own = {name: array for name, array in self.weights.items() if name not in views}
        members = {
            MANIFEST: self.manifest.to_json().encode(),
            LIBRARY: self.library,
            WEIGHTS: safetensors.numpy.save(own),
        }
        if views:
            members[VIEWS] = json.dumps(views).encode()
        write_whole(path, lambda new: write_sealed_zip(new, KIND, members), overwrite)

    @classmethod
    def load(cls, path: str | Path) -> "Artifact":
        """The artifact that `save` wrote; FileError says what is wrong with the file."""
        with open_sealed_zip(path, KIND, AGAIN) as archive:
            try:
                manifest, library = archive.read(MANIFEST), archive.read(LIBRARY)
                with archive.open(WEIGHTS) as stream:
                    weights = _read_weights(stream)
                views = json.loads(archive.read(VIEWS)) if VIEWS in archive.namelist() else {}
            except KeyError as err:
                raise FileError(f"{path}: {err.args[0]}\n  {AGAIN}") from err
        weights |= {name: _view(weights, *place) for name, place in views.items()}
        return cls(library, weights, Manifest.from_json(manifest, str(path)))

    @property
    def weight_bytes(self) -> int:
        """What the weights take, those that nets share counted once."""
        views = _views(self.weights)
        return sum(array.nbytes for name, array in self.weights.items() if name not in views)


def aligned(shape: tuple[int, ...], dtype: str | np.dtype) -> np.ndarray:
    """An empty array that TVM can take without copying it."""
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    memory = np.empty(size + ALIGNMENT, np.uint8)
    start = -memory.ctypes.data % ALIGNMENT
    return memory[start : start + size].view(dtype).reshape(shape)


Place = tuple[str, int, tuple[int, ...], str]
"""Of an array in another: the other's name, the first byte, shape and dtype."""


def _views(weights: Mapping[str, np.ndarray]) -> dict[str, Place]:
    """The arrays, all contiguous, whose memory is a part of another's."""
    places = {name: (a.ctypes.data, a.ctypes.data + a.nbytes) for name, a in weights.items()}
    views: dict[str, Place] = {}
    outer, end = "", 0
    for name in sorted(places, key=lambda name: (places[name][0], -places[name][1])):
        array, (first, last) = weights[name], places[name]
        if array.nbytes and last <= end:
            views[name] = (outer, first - places[outer][0], array.shape, str(array.dtype))
        else:
            outer, end = name, last
    return views


def _view(weights: Mapping[str, np.ndarray], of: str, first: int, shape, dtype: str) -> np.ndarray:
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    memory = weights[of].reshape(-1).view(np.uint8)
    return memory[first : first + size].view(dtype).reshape(shape)


def _read_weights(stream: BinaryIO) -> dict[str, np.ndarray]:
    """safetensors, straight into aligned arrays: a net's weights are in memory once, not thrice."""
    table = json.loads(stream.read(int.from_bytes(stream.read(8), "little")))
    table.pop("__metadata__", None)
    weights = {}
    for name, entry in sorted(table.items(), key=lambda item: item[1]["data_offsets"]):
        weights[name] = aligned(tuple(entry["shape"]), _DTYPES[entry["dtype"]])
        stream.readinto(weights[name].reshape(-1).view(np.uint8))
    return weights
