"""An NVIDIA GPU: code by CUDA's compiler, the rest of the net by LLVM for this machine.

Where there is no GPU an artifact holds the kernels' source only, and it runs nowhere: compile the
net on the machine that has one.
"""

import os
import re
import shutil

from .._tvm import tvm
from ..errors import TargetError
from .cpu import extensions, host
from .link import host_linker
from .target import Target, targets

OLDEST = "sm_80"
"""What code is made for where there is no GPU to ask: newer ones run it too."""
WARP = 32
NO_GPU = "a GPU: an artifact would hold source only\n  compile on the machine that has one"


@targets.register("cuda")
def cuda(variant: str | None = None, threads: int | None = None) -> Target:
    """An NVIDIA GPU."""
    found = _found()
    arch = variant or found or OLDEST
    if not re.fullmatch(r"sm_\d\d+a?", arch):
        raise TargetError(f"{arch!r} is no GPU's architecture\n  cuda:{OLDEST} is one")
    return Target(
        name=f"cuda:{variant}" if variant else "cuda",
        tvm={
            "kind": "cuda",
            "arch": arch,
            "max_threads_per_block": 1024,
            "max_shared_memory_per_block": 48 << 10,
            "thread_warp_size": WARP,
            "host": dict(host()),
        },
        features=extensions(host()),
        lanes=WARP,
        registers=40,  # of 255: more threads hide more latency
        threads=threads or 1,
        l1=128 << 10,
        l2=32 << 20,
        schedule_path=("cuda", "gpu"),
        linker=host_linker(),
        open_device=tvm.cuda,
        group=256,
        lacks=None if found else NO_GPU,
    )


def _found() -> str | None:
    """The architecture of this machine's GPU."""
    device = tvm.cuda()
    if not device.exist:
        return None
    if shutil.which("nvcc"):  # NVRTC, which TVM takes otherwise, wants headers its wheel lacks
        os.environ.setdefault("TVM_CUDA_COMPILE_MODE", "nvcc")
    return f"sm_{device.compute_version.replace('.', '')}"
