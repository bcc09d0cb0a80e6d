"""What a worker is told of its task, and what it says of a candidate."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ..errors import SparseTVMError
from ..runtime.tracker import Remote
from ..targets.link import Linker

TOLERANCE = 1e-4
"""Of the largest value: float32 sums in another order differ by 1e-6 or so."""

AGREEING, WITHIN, MOST = 3, 1.03, 16
"""A time is believed once the lowest 3 timings lie within 3 %; after 16 it is taken as it is."""


@dataclass(frozen=True)
class Job:
    """All that is needed to measure candidates of one task.

    arguments  as Task.arguments
    outputs    as Task.outputs
    truth      places in the first output, and what belongs there
    between    as Task.between
    target     what tvm.target.Target is made from
    threads    of a run
    cache      bytes of a core's second cache
    limit      seconds in which a candidate is checked and timed
    linker     makes the library that a device takes
    remote     where the device is; None: here
    default    the default schedule's module as JSON: what a device that works computes right
    """

    arguments: tuple[np.ndarray, ...]
    outputs: tuple[tuple[int, ...], ...]
    truth: tuple[np.ndarray, np.ndarray]
    between: int
    target: Mapping[str, object]
    threads: int
    cache: int
    limit: float
    linker: Linker
    remote: Remote | None
    default: str

    def wrong(self, output: np.ndarray) -> str | None:
        """What is wrong with the first output; None: nothing."""
        places, values = self.truth
        error = float(np.abs(output.reshape(-1)[places] - values).max() / np.abs(values).max())
        if error <= TOLERANCE:
            return None
        return f"its result is off by {error:.0e} of the largest value"


@dataclass(frozen=True)
class Measured:
    """Seconds of the lowest timings, or why there are none."""

    seconds: tuple[float, ...] = ()
    failure: str | None = None
    doubtful: bool = False
    """The device may be to blame for the failure, not the candidate."""


def believed(timed: Callable[[], Sequence[float]], end: float = float("inf")) -> tuple[float, ...]:
    """The lowest of the seconds that `timed` gives, asked until `end` by time.monotonic: what
    others do on the machine only ever adds to a time."""
    timings: list[float] = []
    while True:
        timings += timed()
        lowest = sorted(timings)[:AGREEING]
        agree = len(lowest) == AGREEING and lowest[-1] <= WITHIN * lowest[0]
        if agree or len(timings) >= MOST or time.monotonic() > end:
            return tuple(lowest)


def reason_of(err: Exception) -> str:
    """What it says in one line: our errors begin with it, TVM's end with it, after their stack."""
    lines = str(err).strip().splitlines() or [type(err).__name__]
    return lines[0 if isinstance(err, SparseTVMError) else -1]
