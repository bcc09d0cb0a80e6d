"""Block-based column-row pruning (GRIM): each block of the matrix loses columns and rows."""

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from ..errors import StructureError
from .energy import block_around, by_block, in_runs, largest, share
from .parameters import check_group, check_rate, check_whole
from .structure import Structure, structures
from .words import name_channels, name_filters


@structures.register("bcr")
@dataclass(frozen=True)
class BCR(Structure):
    """In each block of `rows` filters by `columns` columns, prune columns, then rows.

        3 1 2 | 1 2 1       3 . 2 | . . .
        4 0 3 | 0 1 0   ->  4 . 3 | . . .
        0 1 0 | 2 0 4       . . . | 2 . 4
        1 0 1 | 3 1 3       . . . | 3 . 3        rows=4, columns=3, group=2, both rates about 2

    Rows go in units of `group` neighbours (1 is textbook BCR). Each unit keeps equally many blocks
    and each block equally many columns, so what stays packs as whole smaller groups: pruned rows
    cost neither storage nor work. The matrix is cut evenly, in blocks of at most `columns` columns.
    """

    rows: int = 16
    columns: int = 64
    row_rate: float = 2.0
    column_rate: float = 4.0
    group: int = 8
    block: int | None = None

    reorders: ClassVar[bool] = False

    def __post_init__(self) -> None:
        check_group("bcr", self.group, self.block)
        check_whole("bcr", rows=self.rows, columns=self.columns)
        check_rate("bcr", row_rate=self.row_rate, column_rate=self.column_rate)
        if self.rows % self.group:
            raise StructureError(
                f"bcr: rows is a multiple of group; got {self.rows} rows in groups of {self.group}"
            )

    def keep(self, energy: np.ndarray) -> np.ndarray:
        return by_block(self._strongest, energy, self.block)

    def breach(self, filters: np.ndarray, found: np.ndarray, allowed: np.ndarray) -> str:
        outside = int(np.argmax((found & ~allowed).any(axis=1)))
        channels = block_around(outside, self.block, len(found))
        kept, expected = (self._cut(part[None, channels])[0] for part in (found, allowed))
        blocks, expected_blocks = kept.any(axis=1).sum(), expected.any(axis=1).sum()
        where = f"at {name_channels(channels)}, {self}"
        if blocks > expected_blocks:
            return (
                f"{name_filters(filters, 'keep')} {blocks} of {len(kept)} blocks of columns "
                f"{where} keeps {expected_blocks}"
            )
        first = int(np.argmax((kept & ~expected).any(axis=1)))
        return (
            f"{name_filters(filters, 'keep')} {kept[first].sum()} of {kept.shape[1]} columns "
            f"in block {first} {where} keeps {self._columns(kept)}, the same for {self.rows} rows"
        )

    def at_rate(self, rate: float) -> Structure:
        return replace(self, column_rate=rate)

    def rate_for(self, shape: tuple[int, ...]) -> float:
        return float(self.row_rate * self.column_rate)

    def __str__(self) -> str:
        rates = f"rows {self.row_rate:.3g}x, columns {self.column_rate:.3g}x"
        return f"bcr {self.rows}x{self.columns} {rates}"

    def _cut(self, energy: np.ndarray) -> np.ndarray:
        """[G, ic, positions] -> [G, blocks, columns], the last block filled up with zeros."""
        matrix = energy.reshape(len(energy), -1)
        blocks = -(-matrix.shape[1] // self.columns)
        return in_runs(matrix, 1, -(-matrix.shape[1] // blocks))

    def _columns(self, blocks: np.ndarray) -> int:
        return share(blocks.shape[-1], self.column_rate)

    def _strongest(self, energy: np.ndarray) -> np.ndarray:
        units = in_runs(self._cut(energy), 0, self.rows // self.group)
        columns = largest(units.sum(axis=1, keepdims=True), self._columns(units))
        left = np.where(columns, units, 0).sum(axis=3)
        blocks = largest(left, share(left.shape[2], self.row_rate))
        kept = (columns & blocks[..., None]).reshape(-1, left.shape[2] * units.shape[3])
        return kept[: len(energy), : energy[0].size].reshape(energy.shape)
