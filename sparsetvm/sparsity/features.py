"""What the offsets of kept columns say of memory: how long their runs are, what a tile touches."""

import numpy as np


def density(offset: np.ndarray) -> float:
    """Columns that a group keeps, of those that any group keeps; `offset` is [groups, columns]."""
    return offset.shape[1] / len(np.unique(offset))


def run_length(offset: np.ndarray) -> float:
    """Columns in a run of adjacent offsets, on average: 3 where kernels keep whole lines of 3."""
    breaks = np.count_nonzero(np.diff(np.sort(offset, axis=1), axis=1) != 1)
    return offset.size / (breaks + len(offset))


def touched(offset: np.ndarray, groups: int, columns: int, lanes: int, tiles: int = 4) -> float:
    """Elements of x that a tile reads: `lanes` from each offset of neighbouring groups and columns.

    What several columns read counts once. The mean of some tiles, spread over the layer.
    """
    at_group = np.linspace(0, len(offset) - groups, tiles).astype(int)
    at_column = np.linspace(0, offset.shape[1] - columns, tiles).astype(int)
    counts = []
    for g, c in set(zip(at_group.tolist(), at_column.tolist(), strict=True)):
        starts = np.unique(offset[g : g + groups, c : c + columns])
        counts.append(np.minimum(np.diff(starts), lanes).sum() + lanes)
    return float(np.mean(counts))
