"""The program of a worker's process: it builds candidates, runs them, and says what came out."""

import signal
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection

import psutil

from ..errors import DeviceError
from .job import Measured, reason_of

BUILD = 60.0
"""Seconds that a candidate may take to compile."""
MEMORY = 2 << 30
"""Bytes that it may take on top of what the process has at the start."""

BE_READY, READY, RAN = "be ready", "ready", "ran"
"""Asked for a device; there is one; compiled, so what follows is the run's fault."""


@dataclass(frozen=True)
class Said:
    """Something that the user should know at the end."""

    text: str


def serve(number: int) -> None:
    """Measure what comes in through the socket of this file number, until its other end closes."""
    pipe = Connection(number)
    job = pipe.recv()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the tuner's
    for number in (signal.SIGALRM, signal.SIGSEGV):
        signal.signal(number, signal.SIG_DFL)  # ends the process, also inside a kernel, in silence
    if job.remote is None:
        from .here import Here

        place = Here(job)
    else:
        from .there import There

        place = There(job, lambda text: pipe.send(Said(text)), pause=pipe.poll)
    process = psutil.Process()
    process.rlimit(psutil.RLIMIT_AS, (process.memory_info().vms + MEMORY,) * 2)
    pipe.send(READY)
    with suppress(EOFError, OSError):  # the tuner is gone
        while True:
            request = pipe.recv()
            if request == BE_READY:
                try:
                    place.be_ready()
                    pipe.send(READY)
                except DeviceError as err:
                    pipe.send(err)
                continue
            try:
                signal.setitimer(signal.ITIMER_REAL, BUILD)
                run = place.build(request)
                signal.setitimer(signal.ITIMER_REAL, 0)
                pipe.send(RAN)
                place.be_ready()  # a session may have ended in the meantime
                signal.setitimer(signal.ITIMER_REAL, place.limit)
                measured = place.measure(run)
            except Exception as err:  # whatever a candidate makes TVM say
                measured = Measured(failure=reason_of(err))
            signal.setitimer(signal.ITIMER_REAL, 0)
            if measured.failure:
                place.let_go()
            pipe.send(measured)
