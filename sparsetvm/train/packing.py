"""A layer's weight as a trainer holds it: the weights that stay, in the order of the kernels."""

from dataclasses import dataclass
from math import prod

import numpy as np
import torch

from ..passes.pack import all_kept
from ..sparsity import Dense, Structure
from ..sparsity.packed import Packed

DENSE_GROUP = 8
"""Filters in a group of a dense layer, which may be any."""


@dataclass(frozen=True)
class Packing:
    """Which weight of a dense [filters, input channels, *kernel] stands where in [N, G, K, B].

    packed   the groups and their columns (its values are the dense weight's as it was packed)
    columns  bool [G, N, K]            False for one that only fills up a block
    filters  bool [G, B]               False for one that only fills up a group
    true     bool [N, G, K, B]         both; elsewhere values are zero, and stay so
    index    int64 [weights that stay] the place of each in the dense weight, flattened
    """

    packed: Packed
    columns: np.ndarray
    filters: np.ndarray
    true: torch.Tensor
    index: torch.Tensor

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the dense weight."""
        return self.packed.shape

    @property
    def kept(self) -> int:
        """Weights that stay."""
        return len(self.index)

    def values(self, dense: torch.Tensor) -> torch.Tensor:
        """float32 [N, G, K, B]: what stays of a dense weight."""
        values = dense.new_zeros(self.true.shape)
        values[self.true] = dense.reshape(-1)[self.index]
        return values

    def dense(self, values: torch.Tensor) -> torch.Tensor:
        """The dense weight with its zeros; gradients find back to the values."""
        dense = values.new_zeros(prod(self.shape))
        return dense.index_put((self.index,), values[self.true]).view(self.shape)

    def fits(self, dense: torch.Tensor) -> bool:
        """Whether a dense weight has zeros wherever this one has."""
        return torch.equal(self.dense(self.values(dense)), dense)


def pack_layer(weight: np.ndarray, structure: Structure) -> Packing:
    """How a dense weight that follows its structure is packed. Of a Dense layer all weights stay;
    of others those that are not zero, with the columns that their group keeps."""
    if isinstance(structure, Dense):
        packed = all_kept(weight, min(DENSE_GROUP, len(weight)))
    else:
        packed = structure.pack(weight)
    columns, filters = _distinct(packed.columns), _distinct(packed.filters)
    true = columns[..., None] & filters[:, None, None]
    place = (
        packed.filters[:, None, None] * np.int64(prod(weight.shape[1:])) + packed.columns[..., None]
    )
    true, place = (np.ascontiguousarray(a.swapaxes(0, 1)) for a in (true, place))
    return Packing(packed, columns, filters, torch.from_numpy(true), torch.from_numpy(place[true]))


def _distinct(rising: np.ndarray) -> np.ndarray:
    """Where a number differs from the one before it in its row."""
    first = np.ones((*rising.shape[:-1], 1), bool)
    return np.concatenate([first, rising[..., 1:] != rising[..., :-1]], axis=-1)
