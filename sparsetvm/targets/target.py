"""What code is generated for, how it becomes a library, where it runs, which schedules fit."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from ..errors import DeviceError, TargetError
from ..registry import Registry
from .link import Linker

if TYPE_CHECKING:
    import tvm


@dataclass(frozen=True)
class Target:
    """One device as the compiler sees it. Schedules follow from these numbers, not its name."""

    name: str
    """As the user wrote it: cpu, cpu:haswell, android-cpu."""
    tvm: Mapping[str, object] = field(hash=False)
    """What tvm.target.Target is made from."""
    features: frozenset[str]
    """Vector extensions that generated code may use; a device that lacks one cannot run it."""
    lanes: int
    """float32 numbers in one vector; on a GPU, threads in step."""
    registers: int
    """Vector registers for sums, weights and inputs that are used more than once."""
    threads: int
    """Threads that a run may use; 1: kernels hold no parallel loop."""
    l1: int
    """Bytes of one core's first data cache."""
    l2: int
    """Bytes of one core's second cache."""
    schedule_path: tuple[str, ...]
    """Folders of schedules/, the most special first."""
    linker: Linker
    open_device: Callable[[], "tvm.runtime.Device"]
    key: str | None = None
    """What a tracker knows the device by; None: this machine, or any device of this target."""
    group: int = 0
    """Most threads of a GPU that can wait for each other; 0: this is no GPU."""
    lacks: str | None = None
    """What compiling here cannot finish, and the next step; None: nothing."""

    @property
    def is_gpu(self) -> bool:
        return self.group > 0

    @property
    def vector(self) -> int:
        """float32 numbers that one thread takes at once: on a GPU the lanes are threads."""
        return 1 if self.is_gpu else self.lanes

    @property
    def chip(self) -> str:
        """What code is generated for, by the compiler's name: 'znver5', 'sm_90', 'adreno'."""
        return str(next(self.tvm[key] for key in ("mcpu", "arch", "device") if key in self.tvm))

    @property
    def device(self) -> str:
        """What its records are kept under: 'cpu znver5', 'pixel6 android-cpu generic'."""
        place = f"{self.name.partition(':')[0]} {self.chip}"
        return f"{self.key} {place}" if self.key else place


Make = Callable[[str | None, int | None], Target]
"""(variant, threads) -> Target; None: as this machine is."""

targets: Registry[Make] = Registry("target", TargetError)


def resolve(name: str, threads: int | None = None, key: str | None = None) -> Target:
    """The target called `name`, with all cores of the device unless `threads` says how many; on the
    devices that a tracker knows by `key`, where there is one.

    cpu                       the CPU of this machine
    cpu:haswell               code for another CPU of its family, by LLVM's name
    android-cpu, linux-arm64  64-bit ARM devices; android-cpu:cortex-a76 is one CPU of theirs
    android-opencl            a phone's GPU; android-opencl:mali, for it is Adreno otherwise
    cuda                      the GPU of this machine; cuda:sm_80 is one by its architecture
    """
    if threads is not None and threads < 1:
        raise TargetError(f"threads must be 1 or more; got {threads}\n  leave it out for all cores")
    if key is not None and (not key or any(map(str.isspace, key))):
        raise DeviceError(
            f"the key of a device holds no spaces; got {key!r}\n"
            f"  start its RPC server with another --key"
        )
    kind, _, variant = name.partition(":")
    return replace(targets[kind](variant or None, threads), key=key)
