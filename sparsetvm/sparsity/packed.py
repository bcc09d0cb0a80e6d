"""The one packed form of every structure: groups of filters with the columns they share."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

import numpy as np

from .reorder import group_filters, natural_groups


@dataclass(frozen=True)
class Packed:
    """What gather-GEMM reads:

        y[filters[g, b]] = sum over n, k of values[g, n, k, b] * x[columns[g, n, k]]

    G groups of B filters, N blocks of input channels, K columns kept in each block.

    values   [G, N, K, B]          of the weight's dtype, float32 in a net
    columns  int32 [G, N, K]       channel * positions + position, rising in each block
    filters  int32 [G, B]          the filter that each slot computes, rising in each group
    shape    the dense weight's shape [filters, input channels, *kernel]

    Sizes that do not divide are padded: a group short of filters repeats its last one (with its
    values), a block short of columns repeats its last one with zero values.
    """

    values: np.ndarray
    columns: np.ndarray
    filters: np.ndarray
    shape: tuple[int, ...]

    def __post_init__(self) -> None:
        assert self.values.ndim == 4, self.values.shape
        assert self.columns.shape == self.values.shape[:3], self.columns.shape
        assert self.filters.shape == (self.groups, self.group), self.filters.shape
        assert self.columns.dtype == self.filters.dtype == np.int32

    @property
    def groups(self) -> int:
        """G."""
        return self.values.shape[0]

    @property
    def blocks(self) -> int:
        """N."""
        return self.values.shape[1]

    @property
    def columns_per_block(self) -> int:
        """K."""
        return self.values.shape[2]

    @property
    def group(self) -> int:
        """B."""
        return self.values.shape[3]

    @property
    def nbytes(self) -> int:
        """Bytes that a file or a kernel has to hold."""
        return self.values.nbytes + self.columns.nbytes + self.filters.nbytes


def pack(weight: np.ndarray, group: int, block: int | None) -> Packed:
    """The non-zero weights in groups of `group` filters and blocks of `block` input channels.

    weight [filters, input channels, *kernel]; any zeros will do: unpack(pack(w)) == w. Filters that
    keep the same columns share a group, wherever they stand in the weight. A group has no more
    slots
    than there are filters.
    """
    filters, channels, *kernel = weight.shape
    positions = prod(kernel)
    span = min(block or channels, channels) * positions
    matrix = weight.reshape(filters, channels * positions)
    support = matrix != 0
    groups, kept = _tightest(support, min(group, filters), span)
    counts = kept.sum(axis=2)
    columns = _columns(kept, counts)
    values = matrix[groups[:, None, None, :], columns[..., None]]
    values[np.arange(columns.shape[2]) >= counts[..., None]] = 0
    return Packed(values, columns, groups, weight.shape)


def unpack(packed: Packed) -> np.ndarray:
    """The dense weight with its zeros, [filters, input channels, *kernel]."""
    weight = np.zeros((packed.shape[0], prod(packed.shape[1:])), packed.values.dtype)
    true = np.ones(packed.columns.shape, bool)
    true[..., 1:] = packed.columns[..., 1:] != packed.columns[..., :-1]
    g, n, k = np.nonzero(true)
    weight[packed.filters[g], packed.columns[g, n, k][:, None]] = packed.values[g, n, k]
    return weight.reshape(packed.shape)


def side_by_side(packs: Sequence[Packed], channels: Sequence[int], of: int) -> Packed:
    """Several layers as one: their filters follow each other, and each reads the channels from its
    own `channels` on, `of` so many.

    They agree in group, blocks and kernel; where one has fewer columns, it repeats its last one
    with zero values.
    """
    longest = max(packed.columns_per_block for packed in packs)
    kernel = packs[0].shape[2:]
    values, columns, filters, count = [], [], [], 0
    for packed, first in zip(packs, channels, strict=True):
        short = longest - packed.columns_per_block
        values.append(np.pad(packed.values, ((0, 0), (0, 0), (0, short), (0, 0))))
        moved = packed.columns + np.int32(first * prod(kernel))
        columns.append(np.pad(moved, ((0, 0), (0, 0), (0, short)), mode="edge"))
        filters.append(packed.filters + np.int32(count))
        count += packed.shape[0]
    joint = (np.concatenate(parts) for parts in (values, columns, filters))
    return Packed(*joint, shape=(count, of, *kernel))


def _tightest(support: np.ndarray, group: int, span: int) -> tuple[np.ndarray, np.ndarray]:
    """Groups [G, B] and the columns they keep [G, N, span]; natural order if it packs as small."""
    choices = [natural_groups(len(support), group), group_filters(support, group)]
    kept = [_in_blocks(support, groups, span) for groups in choices]
    best = min(range(len(choices)), key=lambda i: kept[i].sum(axis=2).max())
    return choices[best], kept[best]


def _in_blocks(support: np.ndarray, groups: np.ndarray, span: int) -> np.ndarray:
    """Columns that any filter of a group keeps, [G, N, span]; False fills the last block."""
    union = support[groups[:, 0]]
    for slot in range(1, groups.shape[1]):
        union |= support[groups[:, slot]]
    blocks = -(-support.shape[1] // span)
    padding = blocks * span - support.shape[1]
    return np.pad(union, ((0, 0), (0, padding))).reshape(len(groups), blocks, span)


def _columns(kept: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """The columns kept [G, N, span] as int32 [G, N, K]; a short block repeats its last one."""
    G, N, span = kept.shape
    g, n, column = np.nonzero(kept)
    rank = np.arange(len(column)) - np.repeat(counts.cumsum() - counts.ravel(), counts.ravel())
    columns = np.zeros((G, N, max(1, counts.max())), np.int32)
    columns[g, n, rank] = column
    columns = np.maximum.accumulate(columns, axis=2)
    return columns + np.arange(0, N * span, span, dtype=np.int32)[:, None]
