"""Dense: every column stays; the structure of layers that are not pruned."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from .parameters import check_group
from .structure import Structure, structures


@structures.register("dense")
@dataclass(frozen=True)
class Dense(Structure):
    """Keep all columns; first layers and comparisons then run through the same operator."""

    group: int = 8
    block: int | None = None

    has_free_rate: ClassVar[bool] = False

    def __post_init__(self) -> None:
        check_group("dense", self.group, self.block)

    def keep(self, energy: np.ndarray) -> np.ndarray:
        return np.ones(energy.shape, bool)

    def breach(self, filters: np.ndarray, found: np.ndarray, allowed: np.ndarray) -> str:
        raise AssertionError("a dense layer allows every column")

    def rate_for(self, shape: tuple[int, ...]) -> float:
        return 1.0

    def __str__(self) -> str:
        return "dense"
