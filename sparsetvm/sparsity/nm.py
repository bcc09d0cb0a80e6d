"""N:M: n of every m neighbouring input channels stay, at each kernel position."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ..errors import StructureError
from .energy import in_runs, largest
from .parameters import check_group, check_whole
from .structure import Structure, structures
from .words import name_channels, name_filters


@structures.register("nm")
@dataclass(frozen=True)
class NM(Structure):
    """Keep the `n` largest of every `m` neighbouring input channels, the same for a whole group.

    3 1 4 2  ->  3 . 4 .        n=2, m=4
    """

    n: int = 2
    m: int = 4
    group: int = 1
    block: int | None = None

    has_free_rate: ClassVar[bool] = False

    def __post_init__(self) -> None:
        check_group("nm", self.group, self.block)
        check_whole("nm", n=self.n, m=self.m)
        if self.n >= self.m:
            raise StructureError(f"nm: n of m stay, with n below m; got {self.n}:{self.m}")

    def keep(self, energy: np.ndarray) -> np.ndarray:
        runs = in_runs(energy, 1, self.m)
        kept = np.moveaxis(largest(np.moveaxis(runs, 2, -1), self.n), -1, 2)
        return kept.reshape(len(energy), -1, energy.shape[2])[:, : energy.shape[1]]

    def breach(self, filters: np.ndarray, found: np.ndarray, allowed: np.ndarray) -> str:
        channel, position = map(int, np.argwhere(found & ~allowed)[0])
        start = channel // self.m * self.m
        channels = range(start, min(start + self.m, len(found)))
        return (
            f"{name_filters(filters, 'keep')} {found[channels, position].sum()} weights of "
            f"{name_channels(channels)} at kernel position {position}, {self} keeps {self.n}"
        )

    def rate_for(self, shape: tuple[int, ...]) -> float:
        return self.m / self.n

    def __str__(self) -> str:
        return f"{self.n}:{self.m}"
