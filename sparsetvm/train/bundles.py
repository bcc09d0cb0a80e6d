"""A packed layer seen from its input: which channels meet the same columns of filters."""

from collections import defaultdict
from dataclasses import dataclass
from math import prod

import numpy as np

from ..kernels.frame import Flat, Window
from ..kernels.tile import best_tile
from .packing import Packing

CHANNELS = (1, 2, 4, 8)
"""Of a bundle; the one that takes the fewest cycles is chosen."""

ADDED = 2
"""Cycles to fetch and store one vector of sums for each bundle."""


@dataclass(frozen=True)
class Bundles:
    """What kernels/input_gradient.py reads of a layer.

    source  int64 [J, K, C]   the place of each value in the packed ones; 0 where there is none
    group   int32 [J, K]      the filter of each column; -1 where there is none
    position int32 [J, K]     its kernel position
    channel int32 [J, C]      -1 where there is none
    """

    source: np.ndarray
    filter: np.ndarray
    position: np.ndarray
    channel: np.ndarray

    def offsets(self, window: Window, dy: Flat) -> np.ndarray:
        """int32 [J, K]: where lane 0 of each column lies in dy; input s meets output s - shift."""
        shift = np.array([shift for _, shift in window.taps]) @ np.array(dy.frame.strides[1:])
        zeros = dy.frame.start(dy.channels - 1)
        place = dy.frame.start(self.filter) - shift[self.position]
        return np.where(self.filter < 0, zeros, place).astype(np.int32)

    def places(self, dx: Flat) -> np.ndarray:
        """int32 [J, C]: where lane 0 of each channel lies in dx; nowhere: in its row of zeros."""
        rows = np.where(self.channel < 0, dx.channels - 1, self.channel)
        return dx.frame.start(rows).astype(np.int32)


def bundle(packing: Packing, vectors: int, registers: int) -> Bundles:
    """Channels of which a group keeps the same kernel positions go together, a few at a time."""
    alike = _alike(packing)

    def cycles(channels: int) -> float:
        tile = best_tile(channels, vectors, registers)
        v, c = tile.vectors, tile.filters
        columns = max(len(positions) for _, positions in alike) * packing.packed.group
        step = max(v * c / 2, (2 * v + c) / 2) + 1
        count = sum(-(-len(members) // channels) for members in alike.values())
        return count * channels / c * (columns * step + ADDED * v * c) / v

    channels = min(CHANNELS, key=cycles)
    return _cut(packing, alike, channels)


def _alike(packing: Packing) -> dict[tuple, list[tuple[int, list]]]:
    """(group, kernel positions) -> [(channel, its places (block, column))]."""
    positions = prod(packing.shape[2:])
    alike = defaultdict(list)
    for g in range(packing.packed.groups):
        kept = defaultdict(list)
        for n, k in np.argwhere(packing.columns[g]):
            channel, position = divmod(int(packing.packed.columns[g, n, k]), positions)
            kept[channel].append((position, int(n), int(k)))
        for channel, places in kept.items():
            key = (g, tuple(position for position, _, _ in places))
            alike[key].append((channel, [(n, k) for _, n, k in places]))
    return alike


def _cut(packing: Packing, alike: dict, channels: int) -> Bundles:
    cut = [
        (g, positions, members[i : i + channels])
        for (g, positions), members in alike.items()
        for i in range(0, len(members), channels)
    ]
    _, G, K, B = packing.true.shape
    J, width = len(cut), max(len(positions) for _, positions, _ in cut) * B
    source = np.zeros((J, width, channels), np.int64)
    filter, position = np.full((J, width), -1), np.zeros((J, width), int)
    channel = np.full((J, channels), -1)
    for j, (g, positions, members) in enumerate(cut):
        slots = np.arange(len(positions) * B)
        filter[j, slots] = np.where(packing.filters[g], packing.packed.filters[g], -1)[slots % B]
        position[j, slots] = np.array(positions)[slots // B]
        for c, (number, places) in enumerate(members):
            channel[j, c] = number
            first = [((n * G + g) * K + k) * B for n, k in places]
            source[j, slots, c] = np.array(first)[slots // B] + slots % B
    return Bundles(source, filter, position, channel)
