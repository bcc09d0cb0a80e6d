"""Who ran on which core when, and how long each stream's answers took; the latest of both."""

import threading
from collections import Counter, deque
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

SPANS, LATENCIES = 1 << 16, 1 << 14
"""How many are kept: all streams together, and each."""


@dataclass(frozen=True)
class Span:
    """A stretch of time that a stream had a core; seconds of the monotonic clock."""

    stream: str
    request: int
    core: int
    start: float
    end: float


@dataclass(frozen=True)
class StreamSummary:
    """How one stream fared."""

    name: str
    rate: float
    deadline_ms: float
    asked: int
    answered: int
    late: int
    """Answered after the deadline."""
    dropped: int
    failed: int
    """Ended in an error, as a wrong input does."""
    p50_ms: float
    p90_ms: float
    p99_ms: float
    max_ms: float

    @property
    def missed(self) -> float:
        """Of what was asked and could be answered, the part that came late or not at all."""
        asked = self.answered + self.dropped
        return (self.late + self.dropped) / asked if asked else 0.0

    def to_json(self) -> dict[str, Any]:
        return asdict(self) | {"missed": self.missed}


class Tally:
    """What became of a stream's requests."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()
        self._latencies: deque[float] = deque(maxlen=LATENCIES)

    def count(self, what: str) -> None:
        with self._lock:
            self._counts[what] += 1

    def answer(self, latency: float, is_late: bool) -> None:
        with self._lock:
            self._counts["answered"] += 1
            self._counts["late"] += is_late
            self._latencies.append(latency)

    def summary(self, name: str, rate: float, deadline: float) -> StreamSummary:
        with self._lock:
            counts, latencies = Counter(self._counts), list(self._latencies)
        points = np.percentile(latencies or [np.nan], [50, 90, 99, 100]) * 1e3
        return StreamSummary(
            name,
            rate,
            1e3 * deadline,
            *(counts[key] for key in ("asked", "answered", "late", "dropped", "failed")),
            *map(float, points),
        )


class Timeline:
    """The latest spans of all streams, in memory that does not grow."""

    def __init__(self) -> None:
        self._names: list[str] = []
        self._rows = np.zeros(
            SPANS,
            [("name", "i4"), ("number", "i8"), ("core", "i4"), ("start", "f8"), ("end", "f8")],
        )
        self._written = 0

    def note(self, name: str, number: int, core: int, start: float, end: float) -> None:
        """One span; for one caller at a time."""
        if name not in self._names:
            self._names.append(name)
        self._rows[self._written % SPANS] = self._names.index(name), number, core, start, end
        self._written += 1

    def spans(self) -> list[Span]:
        """Those that are kept, the earliest first."""
        first = self._written % SPANS if self._written > SPANS else 0
        rows = np.roll(self._rows[: self._written], -first)
        return [Span(self._names[name], *rest) for name, *rest in rows.tolist()]
