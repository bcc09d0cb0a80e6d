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
    """Blocks during which others used the machine; they do not count."""
    quiet: bool
    """False: there was no other block, so these figures come from the quickest disturbed one."""


def summarise(quiet: Sequence[Sequence[float]], disturbed: Sequence[Sequence[float]]) -> Timing:
    """One figure from all runs of the quiet blocks; without any, of the quickest disturbed one."""
    counted = quiet or [min(disturbed, key=np.median)]
    p10, median, p90 = np.percentile(np.concatenate(counted), [10, 50, 90])
    return Timing(
        ms=float(median),
        p10=float(p10),
        p90=float(p90),
        runs=sum(map(len, counted)),
        blocks=len(counted),
        disturbed=len(disturbed),
        quiet=bool(quiet),
    )
