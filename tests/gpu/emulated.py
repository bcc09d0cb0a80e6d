"""Generated kernels on the CPU: their source compiled by clang, threads one after the other."""

import ctypes
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np

from sparsetvm.targets.link import host_linker
from tests.gpu.generated import Launch

HERE = Path(__file__).parent
ZIG = (sys.executable, "-m", "ziglang")
OPENCL = (*ZIG, "clang", "-x", "cl", "-cl-std=CL1.2", "-cl-no-stdinc", "-include", "opencl.h")
CUDA = (*ZIG, "clang", "-x", "c++", "-std=c++17", "-include", "cuda.h")
COROUTINES = (*ZIG, "cc", "-fno-sanitize=all", "-x", "c")
MOST_ARGUMENTS = 12


def emulate(source: str, folder: Path) -> Callable[[Launch, list[np.ndarray]], None]:
    """A function that runs one of the source's kernels; `folder` is for compiled code."""
    if "__kernel" in source:
        kernels = _compiled(OPENCL, source, folder / "kernels.cl")
    else:
        source = source[source.index('extern "C" __global__') :]  # before it: NVIDIA's headers
        kernels = _compiled(CUDA, source, folder / "kernels.cu")
    items = _compiled(COROUTINES, (HERE / "work_items.c").read_text(), folder / "work_items.c")
    library = folder / "kernels.so"
    host_linker()(str(library), [str(kernels), str(items)])
    loaded = ctypes.CDLL(str(library))

    def run(launch: Launch, arrays: list[np.ndarray]) -> None:
        pointers = (ctypes.c_void_p * MOST_ARGUMENTS)(*(array.ctypes.data for array in arrays))
        grid = [(ctypes.c_int * 3)(*counts) for counts in (launch.blocks, launch.threads)]
        stuck = loaded.run_kernel(getattr(loaded, launch.kernel), pointers, *grid)
        assert not stuck, f"{launch.kernel}: some threads wait where others do not"

    return run


def _compiled(command: tuple[str, ...], source: str, file: Path) -> Path:
    file.write_text(source)
    compiled = file.with_suffix(".o")
    target = [*command, "-O1", "-fPIC", "-w", "-c", str(file), "-o", str(compiled)]
    run = subprocess.run(target, cwd=HERE, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    return compiled
