"""Pattern and connectivity joined: few kernels stay, and few places of each."""

from dataclasses import dataclass, replace

import numpy as np

from .connectivity import Connectivity
from .pattern import Pattern, Shapes
from .structure import Structure, structures


@structures.register("pattern+connectivity")
@dataclass(frozen=True)
class PatternConnectivity(Structure):
    """Give each kernel its best pattern, then keep the kernels whose pattern keeps most energy.

    4 of 9 places and 1 of 3.6 kernels make 8.1x on 3x3 layers; a 1x1 layer gets connectivity only.
    """

    entries: int = 4
    patterns: int = 8
    connectivity: float = 3.6
    group: int = 8
    block: int | None = None
    shapes: Shapes | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "shapes", self._pattern.shapes)
        object.__setattr__(self, "patterns", self._pattern.patterns)
        _ = self._connectivity

    @property
    def parts(self) -> tuple[Structure, ...]:
        return self._pattern, self._connectivity

    def keep(self, energy: np.ndarray) -> np.ndarray:
        places = self._pattern.keep(energy)
        return places & self._connectivity.keep(np.where(places, energy, 0))

    def breach(self, filters: np.ndarray, found: np.ndarray, allowed: np.ndarray) -> str:
        too_many = found & ~self._connectivity.keep(found[None].astype(float))[0]
        part = self._connectivity if too_many.any() else self._pattern
        return part.breach(filters, found, allowed)

    def at_rate(self, rate: float) -> Structure:
        return replace(self, connectivity=rate)

    def rate_for(self, shape: tuple[int, ...]) -> float:
        return self._pattern.rate_for(shape) * self._connectivity.rate_for(shape)

    def __str__(self) -> str:
        return f"{self._pattern} + {self._connectivity}"

    @property
    def _pattern(self) -> Pattern:
        return Pattern(self.entries, self.patterns, self.group, self.block, self.shapes)

    @property
    def _connectivity(self) -> Connectivity:
        return Connectivity(self.connectivity, self.group, self.block)
