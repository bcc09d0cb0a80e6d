"""A stream: a net that is asked again and again, how soon it must answer, and what may wait."""

import time
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..errors import InputError
from .artifact import Artifact
from .engine import Engine

LATEST, DROP, QUEUE = "latest", "drop", "queue"
WHEN_BUSY = {
    LATEST: "one request waits, and a newer one takes its place",
    DROP: "none waits: what comes while the net runs is dropped",
    QUEUE: "up to `room` requests wait, and what comes then is dropped",
}


@dataclass(frozen=True)
class Stream:
    """A net and what is asked of it."""

    name: str
    net: Engine | Artifact | str | Path
    rate: float
    """Requests per second."""
    deadline: float | None = None
    """Seconds from a request to its answer; left out: until the next request."""
    priority: int = 0
    """A stream of a higher one goes first, whatever the deadlines."""
    when_busy: str = LATEST
    room: int = 16

    def __post_init__(self) -> None:
        for what, value in (("rate", self.rate), ("deadline", self.deadline)):
            if value is not None and not value > 0:
                raise InputError(f"stream {self.name}: its {what} is above 0; got {value:g}")
        if self.when_busy not in WHEN_BUSY:
            known = "; ".join(f"{name} ({what})" for name, what in WHEN_BUSY.items())
            raise InputError(f"stream {self.name}: when_busy is {self.when_busy!r}; known: {known}")

    @property
    def seconds(self) -> float:
        """From a request to its answer, at most."""
        return 1 / self.rate if self.deadline is None else self.deadline

    @property
    def waiting(self) -> int:
        """How many requests may wait."""
        return {LATEST: 1, DROP: 0, QUEUE: self.room}[self.when_busy]


@dataclass(frozen=True, eq=False)
class Request:
    """One input, when it was given, and by when its answer is due; seconds of the monotonic
    clock."""

    number: int
    x: Any
    asked: float
    due: float
    answer: Future = field(default_factory=Future)


def now() -> float:
    """Seconds of the clock that streams go by, one for all processes of a machine."""
    return time.monotonic()
