"""Blocks of filters x neighbouring columns stay or go together: 4x1, 1xN, column vectors."""

from dataclasses import dataclass, replace

import numpy as np

from .energy import block_around, by_block, in_runs, largest, share
from .parameters import LARGEST_GROUP, check_group, check_rate, check_whole
from .structure import Structure, structures
from .words import name_channels, name_filters


@structures.register("block")
@dataclass(frozen=True)
class Block(Structure):
    """Keep the strongest blocks of each group of filters, and of each block of input channels.

    3 1 0 2       3 . . 2
    4 0 1 5   ->  4 . . 5        filters=2, columns=1, rate=2
    """

    filters: int = 4
    columns: int = 1
    rate: float = 3.6
    block: int | None = None

    def __post_init__(self) -> None:
        check_whole("block", LARGEST_GROUP, filters=self.filters)
        check_whole("block", columns=self.columns)
        check_rate("block", rate=self.rate)
        check_group("block", self.group, self.block)

    @property
    def group(self) -> int:
        return self.filters

    def keep(self, energy: np.ndarray) -> np.ndarray:
        return by_block(self._strongest, energy, self.block)

    def breach(self, filters: np.ndarray, found: np.ndarray, allowed: np.ndarray) -> str:
        outside = int(np.argmax((found & ~allowed).any(axis=1)))
        channels = block_around(outside, self.block, len(found))
        kept = self._blocks(found[None, channels]).any(axis=2)
        expected = self._blocks(allowed[None, channels]).any(axis=2)
        return (
            f"{name_filters(filters, 'keep')} {kept.sum()} of {kept.size} blocks at "
            f"{name_channels(channels)}, {self} keeps {expected.sum()}"
        )

    def units(self, channels: int, positions: int) -> np.ndarray:
        return (np.arange(channels * positions) // self.columns).reshape(channels, positions)

    def at_rate(self, rate: float) -> Structure:
        return replace(self, rate=rate)

    def rate_for(self, shape: tuple[int, ...]) -> float:
        return float(self.rate)

    def __str__(self) -> str:
        return f"block {self.filters}x{self.columns} {self.rate:.3g}x"

    def _blocks(self, energy: np.ndarray) -> np.ndarray:
        """[G, ic, positions] -> [G, blocks, columns]."""
        return in_runs(energy.reshape(len(energy), -1), 1, self.columns)

    def _strongest(self, energy: np.ndarray) -> np.ndarray:
        blocks = self._blocks(energy).sum(axis=2)
        kept = largest(blocks, share(blocks.shape[1], self.rate))
        columns = np.repeat(kept, self.columns, axis=1)
        return columns[:, : energy[0].size].reshape(energy.shape)
