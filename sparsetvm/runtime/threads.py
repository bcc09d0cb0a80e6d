"""TVM's pool of threads, sized to what an engine asks and left free of pins."""

import os
import threading
from collections.abc import Sequence

from .._tvm import tvm
from ..targets.cpu import allowed_cpus

_ON_ANY_CPU = -3
"""TVM's mode in which every thread may run on all of the CPUs that are named.

Its other modes pin the thread that calls to one core, for good, and with it all that the process
does later: torch, numpy, a second engine.
"""

_of_caller = threading.local()  # TVM keeps one pool for each thread that calls


def in_words(threads: int) -> str:
    """1 thread, 2 threads."""
    return f"{threads} thread{'s' if threads > 1 else ''}"


def use_threads(threads: int, cpus: Sequence[int] | None = None) -> None:
    """Let the caller's next kernels run on so many threads, or on all CPUs if they are fewer.

    With `cpus` the caller and its kernels keep to these.
    """
    cpus = allowed_cpus() if cpus is None else list(cpus)
    wanted = min(threads, len(cpus)), cpus
    if getattr(_of_caller, "set", None) != wanted:
        # The last number is the size that the pool gets when it is made, half the CPUs otherwise.
        configure = tvm.get_global_func("runtime.config_threadpool")
        size = max(len(cpus), len(allowed_cpus()))
        configure(_ON_ANY_CPU, wanted[0], [str(cpu) for cpu in cpus], size)
        _of_caller.set = wanted


def sleep_when_idle() -> None:
    """Let idle threads of TVM's pools sleep at once; to be called before the first kernel runs.

    They would spin for some milliseconds, on cores that other nets could use.
    """
    os.environ.setdefault("TVM_THREAD_POOL_SPIN_COUNT", "0")


def run_in_background() -> None:
    """Whoever else wants the caller's core has it at once; on Linux."""
    if hasattr(os, "SCHED_IDLE"):
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
