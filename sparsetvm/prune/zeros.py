"""Tensors as a checkpoint holds them: what is not zero, and one bit for each place.

    [0, 3, 0, 0, 2, -0]  ->  values [3, 2]   bits 010010   signs 000001

A pruned weight and its optimizer's state are zero in the same places, and these stay the same from
checkpoint to checkpoint, so that their bits are stored once. A mask leaves -0 where a weight was
negative; signs say where, so that what is read is what was written, to the bit.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import safetensors.torch
import torch

SMALL = 1 << 16
"""Bytes; smaller tensors of one object go into one file."""

WASTE = 1.1
"""A weight's bits serve another tensor too if that holds at most this much more for it."""

PACKED = (torch.float64, torch.float32, torch.bfloat16, torch.float16)
"""What pruned weights are; tensors of other kinds are held whole, masks as bits."""

ROLES = ("values", "bits", "signs")

Parts = Mapping[str, Mapping[str, torch.Tensor]]


def write_tensors(
    tensors: Mapping[str, torch.Tensor], put: Callable[[bytes], str]
) -> tuple[dict[str, dict[str, Any]], list[str]]:
    """Give files of safetensors to `put`, which names them; the records that read_tensors takes,
    and the names.

    {"model/0.weight": {"dtype": "float32", "shape": [64, 32, 3, 3],
                        "values": [file, key], "bits": [file, key]}}
    """
    packer = _Packer()
    records = {path: packer.pack(path, tensor) for path, tensor in tensors.items()}
    files = {}
    while packer.files:
        name, contents = packer.files.popitem()
        files[name] = put(safetensors.torch.save(contents))
    for record in records.values():
        for role in record.keys() & {*ROLES}:
            file, key = record[role]
            record[role] = [files[file], key]
    return records, sorted(set(files.values()))


def read_tensors(records: Mapping[str, Mapping[str, Any]], parts: Parts) -> dict[str, torch.Tensor]:
    """The tensors that write_tensors was given, from the files that it gave away."""
    return {path: _unpack(record, parts) for path, record in records.items()}


class _Packer:
    """Sorts tensors into files; remembers where the bits of each shape lie."""

    def __init__(self) -> None:
        self.files: dict[str, dict[str, torch.Tensor]] = {}
        self._masks: dict[torch.Size, list[tuple[torch.Tensor, tuple[str, str]]]] = {}

    def pack(self, path: str, tensor: torch.Tensor) -> dict[str, Any]:
        record: dict[str, Any] = {
            "dtype": str(tensor.dtype).removeprefix("torch."),
            "shape": [*tensor.shape],
        }
        if not tensor.is_contiguous():
            record["strides"] = [*tensor.stride()]
        values = tensor.reshape(-1)
        if values.dtype == torch.bool:
            return record | {"bits": self._place_bits(path, tensor.shape, values)}
        if values.dtype in PACKED and _saves(kept := values != 0, values):
            if (signs := ~kept & values.signbit()).any():
                record["signs"] = self._place(path, "signs", _to_bits(signs))
            kept, record["bits"] = self._share_bits(path, tensor.shape, kept)
            values = values[kept]
        return record | {"values": self._place(path, "values", values)}

    def _share_bits(
        self, path: str, shape: torch.Size, kept: torch.Tensor
    ) -> tuple[torch.Tensor, tuple[str, str]]:
        most = WASTE * int(kept.sum())
        for mask, place in self._masks.get(shape, ()):
            if int(mask.sum()) <= most and not (kept & ~mask).any():
                return mask, place
        return kept, self._place_bits(path, shape, kept)

    def _place_bits(self, path: str, shape: torch.Size, mask: torch.Tensor) -> tuple[str, str]:
        place = self._place(path, "bits", _to_bits(mask))
        self._masks.setdefault(shape, []).append((mask, place))
        return place

    def _place(self, path: str, role: str, values: torch.Tensor) -> tuple[str, str]:
        """A file of its own, the same wherever it comes from; or one with others of its object."""
        is_small = values.nbytes < SMALL
        file = f"{path.partition('/')[0] if is_small else path}/{role}"
        key = path if is_small else role
        self.files.setdefault(file, {})[key] = values.contiguous()
        return file, key


def _saves(kept: torch.Tensor, values: torch.Tensor) -> bool:
    """Whether leaving zeros out makes fewer bytes; a file of its own has a head of some 64."""
    zeros = kept.numel() - int(kept.sum())
    return zeros * values.itemsize > kept.numel() // 8 + 64


def _unpack(record: Mapping[str, Any], parts: Parts) -> torch.Tensor:
    found = {role: parts[record[role][0]][record[role][1]] for role in ROLES if role in record}
    shape, values = record["shape"], found.get("values")
    if "bits" in found:
        mask = _from_bits(found["bits"], shape)
        values = mask if values is None else _spread(values, mask)
    if "signs" in found:
        values[_from_bits(found["signs"], shape)] = -0.0
    tensor = values.reshape(shape)
    if "strides" in record:
        tensor = torch.empty_strided(shape, record["strides"], dtype=tensor.dtype).copy_(tensor)
    return tensor


def _spread(values: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    spread = torch.zeros(mask.shape, dtype=values.dtype)
    spread[mask] = values
    return spread


def _to_bits(mask: torch.Tensor) -> torch.Tensor:
    return torch.from_numpy(np.packbits(mask.numpy()))


def _from_bits(bits: torch.Tensor, shape: Sequence[int]) -> torch.Tensor:
    """The flat mask of a tensor of this shape."""
    return torch.from_numpy(np.unpackbits(bits.numpy(), count=math.prod(shape))).bool()
