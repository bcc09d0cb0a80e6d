"""Tune a net: every kernel in turn, resumable at any moment, for everything found is in the
database."""

import logging
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import xgboost

from .. import __version__
from .._tvm import tvm
from ..ir import LayerIR, verify
from ..passes.form import choose
from ..passes.lower import lower
from ..passes.pipeline import program_of
from ..targets import Target, resolve
from .database import Database, workload_hash
from .record import Session, TaskTimes
from .search import default_record, experienced, search
from .store import STATES, now
from .task import Task, tasks_of
from .worker import Measured

log = logging.getLogger(__name__)

SEED = 0


@dataclass(frozen=True)
class Progress:
    """How one task stands, told after each candidate."""

    task: str
    number: int
    tasks: int
    trials: int
    """Candidates known of this task, earlier sessions' included."""
    wanted: int
    left: int
    """Candidates still to come, of all tasks."""
    seconds_left: float
    """If they take as long as those of this session did."""
    best_ms: float | None
    gflops: float | None


@dataclass(frozen=True)
class Tuned:
    """What a session found: the default schedule and the best one, kernel by kernel."""

    session: Session
    trials: int
    """Candidates measured in this session."""
    quarantined: int

    def to_json(self) -> dict[str, Any]:
        """What json.dumps takes."""
        return {
            "net": self.session.net,
            "place": str(self.session.place),
            "trials": self.trials,
            "quarantined": self.quarantined,
            "tasks": [
                {"name": t.name, "default_ms": t.default_ms, "best_ms": t.best_ms}
                for t in self.session.tasks
            ],
        }

    def __str__(self) -> str:
        width = max((len(task.name) for task in self.session.tasks), default=0)
        lines = [
            f"{task.name:{width}}   default {task.default_ms:8.3f} ms   best {task.best_ms:8.3f} ms"
            f"   {task.default_ms / task.best_ms:5.2f}x"
            for task in self.session.tasks
            if task.default_ms and task.best_ms
        ]
        return "\n".join([*lines, f"{self.trials} candidates on {self.session.place}"])


def tune(
    ir: LayerIR,
    target: str = "cpu",
    trials: int = 64,
    threads: int | None = None,
    database: str | Path | None = None,
    seed: int = SEED,
    name: tuple[str, str] | None = None,
    progress: Callable[[Progress], None] | None = None,
) -> Tuned:
    """Search the schedules of every kernel of a net, `trials` candidates each, on this device.

    The same call again goes on where the last one ended, however it ended. `database` is a path or
    an SQLAlchemy URL, the user's own by default; `compile` finds what is stored there. `name` is
    what the net and its plan are called in exported logs.
    """
    verify(ir)
    device = resolve(target, threads)
    database = Database(database, device=device.device, threads=device.threads)
    tasks = tasks_in(ir, device)
    net, plan = name or (ir.source, f"{_rate(ir):.1f}x")
    earlier = _dense_ms(database, net, plan)

    exhausted: set[str] = set()

    def session() -> Session:
        return Session(
            net=net,
            plan=plan,
            place=database.place,
            seed=seed,
            trials=trials,
            date=now(),
            versions={
                "sparsetvm": __version__,
                "tvm": tvm.__version__,
                "xgboost": xgboost.__version__,
            },
            tasks=tuple(_times(database, task, device, earlier, exhausted) for task in tasks),
        )

    database.store.commit_session(session())  # `tune --status` tells of it from now on
    model, start = experienced(database, seed), time.monotonic()
    heard: list[Measured] = []
    for number, task in enumerate(tasks, 1):

        def tell(measured: Measured, task: Task = task, number: int = number) -> None:
            heard.append(measured)
            if measured.failure:
                log.info("%s: a candidate is quarantined: %s", task.name, measured.failure)
            if progress:
                pace = (time.monotonic() - start) / len(heard)
                progress(_progress(database, tasks, task, number, trials, pace))

        if search(task, device, database, trials, model, seed, tell):
            exhausted.add(workload_hash(task.module))
        database.store.commit_session(session())
    return Tuned(session(), len(heard), sum(one.failure is not None for one in heard))


def tasks_in(ir: LayerIR, target: Target) -> tuple[Task, ...]:
    """The distinct kernels of a net, each layer in the form that it has untuned."""
    forms = choose(ir.layers, ir.arrays, target, {})
    return tasks_of(lower(program_of(ir), ir.layers, target, forms))


def _known(database: Database, task: Task) -> int:
    """Candidates of the task that were measured or failed, in whatever session."""
    return database.store.count(database.place, workload_hash(task.module), STATES)


def _progress(
    database: Database,
    tasks: Sequence[Task],
    task: Task,
    number: int,
    wanted: int,
    pace: float,
) -> Progress:
    best = database.best(task.module)
    seconds = None if best is None else best.seconds
    left = sum(max(wanted - _known(database, one), 0) for one in tasks[number - 1 :])
    return Progress(
        task=task.name,
        number=number,
        tasks=len(tasks),
        trials=_known(database, task),
        wanted=wanted,
        left=left,
        seconds_left=left * pace,
        best_ms=seconds and 1e3 * seconds,
        gflops=seconds and task.operations / seconds / 1e9,
    )


def _times(
    database: Database,
    task: Task,
    target: Target,
    dense_ms: Mapping[str, float],
    exhausted: Collection[str],
) -> TaskTimes:
    default, best = default_record(task, target, database), database.best(task.module)
    hash = workload_hash(task.module)
    return TaskTimes(
        name=task.name,
        workload=hash,
        default_ms=default and default.seconds and 1e3 * default.seconds,
        best_ms=best and best.seconds and 1e3 * best.seconds,
        dense_ms=dense_ms.get(hash),
        exhausted=hash in exhausted,
    )


def _dense_ms(database: Database, net: str, plan: str) -> dict[str, float]:
    """What earlier sessions know of the dense form of each workload."""
    return {
        task.workload: task.dense_ms
        for session in database.store.sessions(net, plan)
        if session.place == database.place
        for task in session.tasks
        if task.dense_ms is not None
    }


def _rate(ir: LayerIR) -> float:
    dense = sum(layer.rate * layer.parameters for layer in ir.layers)
    return dense / max(sum(layer.parameters for layer in ir.layers), 1)
