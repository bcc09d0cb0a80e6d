"""How tuning stands, net by net: told from the database alone, also while tuners are at work."""

from dataclasses import asdict, dataclass
from datetime import datetime, timedelta, timezone
from typing import Any

from .measuring import BUILD
from .record import Place, Session, TaskTimes
from .store import Store, Summary
from .worker import RUN

SILENCE = timedelta(seconds=BUILD + RUN)
"""A tuner that is at work stores a candidate at least this often."""


@dataclass(frozen=True)
class TaskStatus:
    """One kernel of a net."""

    name: str
    trials: int
    """Candidates that are known, failed ones included."""
    quarantined: int
    best_ms: float | None


@dataclass(frozen=True)
class NetStatus:
    """One net under one plan at one place."""

    net: str
    plan: str
    place: Place
    wanted: int
    """Trials asked for in each task."""
    tasks: tuple[TaskStatus, ...]
    latest: str
    """When something was stored last, in UTC."""
    state: str
    """running, stopped or done."""

    def to_json(self) -> dict[str, Any]:
        """What json.dumps takes."""
        return asdict(self)

    def __str__(self) -> str:
        width = max((len(task.name) for task in self.tasks), default=0)
        known = sum(task.trials for task in self.tasks)
        head = (
            f"{self.net}, plan {self.plan} ({self.place}): {self.state}, {known} trials of "
            f"{self.wanted * len(self.tasks)}, last activity {self.latest}"
        )
        return "\n".join([head, *(f"  {_line(task, width, self.wanted)}" for task in self.tasks)])


def status(store: Store, now: datetime | None = None) -> tuple[NetStatus, ...]:
    """Every net that was tuned in this database, the latest last."""
    known = {(line.place, line.workload): line for line in store.summary()}
    now = now or datetime.now(timezone.utc)
    return tuple(_net(session, known, now) for session in store.sessions())


def _net(session: Session, known: dict[tuple[Place, str], Summary], now: datetime) -> NetStatus:
    lines = [known.get((session.place, task.workload)) for task in session.tasks]
    tasks = tuple(_task(*pair) for pair in zip(session.tasks, lines, strict=True))
    latest = max([session.date, *(line.latest for line in lines if line)])
    silent = now - datetime.fromisoformat(latest.replace("Z", "+00:00"))
    counts = zip(session.tasks, tasks, strict=True)
    if all(task.exhausted or line.trials >= session.trials for task, line in counts):
        state = "done"
    else:
        state = "running" if silent < SILENCE else "stopped"
    return NetStatus(session.net, session.plan, session.place, session.trials, tasks, latest, state)


def _task(task: TaskTimes, line: Summary | None) -> TaskStatus:
    if line is None:
        return TaskStatus(task.name, 0, 0, None)
    trials = line.measured + line.verified + line.quarantined
    return TaskStatus(task.name, trials, line.quarantined, line.best_ms)


def _line(task: TaskStatus, width: int, wanted: int) -> str:
    best = "" if task.best_ms is None else f"   best {task.best_ms:.3f} ms"
    failed = f"   {task.quarantined} quarantined" if task.quarantined else ""
    return f"{task.name:{width}}   {task.trials} of {wanted}{best}{failed}"
