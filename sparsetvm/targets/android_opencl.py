"""A phone's GPU: OpenCL for Adreno or Mali, the rest of the net by LLVM for the phone's CPU."""

from .._tvm import tvm
from ..errors import TargetError
from .arm64 import android_cpu
from .target import Target, targets

WAVES = {"adreno": 64, "mali": 16}
"""Threads that run in step: half a wave of Adreno's 128, a warp of Mali-G7x."""


@targets.register("android-opencl")
def android_opencl(variant: str | None = None, threads: int | None = None) -> Target:
    """An Android phone's GPU."""
    gpu = variant or "adreno"
    if gpu not in WAVES:
        raise TargetError(
            f"OpenCL code is made for {' or '.join(WAVES)}; got {gpu!r}\n"
            f"  android-opencl alone is adreno, android-opencl:mali the other"
        )
    phone = android_cpu()
    return Target(
        name=f"android-opencl:{variant}" if variant else "android-opencl",
        tvm={
            "kind": "opencl",
            "device": gpu,
            "keys": ["opencl", "gpu"],
            "max_num_threads": 256,
            "host": {key: phone.tvm[key] for key in ("kind", "mtriple", "mcpu")},
        },
        features=phone.features,
        lanes=WAVES[gpu],
        registers=32,  # of 64 and more: more threads hide more latency
        threads=threads or 1,
        l1=16 << 10,
        l2=256 << 10,
        schedule_path=("android_opencl", "gpu"),
        linker=phone.linker,
        open_device=tvm.opencl,
        group=256,
    )
