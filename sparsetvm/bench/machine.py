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
    """Seconds since some fixed moment, over all cores: busy with any process, and taken by other guests."""

    clock: float
    busy: float
    stolen: float


def machine() -> Machine:
    return Machine(_cpu(), cores(), f"{platform.system()} {platform.machine()}")


def cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def activity() -> Activity | None:
    """What all cores have done so far; None on a system that does not tell."""
    try:
        fields = Path("/proc/stat").read_text().splitlines()[0].split()[1:]
    except OSError:
        return None
    user, nice, system, _idle, _wait, irq, softirq, steal = (
        int(ticks) / os.sysconf("SC_CLK_TCK") for ticks in fields[:8]
    )
    return Activity(time.perf_counter(), user + nice + system + irq + softirq, steal)


def _cpu() -> str:
    """'AMD EPYC (avx512f, amx_tile)': the name, and the widest instructions that engines ask for."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    facts = dict(map(str.strip, line.split(":", 1)) for line in lines if ":" in line)
    name = facts.get("model name") or facts.get("CPU part") or platform.machine()
    flags = set((facts.get("flags") or facts.get("Features") or "").split())
    wide = [f for f in ("avx2", "avx512f", "avx512_bf16", "amx_tile", "asimd", "sve") if f in flags]
    return f"{name} ({', '.join(wide)})" if wide else name
