"""The CPU of this machine, or another of its family: vectors, registers, caches, cores."""

import os
import platform
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from .._tvm import tvm
from ..errors import TargetError
from .link import Linker, host_linker
from .target import Target, targets

_X86_EXTENSIONS = frozenset(
    "avx f16c fma avx2 avxvnni gfni avx512f avx512bw avx512cd avx512dq avx512vl avx512ifma "
    "avx512vbmi avx512vbmi2 avx512bitalg avx512vpopcntdq avx512vp2intersect avx512vnni "
    "avx512bf16 avx512fp16".split()
)
_ARM_EXTENSIONS = frozenset({"neon", "dotprod", "fullfp16", "bf16", "i8mm", "sve", "sve2"})

_CPUINFO = Path("/proc/cpuinfo")
_SYSTEM = Path("/sys/devices/system/cpu")


@targets.register("cpu")
def cpu(variant: str | None = None, threads: int | None = None) -> Target:
    """The CPU of this machine, or another of its family."""
    tvm_target = dict(host() if variant is None else _named(variant))
    return of_llvm(f"cpu:{variant}" if variant else "cpu", tvm_target, threads or cores(), ("cpu",))


def of_llvm(
    name: str,
    tvm_target: Mapping[str, object],
    threads: int,
    schedule_path: tuple[str, ...],
    caches: tuple[int, int] | None = None,
    linker: Linker | None = None,
) -> Target:
    """What LLVM knows of `tvm_target`, as a Target.

    `caches` are bytes of a core's first and second data cache; they and the linker are this
    machine's where they are left out.
    """
    features = extensions(tvm_target)
    lanes, registers = _vectors(features)
    l1, l2 = caches or (_cache_size(1, default=32 << 10), _cache_size(2, default=256 << 10))
    return Target(
        name=name,
        tvm={**tvm_target, "num-cores": threads},
        features=features,
        lanes=lanes,
        registers=registers,
        threads=threads,
        l1=l1,
        l2=l2,
        schedule_path=schedule_path,
        linker=linker or host_linker(),
        open_device=tvm.cpu,
    )


@cache
def host(cpuinfo: Path = _CPUINFO) -> Mapping[str, object]:
    """TVM's target for this machine.

    LLVM goes by the CPU's model. A hypervisor may hide what the model has, and a model may be newer
    than LLVM; so for vector extensions the system's own word counts.
    """
    found: dict[str, object] = {"kind": "llvm", "mcpu": tvm.target.codegen.llvm_get_system_cpu()}
    seen = _extensions_in(cpuinfo)
    if not seen:  # not Linux on x86: nobody else to ask
        return found
    known = extensions(found)
    changes = [f"+{name}" for name in sorted(seen - known)]
    changes += [f"-{name}" for name in sorted(known - seen)]
    return found | {"mattr": changes} if changes else found


def extensions(tvm_target: Mapping[str, object]) -> frozenset[str]:
    """The vector extensions that LLVM may use for `tvm_target`."""
    features = tvm.target.codegen.llvm_get_cpu_features(tvm.target.Target(dict(tvm_target)))
    return frozenset(map(str, features)) & (_X86_EXTENSIONS | _ARM_EXTENSIONS)


def cores(system: Path = _SYSTEM) -> int:
    """Cores that this process may use; the hardware threads of one core count once."""
    siblings = (system / f"cpu{i}/topology/thread_siblings_list" for i in allowed_cpus())
    return len({_read(path) or str(path) for path in siblings})


def allowed_cpus() -> list[int]:
    """The CPUs on which the system lets this process run."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


def device_name() -> str:
    """The CPU in a reader's words, for reports: 'AMD EPYC (znver5)'."""
    fields = (line.partition(":") for line in _read(_CPUINFO).splitlines())
    models = (value.strip() for key, _, value in fields if key.strip() == "model name")
    return f"{next(models, platform.machine())} ({host()['mcpu']})"


def _named(mcpu: str) -> dict[str, object]:
    codegen = tvm.target.codegen
    if not codegen.llvm_is_valid_cpu(mcpu, codegen.llvm_get_system_triple()):
        raise TargetError(
            f"LLVM knows no CPU {mcpu!r} of this machine's architecture\n"
            f"  cpu is this machine ({host()['mcpu']}); cpu:x86-64-v3 runs on all x86 with AVX2"
        )
    return {"kind": "llvm", "mcpu": mcpu}


def _vectors(features: frozenset[str]) -> tuple[int, int]:
    """(float32 lanes, registers) of the widest vectors; Target says which registers count.

    Kernels ask for vectors of this width by name, and LLVM then keeps them, also on CPUs for which
    it would choose 256 bits by itself.
    """
    if "avx512f" in features:
        return 16, 32
    if "avx" in features:
        return 8, 16
    if "neon" in features:
        return 4, 28  # of 32: ARM multiplies nothing in memory, so some hold what is being loaded
    return 4, 16


def _extensions_in(cpuinfo: Path) -> frozenset[str]:
    """Linux writes avx512_vnni and avx_vnni where LLVM says avx512vnni and avxvnni."""
    for line in _read(cpuinfo).splitlines():
        if line.startswith("flags"):
            return frozenset(line.replace("_", "").split()) & _X86_EXTENSIONS
    return frozenset()


def _cache_size(level: int, default: int) -> int:
    for index in sorted(_SYSTEM.glob("cpu0/cache/index*")):
        size = _read(index / "size")
        if _read(index / "level") == str(level) and _read(index / "type") != "Instruction":
            return int(size.removesuffix("K")) << 10 if size.endswith("K") else default
    return default


def _read(path: Path) -> str:
    """What the system says there; nothing where it says nothing."""
    try:
        return path.read_text().strip()
    except OSError:
        return ""
