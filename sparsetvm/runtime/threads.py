"""TVM's pool of threads, sized to what an engine asks and left free of pins; who goes first."""

import ctypes
import os
import platform
import struct
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress

from .._tvm import tvm
from ..targets.cpu import allowed_cpus

_ON_ANY_CPU, _ONE_CPU_EACH = -3, -2
"""TVM's modes: every thread may run on all of the CPUs that are named, or each has its own.

Its others pin the thread that calls, for good, and with it all that it does later: torch, numpy, a
second engine.
"""

SHORT, AS_ALWAYS = 100_000, 0
"""Nanoseconds of a thread's turn: the least that Linux grants, and what it grants unasked."""

_NICE = -10
"""Nine tenths of a core that somebody else wants too."""

_LIBC = ctypes.CDLL(None) if sys.platform != "win32" else None
_SCHED_SETATTR = {"x86_64": 314, "aarch64": 274}
"""The system call's number."""

_of_caller = threading.local()  # TVM keeps one pool for each thread that calls


def in_words(threads: int) -> str:
    """1 thread, 2 threads."""
    return f"{threads} thread{'s' if threads > 1 else ''}"


def use_threads(threads: int, cpus: Sequence[int] | None = None) -> None:
    """Let the caller's next kernels run on so many threads, or on all CPUs if they are fewer.

    With `cpus` the caller and its kernels keep to these, each thread to one if they are as many.
    """
    is_free = cpus is None
    cpus = allowed_cpus() if is_free else list(cpus)
    mode = _ON_ANY_CPU if is_free or threads < len(cpus) else _ONE_CPU_EACH
    wanted = mode, min(threads, len(cpus)), cpus
    if getattr(_of_caller, "set", None) != wanted:
        # The last number is the size that the pool gets when it is made, half the CPUs otherwise.
        configure = tvm.get_global_func("runtime.config_threadpool")
        size = max(len(cpus), len(allowed_cpus()))
        configure(*wanted[:2], [str(cpu) for cpu in cpus], size)
        if mode == _ONE_CPU_EACH and hasattr(os, "sched_setaffinity"):
            os.sched_setaffinity(0, cpus[:1])  # TVM leaves the caller, who is one of them, free
        _of_caller.set = wanted


def sleep_when_idle() -> None:
    """Let idle threads of TVM's pools sleep at once; to be called before the first kernel runs.

    They would spin for some milliseconds, on cores that other nets could use.
    """
    os.environ.setdefault("TVM_THREAD_POOL_SPIN_COUNT", "0")


def current_cpu() -> int:
    """Where the caller runs now; -1 where the system does not tell."""
    get = getattr(_LIBC, "sched_getcpu", None)
    return get() if get else -1


def may_go_first() -> bool:
    """Whether the system lets threads of the caller run before all others: Linux does so for root,
    with CAP_SYS_NICE, or after `ulimit -r`."""
    try:
        _be_real_time(1)
    except (AttributeError, OSError):
        return False
    go_along()
    return True


def go_first(before: int = 0) -> None:
    """Let the caller, and the threads that it makes now, run before all others, those of a higher
    `before` first. Where it may not, it runs at once when it is woken, in short turns."""
    try:
        _be_real_time(1 + before)
    except (AttributeError, OSError):
        _take_turns(SHORT)


def go_before_most() -> None:
    """Let the caller, and the threads that it makes now, have most of a core that others want too;
    where the system does not allow it, their share."""
    with suppress(AttributeError, OSError):
        os.setpriority(os.PRIO_PROCESS, 0, _NICE)  # of the thread alone, on Linux


def go_along() -> None:
    """Take `go_first` back."""
    _take_turns(AS_ALWAYS)


def go_last() -> None:
    """Let the caller, and the threads that it makes now, give their cores to whoever else wants
    them; on Linux, and for good."""
    if hasattr(os, "SCHED_IDLE"):
        _take_turns(SHORT)  # even an idle thread ends a turn of some ms once it has begun one
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))


def _be_real_time(priority: int) -> None:
    os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(priority))


def _take_turns(nanoseconds: int) -> None:
    """Be an ordinary thread that takes turns so long: Linux has let threads say so since 6.12
    (EEVDF), and takes no notice before; who takes shorter ones goes sooner."""
    number = _SCHED_SETATTR.get(platform.machine()) if sys.platform == "linux" else None
    if number is not None:
        # struct sched_attr: its size, policy, flags, nice, priority, and a turn as its runtime
        attributes = struct.pack("IIQiIQQQ", 48, os.SCHED_OTHER, 0, 0, 0, nanoseconds, 0, 0)
        _LIBC.syscall(number, 0, attributes, 0)
