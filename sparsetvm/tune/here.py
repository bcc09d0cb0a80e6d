"""Candidates that run on this machine."""

import time
from collections.abc import Callable

import numpy as np

from .._tvm import tvm
from ..runtime.artifact import aligned
from ..runtime.threads import use_threads
from .job import Job, Measured, believed

FARTHEST = 64 << 20
"""Bytes after which no cache remembers what was before."""


class Here:
    """Runs candidates in this process."""

    def __init__(self, job: Job):
        self._job, self._target = job, tvm.target.Target(dict(job.target))
        self.limit = job.limit
        use_threads(job.threads)
        self._tensors, arrays = [], []
        for array in (*job.arguments, *(np.zeros(shape, np.float32) for shape in job.outputs)):
            own = aligned(array.shape, array.dtype)
            own[...] = array
            self._tensors.append(tvm.runtime.from_dlpack(own))
            arrays.append(own)
        self._output = arrays[len(job.arguments)]
        self._cool = _cooling(arrays[0], job.between)

    def be_ready(self) -> None:
        """It always is."""

    def let_go(self) -> None:
        """Nothing is held."""

    def build(self, module: str):
        return tvm.compile(tvm.ir.load_json(module), target=self._target)["main"]

    def measure(self, run) -> Measured:
        self._output[...] = np.nan  # the last one's right result must not stand for this one's
        run(*self._tensors)
        if wrong := self._job.wrong(self._output):
            return Measured(failure=wrong)

        def timed() -> list[float]:
            self._cool()
            start = time.perf_counter()
            run(*self._tensors)
            return [time.perf_counter() - start]

        return Measured(believed(timed))


def _cooling(x: np.ndarray, between: int) -> Callable[[], None]:
    """Leaves the caches as a net does: full of what it touched in between, x written last."""
    rest, kept = np.ones(min(between, FARTHEST) // 4, np.float32), x.copy()

    def cool() -> None:
        rest.sum()
        x[:] = kept

    return cool
