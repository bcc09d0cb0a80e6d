"""A process that builds and runs candidates, for they may hang, crash or eat all memory: it is
thrown away then."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from multiprocessing.connection import Connection

from .._tvm import tvm
from ..errors import DeviceError
from ..passes.schedule import finished, shared_among
from ..runtime.tracker import Remote
from ..targets.target import Target
from .job import Job, Measured
from .measuring import BE_READY, BUILD, RAN, READY, Said, serve
from .patience import PATIENCE
from .space import Space
from .task import Task

RUN = 10.0
"""Seconds that a candidate may take to be checked and timed on this machine."""
RUNS, SLOWEST = 10, 1e8
"""Of a candidate on a device, and the operations in a second that any device does at the least."""
START = 300.0
"""Seconds in which a process is there, on a machine that has much else to do."""


def run_limit(operations: int, remote: Remote | None) -> float:
    """Seconds for a kernel of so many operations to be checked and timed, here or on a device."""
    return RUN if remote is None else RUN + RUNS * operations / SLOWEST


class Worker:
    """Measures one task's candidates on the target's threads; begins anew after one that fails
    hard. `say` hears what the user should know of a device."""

    def __init__(
        self,
        task: Task,
        target: Target,
        say: Callable[[str], None],
        remote: Remote | None = None,
        limit: float | None = None,
    ):
        self._task, self._target, self._say = task, target, say
        self._job = Job(
            arguments=task.arguments,
            outputs=task.outputs,
            truth=task.truth(),
            between=task.between,
            target=dict(target.tvm),
            threads=target.threads,
            cache=target.l2,
            limit=limit or run_limit(task.operations, remote),
            linker=target.linker,
            remote=remote,
            default=self.program(Space(task, target).default().mod),
        )
        self._process = self._pipe = None
        self._is_closed = False

    def program(self, module: tvm.IRModule) -> str:
        """A candidate as `measure` takes it."""
        kernel = module["main"]
        if self._task.margins is not None:
            kernel = finished(kernel, self._task.margins, self._target)
        module = tvm.IRModule({"main": shared_among(kernel, self._target)})
        return tvm.ir.save_json(module)

    def be_ready(self) -> None:
        """Start, and wait until there is a device that works; DeviceError if there is none."""
        end = time.monotonic() + PATIENCE
        while not self._is_closed:
            try:
                if self._process is None:
                    self._start()
                self._pipe.send(BE_READY)
                said = self._hear()
            except (EOFError, OSError) as err:
                self._forget()
                if time.monotonic() > end:
                    key = self._job.remote.key
                    raise DeviceError(
                        f"devices {key!r} hang in the default schedule of {self._task.name}\n"
                        f"  see that they run what --target says"
                    ) from err
                continue
            if isinstance(said, DeviceError):
                raise said
            return

    def measure(self, program: str) -> Measured:
        """Build a candidate and run it: checked against the reference first, then timed."""
        doing, limit = "compiled", BUILD
        try:
            self._pipe.send(program)
            while not isinstance(said := self._hear(), Measured):
                doing, limit = said, self._job.limit
        except (EOFError, OSError):
            code = -self._process.wait()
            self._forget()
            if code == signal.SIGALRM:
                said = Measured(failure=f"it {doing} longer than {limit:.0f} s")
            else:
                said = Measured(failure=f"it crashed the process that {doing} it ({_signal(code)})")
        is_there = self._job.remote is not None and doing == RAN
        return replace(said, doubtful=is_there and said.failure is not None)

    def close(self) -> None:
        """End the process; a call that waits for it, in another thread, ends too."""
        self._is_closed = True
        self._end()

    def _hear(self) -> object:
        """The next word that is for us."""
        while isinstance(said := self._pipe.recv(), Said):
            self._say(said.text)
        return said

    def _end(self) -> None:
        if (process := self._process) is not None:
            process.kill()
            process.wait()

    def _forget(self) -> None:
        self._end()
        self._pipe.close()
        self._process = self._pipe = None

    def _start(self) -> None:
        """A program of its own: multiprocessing would run the user's script a second time in it."""
        ours, theirs = socket.socketpair()
        number = theirs.fileno()
        command = [sys.executable, "-c", f"from {serve.__module__} import serve; serve({number})"]
        path = os.pathsep.join(filter(None, sys.path))
        self._process = subprocess.Popen(
            command, pass_fds=[number], env={**os.environ, "PYTHONPATH": path}
        )
        theirs.close()
        self._pipe = Connection(ours.detach())
        self._pipe.send(self._job)
        try:
            is_there = self._pipe.poll(START) and self._pipe.recv() == READY
        except EOFError:
            is_there = False
        if not is_there and not self._is_closed:
            raise RuntimeError("the process that measures candidates did not start")


def _signal(code: int) -> str:
    return signal.Signals(code).name if code in iter(signal.Signals) else f"exit code {-code}"
