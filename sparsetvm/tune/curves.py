"""How tuning went: the session behind a compiled net, and the best so far of each of its tasks."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path

from ..targets.target import Target
from .connect import default_path
from .logs import find_logs
from .record import Session
from .store import Store


@dataclass(frozen=True)
class Curve:
    """One task's search."""

    task: str
    default_ms: float
    best_ms: tuple[float, ...]
    """After each trial, the default schedule's own included; infinite until one did not fail."""


@dataclass(frozen=True)
class History:
    """How a net was tuned; `curves` are empty where only its exported log is at hand."""

    session: Session
    curves: tuple[Curve, ...]


def history_of(
    forms_ms: Iterable[Mapping[str, float]], target: Target, database: str | Path | None = None
) -> History | None:
    """The session that measured the forms of a compiled net's layers; None: nobody here knows it.

    `forms_ms` are those of its LayerFacts: times as long as these are a session's fingerprint.
    """
    wanted, store = list(forms_ms), None
    if database is not None or default_path().is_file():
        store = Store(database, must_exist=True)
    stored = store.sessions() if store else []
    logged = [session for session, _ in find_logs(target.device, target.threads)]
    session = max([*stored, *logged], key=lambda one: _matches(one, wanted), default=None)
    if session is None or not _matches(session, wanted):
        return None
    return History(session, curves(store, session) if session in stored else ())


def curves(store: Store, session: Session) -> tuple[Curve, ...]:
    """Of the tasks of a session that have a time by default, in its order."""
    return tuple(
        Curve(task.name, task.default_ms, _best_so_far(store.history(session.place, task.workload)))
        for task in session.tasks
        if task.default_ms is not None
    )


def _best_so_far(seconds: Iterable[float | None]) -> tuple[float, ...]:
    """Milliseconds."""
    tried = (float("inf") if one is None else 1e3 * one for one in seconds)
    return tuple(accumulate(tried, min))


def _matches(session: Session, forms_ms: list[Mapping[str, float]]) -> int:
    """Layers whose times are this session's."""
    known = [dict(layer.ms) for layer in session.layers]
    return sum(dict(ms) in known for ms in forms_ms if ms)
