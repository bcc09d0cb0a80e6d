"""What this machine can do at best, measured: multiply-adds in registers, bytes from memory.

The two ceilings of a roofline (Williams, Waterman, Patterson, CACM 52(4), 2009).
"""

import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from .._tvm import T, tvm
from ..kernels.builder import store, tensor, tensor_function
from ..runtime.artifact import aligned
from ..runtime.threads import use_threads
from ..targets import Target, resolve

CHAINS = 12
"""Sums of vectors that do not wait for each other: multiply-adds take 4 cycles, 2 start in each."""
STEPS = 1 << 18
"""Turns of a chain; with 16 lanes and two starts a cycle they take less than a millisecond."""
MEMORY = 256 << 20
"""Bytes to read: more than any cache holds."""
SECONDS = 1.0
"""Of runs for each ceiling; the quickest counts, for others can only slow it down."""


@dataclass(frozen=True)
class Ceilings:
    """Of so many threads of one machine."""

    threads: int
    gflops: float
    """1e9 operations a second; a multiply-add is two."""
    bandwidth: float
    """1e9 bytes a second, read from memory."""

    def at(self, intensity: float) -> float:
        """GFLOP/s that a kernel of so many operations a byte can reach if all comes from memory."""
        return min(self.gflops, intensity * self.bandwidth)


def measure_ceilings(threads: int | None = None) -> Ceilings:
    """Both ceilings, each the best of a second of runs."""
    target = resolve("cpu", threads)
    vectors = MEMORY // 4 // (CHAINS * target.lanes * target.threads)
    compute = _seconds(target, STEPS, reads=False)
    memory = _seconds(target, vectors, reads=True)
    elements = CHAINS * target.lanes * target.threads
    return Ceilings(
        threads=target.threads,
        gflops=2 * elements * STEPS / compute / 1e9,
        bandwidth=4 * elements * vectors / memory / 1e9,
    )


def _seconds(target: Target, steps: int, reads: bool) -> float:
    """The quickest of some runs of the loop."""
    elements = CHAINS * target.lanes * target.threads
    x = aligned((elements * (steps if reads else 1),), "float32")
    y = aligned((elements,), "float32")
    x[:], y[:] = 0.5, 0
    arguments = [tvm.runtime.from_dlpack(array) for array in (x, y)]
    with tempfile.TemporaryDirectory(prefix="sparsetvm-") as folder:
        loop = _build(target, steps, reads, Path(folder) / "loop.so")
        use_threads(target.threads)
        return _quickest(loop, arguments)


def _quickest(loop: Callable, arguments: list) -> float:
    """Seconds."""
    runs, end = [], time.perf_counter() + SECONDS
    while not runs or time.perf_counter() < end:
        start = time.perf_counter()
        loop(*arguments)
        runs.append(time.perf_counter() - start)
    return min(runs)


def _build(target: Target, steps: int, reads: bool, path: Path) -> Callable:
    module = tvm.IRModule({"main": _loop(target, steps, reads)})
    built = tvm.compile(module, target=tvm.target.Target(dict(target.tvm)))
    built.export_library(str(path), fcompile=target.linker)
    return tvm.runtime.load_module(str(path))["main"]


def _loop(target: Target, steps: int, reads: bool):
    """Each thread: sum[c] = sum[c] * 0.5 + x[c], in registers; with `reads` x goes on at each step.

    x  float32 [threads * CHAINS * lanes], or with `reads` so many for each step
    y  float32 [threads * CHAINS * lanes]: the sums, so that the loop is not left out
    """
    chunk = CHAINS * target.lanes
    with tensor_function() as function:
        x = tensor("x", target.threads * chunk * (steps if reads else 1))
        y = tensor("y", target.threads * chunk)
        with T.parallel(0, target.threads) as core, T.sblock("core"):
            thread = T.axis.spatial(target.threads, core)
            T.reads(x[0 : x.shape[0]])
            T.writes(y[thread * chunk : (thread + 1) * chunk])
            total = T.sblock_alloc_buffer((chunk,), scope="local")
            with T.unroll(0, CHAINS) as c, T.vectorized(0, target.lanes) as lane:
                store(total, [c * target.lanes + lane], T.float32(0))
            with T.serial(0, steps) as step, T.unroll(0, CHAINS) as c:
                place = (thread * steps + step) * chunk if reads else thread * chunk
                with T.vectorized(0, target.lanes) as lane:
                    i = c * target.lanes + lane
                    store(total, [i], total[i] * T.float32(0.5) + x[place + i])
            with T.unroll(0, CHAINS) as c, T.vectorized(0, target.lanes) as lane:
                i = c * target.lanes + lane
                store(y, [thread * chunk + i], total[i])
    return function.get().with_attr("global_symbol", "main")
