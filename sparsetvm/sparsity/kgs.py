"""Groups of kernels (RT3D), filters x input channels: they lose the same positions, or go whole."""

from dataclasses import dataclass, replace

import numpy as np

from .energy import block_around, by_block, in_runs, largest, share
from .parameters import LARGEST_GROUP, check_group, check_rate, check_whole
from .structure import Structure, structures
from .words import name_channels, name_filters


@structures.register("kgs")
@dataclass(frozen=True)
class KGS(Structure):
    """Drop the same positions in all kernels of a group of `filters` filters x `channels` channels.

    Every group of filters keeps equally many of its (kernel group, position) pairs. `together`
    neighbouring positions go together: 9 of them are a plane of a 3x3x3 kernel, and where whole
    planes go, those that stay can run in the Winograd domain.
    """

    filters: int = 8
    channels: int = 4
    rate: float = 3.6
    block: int | None = None
    together: int = 1

    def __post_init__(self) -> None:
        _check("kgs", self)
        check_whole("kgs", together=self.together)

    @property
    def group(self) -> int:
        return self.filters

    def keep(self, energy: np.ndarray) -> np.ndarray:
        return by_block(self._strongest, energy, self.block)

    def breach(self, filters: np.ndarray, found: np.ndarray, allowed: np.ndarray) -> str:
        channels = _channels_outside(self, found, allowed)
        kept, expected = (
            in_runs(part[channels], 0, self.channels).any(axis=1) for part in (found, allowed)
        )
        return (
            f"{name_filters(filters, 'keep')} {kept.sum()} of {kept.size} positions of groups "
            f"at {name_channels(channels)}, {self} keeps {expected.sum()}"
        )

    def units(self, channels: int, positions: int) -> np.ndarray:
        runs = np.arange(positions) // self.together
        return np.arange(channels)[:, None] // self.channels * (runs[-1] + 1) + runs

    def at_rate(self, rate: float) -> Structure:
        return replace(self, rate=rate)

    def rate_for(self, shape: tuple[int, ...]) -> float:
        return float(self.rate)

    def __str__(self) -> str:
        planes = f"x{self.together}" if self.together > 1 else ""
        return f"kgs {self.filters}x{self.channels}{planes} {self.rate:.3g}x"

    def _strongest(self, energy: np.ndarray) -> np.ndarray:
        _, channels, positions = energy.shape
        pairs = in_runs(in_runs(energy, 1, self.channels).sum(axis=2), 2, self.together)
        pairs = pairs.sum(axis=3)
        flat = pairs.reshape(len(pairs), -1)
        kept = largest(flat, share(flat.shape[1], self.rate)).reshape(pairs.shape)
        kept = np.repeat(np.repeat(kept, self.channels, axis=1), self.together, axis=2)
        return kept[:, :channels, :positions]


@structures.register("vanilla")
@dataclass(frozen=True)
class Vanilla(Structure):
    """Keep or drop whole groups of kernels, `filters` filters x `channels` channels."""

    filters: int = 8
    channels: int = 4
    rate: float = 3.6
    block: int | None = None

    def __post_init__(self) -> None:
        _check("vanilla", self)

    @property
    def group(self) -> int:
        return self.filters

    def keep(self, energy: np.ndarray) -> np.ndarray:
        return by_block(self._strongest, energy, self.block)

    def breach(self, filters: np.ndarray, found: np.ndarray, allowed: np.ndarray) -> str:
        channels = _channels_outside(self, found, allowed)
        kept, expected = (
            in_runs(part[channels], 0, self.channels).any(axis=(1, 2)) for part in (found, allowed)
        )
        return (
            f"{name_filters(filters, 'keep')} {kept.sum()} of {kept.size} kernel groups at "
            f"{name_channels(channels)}, {self} keeps {expected.sum()}"
        )

    def units(self, channels: int, positions: int) -> np.ndarray:
        groups = np.arange(channels)[:, None] // self.channels
        return np.broadcast_to(groups, (channels, positions))

    def at_rate(self, rate: float) -> Structure:
        return replace(self, rate=rate)

    def rate_for(self, shape: tuple[int, ...]) -> float:
        return float(self.rate)

    def __str__(self) -> str:
        return f"vanilla {self.filters}x{self.channels} {self.rate:.3g}x"

    def _strongest(self, energy: np.ndarray) -> np.ndarray:
        groups = in_runs(energy, 1, self.channels).sum(axis=(2, 3))
        kept = largest(groups, share(groups.shape[1], self.rate))
        channels = np.repeat(kept, self.channels, axis=1)[:, : energy.shape[1]]
        return np.broadcast_to(channels[..., None], energy.shape)


def _check(name: str, structure: KGS | Vanilla) -> None:
    check_whole(name, LARGEST_GROUP, filters=structure.filters)
    check_whole(name, channels=structure.channels)
    check_rate(name, rate=structure.rate)
    check_group(name, structure.group, structure.block)


def _channels_outside(structure: KGS | Vanilla, found: np.ndarray, allowed: np.ndarray) -> range:
    """The first block of input channels that keeps what it should not."""
    outside = int(np.argmax((found & ~allowed).any(axis=1)))
    return block_around(outside, structure.block, len(found))
