"""Connectivity: whole kernels stay or go, equally many in every group of filters."""

from dataclasses import dataclass, replace

import numpy as np

from .energy import block_around, by_block, largest, share
from .parameters import check_group, check_rate
from .structure import Structure, structures
from .words import name_channels, name_filters


@structures.register("connectivity")
@dataclass(frozen=True)
class Connectivity(Structure):
    """Keep the strongest kernels of each group of filters, and of each block of input channels.

    5 1 2 7 0 3  ->  5 . . 7 . .        connectivity=3, a kernel's L2 norm per input channel
    """

    connectivity: float = 3.6
    group: int = 8
    block: int | None = None

    def __post_init__(self) -> None:
        check_group("connectivity", self.group, self.block)
        check_rate("connectivity", connectivity=self.connectivity)

    def keep(self, energy: np.ndarray) -> np.ndarray:
        kernels = by_block(self._strongest, energy.sum(axis=2), self.block)
        return np.broadcast_to(kernels[..., None], energy.shape)

    def breach(self, filters: np.ndarray, found: np.ndarray, allowed: np.ndarray) -> str:
        found, allowed = found.any(axis=1), allowed.any(axis=1)
        channels = block_around(int(np.argmax(found & ~allowed)), self.block, len(found))
        return (
            f"{name_filters(filters, 'keep')} {found[channels].sum()} of {len(channels)} kernels "
            f"at {name_channels(channels)}, {self} keeps {allowed[channels].sum()}"
        )

    def units(self, channels: int, positions: int) -> np.ndarray:
        return np.broadcast_to(np.arange(channels)[:, None], (channels, positions))

    def at_rate(self, rate: float) -> Structure:
        return replace(self, connectivity=rate)

    def rate_for(self, shape: tuple[int, ...]) -> float:
        return float(self.connectivity)

    def __str__(self) -> str:
        return f"connectivity {self.connectivity:.3g}x"

    def _strongest(self, energy: np.ndarray) -> np.ndarray:
        return largest(energy, share(energy.shape[1], self.connectivity))
