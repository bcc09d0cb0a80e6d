"""What tuning leaves behind, as plain values: records of candidates, and sessions."""

import hashlib
import statistics
from collections.abc import Mapping
from dataclasses import dataclass, field

MEASURED, VERIFIED, QUARANTINED = "measured", "verified", "quarantined"
"""A candidate has a time; agrees with the reference too; failed, and is never tried again."""


@dataclass(frozen=True)
class Place:
    """Where a time holds: another device, number of threads or TVM has records of its own."""

    device: str
    """cpu znver5"""
    threads: int
    tvm: str
    """Its series, 0.27: traces hold for all of it."""

    def __str__(self) -> str:
        return f"{self.device}, {self.threads} thread{'s'[: self.threads != 1]}, TVM {self.tvm}"


@dataclass(frozen=True)
class Workload:
    """One kernel before it is scheduled."""

    hash: str
    """TVM's structural hash, 64 bits: a million kernels share one with odds of 1 in 30 million."""
    module: str = field(repr=False)
    """The module as MetaSchedule writes it: JSON in base64."""


@dataclass(frozen=True)
class Record:
    """What became of one candidate; trace, target and arguments are MetaSchedule's JSON."""

    workload: Workload
    place: Place
    trace: str = field(repr=False)
    run_secs: tuple[float, ...]
    target: str = field(repr=False)
    args: str = field(repr=False)
    state: str
    reason: str | None = None
    """Why it is quarantined."""
    created: str = ""
    """In UTC: 2026-11-23T07:19:08Z."""

    @property
    def seconds(self) -> float | None:
        """The median run, which one disturbed run does not move; None: it never finished one."""
        return statistics.median(self.run_secs) if self.run_secs else None

    @property
    def digest(self) -> str:
        return digest_of(self.trace)


def digest_of(trace: str) -> str:
    """The name of a trace, given as JSON: SHA-256 in hexadecimal."""
    return hashlib.sha256(trace.encode()).hexdigest()


@dataclass(frozen=True)
class TaskTimes:
    """One kernel of a tuned net; times in milliseconds, None where nothing was measured."""

    name: str
    workload: str
    """Its hash."""
    default_ms: float | None = None
    best_ms: float | None = None
    dense_ms: float | None = None
    exhausted: bool = False
    """Every candidate that there is was tried."""
    ships: bool = True
    """Its form is the one that a layer runs in; others were tuned to be compared with."""


@dataclass(frozen=True)
class LayerTimes:
    """One layer of a tuned net in each of its forms, as measured in the net."""

    name: str
    key: str
    """Layers with one key may take each other's form; verdict.layer_key."""
    ms: Mapping[str, float] = field(hash=False)
    """Milliseconds by form: 'sparse direct', 'dense F(4x4)', …"""


@dataclass(frozen=True)
class Session:
    """One net, tuned under one plan at one place; tuning on replaces it."""

    net: str
    plan: str
    place: Place
    seed: int
    trials: int
    """Asked for in each task."""
    date: str
    versions: Mapping[str, str] = field(hash=False)
    tasks: tuple[TaskTimes, ...] = ()
    layers: tuple[LayerTimes, ...] = ()
    """Empty until all tasks are done."""
