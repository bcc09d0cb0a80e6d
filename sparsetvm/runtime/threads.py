"""TVM's pool of threads, sized to what an engine asks and left free of pins."""

import threading

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


def use_threads(threads: int) -> None:
    """Let the caller's next kernels run on so many threads, or on all CPUs if they are fewer."""
    cpus = allowed_cpus()
    wanted = min(threads, len(cpus)), cpus
    if getattr(_of_caller, "set", None) != wanted:
        # The last number is the size that the pool gets when it is made, half the CPUs otherwise.
        configure = tvm.get_global_func("runtime.config_threadpool")
        configure(_ON_ANY_CPU, wanted[0], [str(cpu) for cpu in cpus], len(cpus))
        _of_caller.set = wanted
