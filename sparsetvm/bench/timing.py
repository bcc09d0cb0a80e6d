"""The figures of one engine: median, spread, and how many runs they rest on."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Timing:
    """Milliseconds of one inference."""

    ms: float
    """The median of all runs."""
    p10: float
    p90: float
    runs: int
    blocks: int
    disturbed: int
    """Blocks that were thrown away because others used the machine meanwhile."""
    quiet: bool
    """False: no block was free of others, so these figures come from disturbed ones."""


def summarise(blocks: Sequence[Sequence[float]], disturbed: Sequence[Sequence[float]]) -> Timing:
    """One figure from all runs of quiet blocks, or of the disturbed ones where none was quiet."""
    counted = blocks or disturbed
    p10, median, p90 = np.percentile(np.concatenate(counted), [10, 50, 90])
    return Timing(
        ms=float(median),
        p10=float(p10),
        p90=float(p90),
        runs=sum(map(len, counted)),
        blocks=len(counted),
        disturbed=len(disturbed) if blocks else 0,
        quiet=bool(blocks),
    )
