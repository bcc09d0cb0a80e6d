"""A process that builds and runs candidates, for they may hang, crash or eat all memory: it is
thrown away then."""

import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection

import numpy as np
import psutil

from .._tvm import tvm
from ..passes.schedule import finished, shared_among
from ..targets.target import Target
from .task import Task

BUILD, RUN = 60.0, 10.0
"""Seconds that a candidate may take to compile, and to be checked and timed."""
MEMORY = 2 << 30
"""Bytes that it may take on top of what the process has at the start."""
TOLERANCE = 1e-4
"""Of the largest value: float32 sums in another order differ by 1e-6 or so."""

AGREEING, WITHIN, MOST = 3, 1.03, 16
"""A time is believed once the lowest 3 timings lie within 3 %; after 16 it is taken as it is."""
FARTHEST = 64 << 20
"""Bytes after which no cache remembers what was before."""


@dataclass(frozen=True)
class Measured:
    """Seconds of the lowest timings, or why there are none."""

    seconds: tuple[float, ...] = ()
    failure: str | None = None


class Worker:
    """Measures one task's candidates on the target's threads; begins anew after one that fails
    hard."""

    def __init__(self, task: Task, target: Target, limit: float = RUN):
        self._task, self._target, self._limit = task, target, limit
        self._truth = task.truth()
        self._process = self._pipe = None

    def measure(self, module: tvm.IRModule) -> Measured:
        """Build a candidate and run it: checked against the reference first, then timed."""
        kernel = module["main"]
        if self._task.margins is not None:
            kernel = finished(kernel, self._task.margins, self._target)
        module = tvm.IRModule({"main": shared_among(kernel, self._target.threads)})
        if self._process is None:
            self._start()
        doing, limit = "compiled", BUILD
        try:
            self._pipe.send(tvm.ir.save_json(module))
            while not isinstance(said := self._pipe.recv(), Measured):
                doing, limit = said, self._limit
            return said
        except (EOFError, OSError):
            code = -self._process.wait()
        self.close()
        if code == signal.SIGALRM:
            return Measured(failure=f"it {doing} longer than {limit:.0f} s")
        return Measured(failure=f"it crashed the process that {doing} it ({_signal(code)})")

    def close(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._pipe.close()
            self._process = self._pipe = None

    def __enter__(self) -> "Worker":
        return self

    def __exit__(self, *_) -> None:
        self.close()

    def _start(self) -> None:
        """A program of its own: multiprocessing would run the user's script a second time in it."""
        ours, theirs = socket.socketpair()
        number = theirs.fileno()
        command = [sys.executable, "-c", f"from {__name__} import serve; serve({number})"]
        path = os.pathsep.join(filter(None, sys.path))
        self._process = subprocess.Popen(
            command, pass_fds=[number], env={**os.environ, "PYTHONPATH": path}
        )
        theirs.close()
        self._pipe = Connection(ours.detach())
        task, target = self._task, self._target
        self._pipe.send(((task.arguments, task.outputs, self._truth), dict(target.tvm)))
        self._pipe.send((target.threads, self._limit, task.between))
        if not self._pipe.poll(120) or self._pipe.recv() != "ready":
            raise RuntimeError("the process that measures candidates did not start")


def _signal(code: int) -> str:
    return signal.Signals(code).name if code in iter(signal.Signals) else f"exit code {-code}"


def serve(number: int) -> None:
    """Measure what comes in through the socket of this file number, until its other end closes."""
    pipe = Connection(number)
    from ..runtime.artifact import aligned
    from ..runtime.threads import use_threads

    (arguments, outputs, (places, values)), target = pipe.recv()
    threads, limit, between = pipe.recv()
    use_threads(threads)
    tensors, arrays = [], []
    for array in (*arguments, *(np.zeros(shape, np.float32) for shape in outputs)):
        own = aligned(array.shape, array.dtype)
        own[...] = array
        tensors.append(tvm.runtime.from_dlpack(own))
        arrays.append(own)
    output, cool = arrays[len(arguments)].reshape(-1), _cooling(arrays[0], between)
    largest = np.abs(values).max()
    target = tvm.target.Target(target)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the tuner's
    for number in (signal.SIGALRM, signal.SIGSEGV):
        signal.signal(number, signal.SIG_DFL)  # ends the process, also inside a kernel, in silence
    process = psutil.Process()
    process.rlimit(psutil.RLIMIT_AS, (process.memory_info().vms + MEMORY,) * 2)
    pipe.send("ready")
    with suppress(EOFError, OSError):  # the tuner is gone
        while True:
            module = pipe.recv()
            try:
                signal.setitimer(signal.ITIMER_REAL, BUILD)
                run = tvm.compile(tvm.ir.load_json(module), target=target)["main"]
                pipe.send("ran")
                signal.setitimer(signal.ITIMER_REAL, limit)
                output[:] = np.nan  # the last one's right result must not stand for this one's
                run(*tensors)
                error = float(np.abs(output[places] - values).max() / largest)
                if error <= TOLERANCE:
                    measured = Measured(_timings(run, tensors, cool))
                else:
                    measured = Measured(failure=_wrong(error))
            except Exception as err:  # whatever a candidate makes TVM say
                measured = Measured(failure=str(err).strip().splitlines()[-1])
            signal.setitimer(signal.ITIMER_REAL, 0)
            pipe.send(measured)


def _wrong(error: float) -> str:
    return f"its result is off by {error:.0e} of the largest value"


def _timings(run, tensors, cool) -> tuple[float, ...]:
    """The lowest ones: what others do on the machine only ever adds to a time."""
    timings: list[float] = []
    while len(timings) < MOST:
        cool()
        start = time.perf_counter()
        run(*tensors)
        timings.append(time.perf_counter() - start)
        lowest = sorted(timings)[:AGREEING]
        if len(lowest) == AGREEING and lowest[-1] <= WITHIN * lowest[0]:
            break
    return tuple(lowest)


def _cooling(x: np.ndarray, between: int):
    """Leaves the caches as a net does: full of what it touched in between, x written last."""
    rest, kept = np.ones(min(between, FARTHEST) // 4, np.float32), x.copy()

    def cool() -> None:
        rest.sum()
        x[:] = kept

    return cool
