"""The machine that a figure belongs to, and how busy it is with the work of others."""

import os
import platform
import time
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Machine:
    """What a time depends on."""

    cpu: str
    cores: int
    """Cores that this process may use."""
    system: str


@dataclass(frozen=True)
class Activity:
    """Seconds so far, summed over cores: busy with any process, and taken by other guests."""

    clock: float
    busy: float
    stolen: float


def machine() -> Machine:
    return Machine(_cpu(), cores(), f"{platform.system()} {platform.machine()}")


def cores() -> int:
    return len(_own_cores())


def activity() -> Activity | None:
    """What the cores that we may use have done so far; None on a system that does not tell."""
    try:
        lines = Path("/proc/stat").read_text().splitlines()
    except OSError:
        return None
    ours = {f"cpu{core}" for core in _own_cores()}
    rows = [line.split()[1:9] for line in lines if line.split()[0] in ours]
    user, nice, system, _idle, _wait, irq, softirq, steal = (
        sum(map(int, ticks)) / os.sysconf("SC_CLK_TCK") for ticks in zip(*rows, strict=True)
    )
    return Activity(time.perf_counter(), user + nice + system + irq + softirq, steal)


def _own_cores() -> set[int]:
    if hasattr(os, "sched_getaffinity"):
        return os.sched_getaffinity(0)
    return set(range(os.cpu_count() or 1))


def _cpu() -> str:
    """'AMD EPYC (avx2, avx512f)': the name, and the wide instructions that engines ask for."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    facts = dict(map(str.strip, line.split(":", 1)) for line in lines if ":" in line)
    name = facts.get("model name") or facts.get("CPU part") or platform.machine()
    flags = set((facts.get("flags") or facts.get("Features") or "").split())
    wide = [f for f in ("avx2", "avx512f", "avx512_bf16", "amx_tile", "asimd", "sve") if f in flags]
    return f"{name} ({', '.join(wide)})" if wide else name
