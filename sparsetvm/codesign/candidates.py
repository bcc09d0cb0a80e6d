"""Which structures a layer may take: families of one kind and B, each at several rates."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import prod

import numpy as np

from ..ir.layer import Layer
from ..sparsity import Structure
from ..sparsity.block import Block
from ..sparsity.connectivity import Connectivity
from ..sparsity.joined import PatternConnectivity
from ..sparsity.kgs import KGS

MIN_CHANNELS = 16
"""Layers with fewer input channels stay dense: first layers have few weights and suffer most."""
BETWEEN = 3
"""Rates that are offered between two measured ones; their time and error are interpolated."""


@dataclass(frozen=True)
class Family:
    """Structures that differ in their rate only: `base` with its field `key` at any rate."""

    base: Structure
    key: str
    measured: tuple[float, ...]
    """Rates whose time and error are measured, rising."""

    def at(self, rate: float) -> Structure:
        return replace(self.base, **{self.key: rate})

    def rates(self) -> tuple[float, ...]:
        """The measured rates and some between them, in even steps of what stays."""
        kept = [1 / rate for rate in self.measured]
        steps = np.linspace(0, len(kept) - 1, (len(kept) - 1) * (BETWEEN + 1) + 1)
        between = np.interp(steps, range(len(kept)), kept)
        return tuple(round(float(1 / part), 2) for part in between)


KERNELS = (
    Family(PatternConnectivity(group=8), "connectivity", (1.5, 3.6, 8.0)),
    Family(PatternConnectivity(group=2), "connectivity", (1.5, 3.6, 8.0)),
    Family(Connectivity(group=8), "connectivity", (2.0, 4.0, 10.0)),
)
"""For 2-D kernels: patterns lose less, whole kernels are what the Winograd domain skips."""
VOLUMES = tuple(
    Family(KGS(filters=8, channels=4, together=positions), "rate", (2.0, 4.0, 10.0))
    for positions in (1, 9)
)
"""For 3-D kernels: single positions lose less, whole planes run in the Winograd domain."""
SINGLE = tuple(Family(Block(filters=b), "rate", (2.0, 4.0, 8.0, 16.0)) for b in (8, 4))
"""For kernels of so few places that no pattern fits: 1x1 and linear layers."""


def families(layer: Layer) -> tuple[Family, ...]:
    """What a layer may take besides Dense; nothing: it stays dense."""
    if layer.is_depthwise or layer.weight_shape[1] < MIN_CHANNELS:
        return ()
    if prod(layer.kernel) <= KERNELS[0].base.entries:
        return SINGLE
    return VOLUMES if layer.kind == "conv3d" else KERNELS


def measured(layer: Layer) -> Iterator[Structure]:
    """The structures of a layer that are measured, family by family."""
    for family in families(layer):
        yield from map(family.at, family.measured)
