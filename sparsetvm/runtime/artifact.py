"""A compiled net as one file: `net.stvm`, a sealed zip of library, weights and manifest.

    manifest.json         what it was compiled for, inputs and outputs, layers, steps
    library.so            the code, of TVM's virtual machine and of the kernels
    weights.safetensors   the packed weights

Reading an artifact runs nothing of it; loading it into an engine runs its library.
"""

import json
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
        members = {
            MANIFEST: self.manifest.to_json().encode(),
            LIBRARY: self.library,
            WEIGHTS: safetensors.numpy.save(self.weights),
        }
        write_whole(path, lambda new: write_sealed_zip(new, KIND, members), overwrite)

    @classmethod
    def load(cls, path: str | Path) -> "Artifact":
        """The artifact that `save` wrote; FileError says what is wrong with the file."""
        with open_sealed_zip(path, KIND, AGAIN) as archive:
            try:
                manifest, library = archive.read(MANIFEST), archive.read(LIBRARY)
                with archive.open(WEIGHTS) as stream:
                    weights = _read_weights(stream)
            except KeyError as err:
                raise FileError(f"{path}: {err.args[0]}\n  {AGAIN}") from err
        return cls(library, weights, Manifest.from_json(manifest, str(path)))


def aligned(shape: tuple[int, ...], dtype: str | np.dtype) -> np.ndarray:
    """An empty array that TVM can take without copying it."""
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    memory = np.empty(size + ALIGNMENT, np.uint8)
    start = -memory.ctypes.data % ALIGNMENT
    return memory[start : start + size].view(dtype).reshape(shape)


def _read_weights(stream: BinaryIO) -> dict[str, np.ndarray]:
    """safetensors, straight into aligned arrays: a net's weights are in memory once, not thrice."""
    table = json.loads(stream.read(int.from_bytes(stream.read(8), "little")))
    table.pop("__metadata__", None)
    weights = {}
    for name, entry in sorted(table.items(), key=lambda item: item[1]["data_offsets"]):
        weights[name] = aligned(tuple(entry["shape"]), _DTYPES[entry["dtype"]])
        stream.readinto(weights[name].reshape(-1).view(np.uint8))
    return weights
