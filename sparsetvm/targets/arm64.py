"""64-bit ARM from afar: phones and boards whose code is made and linked on this machine."""

from .._tvm import tvm
from ..errors import TargetError
from .cpu import of_llvm
from .link import Linker, android_linker, arm64_linker
from .target import Target, targets

CORES = 4
"""Of a phone, where nobody says how many: its fast ones, for slow ones would hold them up."""
CACHES = 32 << 10, 256 << 10
"""Bytes of a fast core's caches: what Cortex-A76 and its like have at the least."""


def _arm64(
    kind: str, triple: str, linker: Linker, variant: str | None, threads: int | None
) -> Target:
    mcpu = variant or "generic"
    if not tvm.target.codegen.llvm_is_valid_cpu(mcpu, triple):
        raise TargetError(
            f"LLVM knows no 64-bit ARM CPU {mcpu!r}\n"
            f"  {kind} runs on all of them; {kind}:cortex-a76 is one by LLVM's name"
        )
    described = {"kind": "llvm", "mtriple": triple, "mcpu": mcpu}
    name = f"{kind}:{variant}" if variant else kind
    path = (kind.replace("-", "_"), "cpu")
    return of_llvm(name, described, threads or CORES, path, CACHES, linker)


@targets.register("linux-arm64")
def linux_arm64(variant: str | None = None, threads: int | None = None) -> Target:
    """A board or server with Linux, or a phone inside Termux."""
    return _arm64("linux-arm64", "aarch64-linux-gnu", arm64_linker(), variant, threads)


@targets.register("android-cpu")
def android_cpu(variant: str | None = None, threads: int | None = None) -> Target:
    """An Android phone's CPU."""
    return _arm64("android-cpu", "aarch64-linux-android", android_linker(), variant, threads)
