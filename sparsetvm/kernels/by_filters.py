"""Kernels whose lanes run over filters: how these lie in tiles, and what each tile keeps."""

from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True)
class ByFilters:
    """Tiles of neighbouring filters.

    tiles     of `groups` x `filters` filters each; the last may have more than there are
    groups    P that lie side by side in a vector, each with columns of its own
    filters   B, the filters of a group, which keep the same columns
    columns   K, of each group
    """

    tiles: int
    groups: int
    filters: int
    columns: int

    kind: ClassVar[str]
    matrices: ClassVar[int] = 1
    """Weights [filters, inputs] whose rows share a tile."""

    @property
    def units(self) -> int:
        """Filters of a tile."""
        return self.groups * self.filters

    @property
    def facts(self) -> dict[str, int | str]:
        """What schedule rules and the cost model may read."""
        return {
            "kind": self.kind,
            "groups": self.tiles * self.groups,
            "filters": self.filters,
            "blocks": self.matrices,
            "columns": self.columns,
        }


def column_type(inputs: int) -> str:
    """Of a column's number: as short as will do, for it is read as often as the weights are."""
    return "uint16" if inputs <= 1 << 16 else "int32"
