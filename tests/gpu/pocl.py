"""Generated OpenCL on PoCL, an OpenCL for CPUs, where one is installed."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyopencl
import pytest

from tests.gpu.generated import Launch

NO_POCL = "no OpenCL for this CPU works here; apt-get install pocl-opencl-icd brings PoCL"


def on_pocl(source: str, _folder: Path) -> Callable[[Launch, list[np.ndarray]], None]:
    """A function that runs one of the source's kernels; the test is skipped where there is no
    PoCL."""
    context = _context()
    queue = pyopencl.CommandQueue(context)
    program = pyopencl.Program(context, source).build(cache_dir=False)
    share = pyopencl.mem_flags.READ_WRITE | pyopencl.mem_flags.COPY_HOST_PTR

    def run(launch: Launch, arrays: list[np.ndarray]) -> None:
        buffers = [pyopencl.Buffer(context, share, hostbuf=array) for array in arrays]
        kernel = pyopencl.Kernel(program, launch.kernel)
        items = [n * size for n, size in zip(launch.blocks, launch.threads)]
        kernel(queue, items, launch.threads, *buffers)
        for array, buffer in zip(arrays, buffers):
            pyopencl.enqueue_copy(queue, array, buffer)

    return run


def _context() -> pyopencl.Context:
    """Of the first platform that can compile: an old PoCL knows no new CPU."""
    try:
        platforms = pyopencl.get_platforms()
    except pyopencl.LogicError:  # there is none
        platforms = []
    for platform in platforms:
        context = pyopencl.Context(platform.get_devices())
        try:
            pyopencl.Program(context, "__kernel void nothing() {}").build(cache_dir=False)
        except pyopencl.RuntimeError:
            continue
        return context
    pytest.skip(NO_POCL)
