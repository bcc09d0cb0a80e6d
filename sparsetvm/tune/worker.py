"""A process that runs candidates, for they may hang, crash or overwrite memory: it is thrown away
then."""

import multiprocessing
import time
from dataclasses import dataclass
from multiprocessing.connection import Connection

import numpy as np

from .task import Task

REPEATS, SECONDS = 3, 0.01
"""Timings of a candidate, and how long each lasts at least."""
TOLERANCE = 1e-4
"""Of the largest value: float32 sums in another order differ by 1e-6 or so."""


@dataclass(frozen=True)
class Measured:
    """Seconds of each timing, or why there are none."""

    seconds: tuple[float, ...] = ()
    failure: str | None = None


class Worker:
    """Runs one task's candidates on `threads` threads; begins anew after one that fails hard."""

    def __init__(self, task: Task, threads: int, timeout: float = 10.0):
        self._task, self._threads, self._timeout = task, threads, timeout
        self._truth = task.truth()
        self._process = self._pipe = None

    def measure(self, library: str) -> Measured:
        """Run a candidate's shared library: checked against the reference first, then timed."""
        if self._process is None:
            self._start()
        try:
            self._pipe.send(library)
            if self._pipe.poll(self._timeout):
                return self._pipe.recv()
            failure = f"it ran longer than {self._timeout:.0f} s"
        except (EOFError, OSError):
            failure = "it crashed the process that ran it"
        self.close()
        return Measured(failure=failure)

    def close(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.join()
            self._pipe.close()
            self._process = self._pipe = None

    def __enter__(self) -> "Worker":
        return self

    def __exit__(self, *_) -> None:
        self.close()

    def _start(self) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        arguments = (theirs, self._task.arguments, self._task.outputs, self._truth, self._threads)
        self._process = context.Process(target=_serve, args=arguments, daemon=True)
        self._process.start()
        theirs.close()
        if not self._pipe.poll(120) or self._pipe.recv() != "ready":
            raise RuntimeError("the process that measures candidates did not start")


def _serve(
    pipe: Connection,
    arguments: tuple[np.ndarray, ...],
    outputs: int,
    truth: tuple[np.ndarray, np.ndarray],
    threads: int,
) -> None:
    from .._tvm import tvm
    from ..runtime.artifact import aligned
    from ..runtime.threads import use_threads

    use_threads(threads)
    tensors = []
    for array in (*arguments, np.zeros(outputs, np.float32)):
        own = aligned(array.shape, array.dtype)
        own[...] = array
        tensors.append(tvm.runtime.from_dlpack(own))
    output = own  # the last one
    places, values = truth
    largest = np.abs(values).max()
    pipe.send("ready")
    while True:
        try:
            library = pipe.recv()
        except EOFError:
            return
        try:
            run = tvm.runtime.load_module(library)["main"]
            output[:] = np.nan  # the last candidate's right result must not stand in for this one's
            run(*tensors)
            error = float(np.abs(output[places] - values).max() / largest)
            if not error <= TOLERANCE:
                pipe.send(
                    Measured(failure=f"its result is off by {error:.0e} of the largest value")
                )
                continue
            pipe.send(Measured(tuple(_seconds(run, tensors) for _ in range(REPEATS))))
        except Exception as err:  # whatever a candidate makes TVM say
            pipe.send(Measured(failure=str(err).strip().splitlines()[-1]))


def _seconds(run, tensors) -> float:
    """The mean of as many runs as fill SECONDS."""
    count, start = 0, time.perf_counter()
    while (passed := time.perf_counter() - start) < SECONDS:
        run(*tensors)
        count += 1
    return passed / count
