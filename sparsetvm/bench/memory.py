"""What a run takes of memory, in a process of its own; Linux alone tells.

    python -m sparsetvm.bench.memory net.stvm  ->  {"peak": 1458176, "weights": ..., "arena": ...}

bytes: what the process holds at most during three runs beyond what it held before the net was
loaded, code and manifest included; the packed weights; the arena that activations share.
"""

import ctypes
import gc
import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from .._tvm import tvm
from ..errors import SparseTVMError
from ..runtime.artifact import Artifact
from ..runtime.engine import load
from ..runtime.inputs import random_inputs
from .environments import package_root

STATUS, RESET = Path("/proc/self/status"), Path("/proc/self/clear_refs")


@dataclass(frozen=True)
class Memory:
    """Bytes."""

    peak: int
    weights: int
    arena: int

    @property
    def ratio(self) -> float:
        """What a run takes at most, of what it must hold."""
        return self.peak / (self.weights + self.arena)


def memory_of(artifact: Artifact, path: Path) -> Memory | None:
    """Measured on the file that this writes to `path`; None on systems that do not tell."""
    if not RESET.exists():
        return None
    artifact.save(path, overwrite=True)
    command = [sys.executable, "-m", __name__, str(path)]
    ran = subprocess.run(command, capture_output=True, text=True, cwd=package_root())
    if ran.returncode:
        raise SparseTVMError(
            f"the run whose memory was measured failed: {ran.stderr.strip().splitlines()[-1]}\n"
            f"  run it by hand: {' '.join(command)}"
        )
    return Memory(**json.loads(ran.stdout))


def _measure(path: str) -> Memory:
    for _ in range(2):  # the first brings in all that any engine needs
        before = status("VmRSS")
        engine = load(path)
        inputs = random_inputs(engine.manifest)
        give_back()
        RESET.write_text("5")  # the peak begins anew
        for _ in range(3):
            engine(inputs)
        peak = status("VmHWM") - before
        arena = engine.arena_bytes(inputs)
        del engine, inputs
        give_back()
    return Memory(peak, Artifact.load(path).weight_bytes, arena)


def give_back() -> None:
    """Freed memory goes back to the system, where it would hide what the next run takes."""
    gc.collect()
    tvm.get_global_func("vm.builtin.memory_manager.clear")()  # arenas of engines that are gone
    ctypes.CDLL(None).malloc_trim(0)


def status(key: str) -> int:
    line = next(line for line in STATUS.read_text().splitlines() if line.startswith(f"{key}:"))
    return int(line.split()[1]) * 1024


if __name__ == "__main__":
    print(json.dumps(vars(_measure(sys.argv[1]))))
