"""One task's search: candidates evolve, the cost model ranks them, the best are measured."""

import logging
import statistics
import sys
import types
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from .._tvm import s_tir, tvm
from ..runtime.tracker import Remote
from ..targets.target import Target
from .cost_model import CostModel
from .crew import Crew
from .database import Database, TuningRecord, ms, trace_digest, workload_hash
from .evolve import PARENTS, Candidate, Evolution
from .features import VERSION, Features
from .job import Measured
from .record import Record
from .space import Space
from .task import Task
from .worker import Worker

log = logging.getLogger(__name__)

BATCH = 8
"""Candidates measured between two looks at the cost model."""

Tell = Callable[[Measured], None]


def search(
    task: Task,
    target: Target,
    database: Database,
    trials: int,
    model: CostModel | None,
    seed: int,
    tell: Tell,
    say: Callable[[str], None] = log.info,
    remotes: Sequence[Remote | None] = (None,),
) -> bool:
    """Measure candidates until `trials` of `task` are known, the default schedule first.

    Each goes into `database` before the next one starts, and `tell` hears of it. One that fails is
    quarantined, with its trace and the reason. `model` learns from all others; without one
    candidates are drawn by chance. `remotes` has one entry for each device that measures, None for
    this machine; `say` hears what happened to them. True if the space is exhausted before that.
    """
    leave_out_tensor_intrinsics()
    hash, workload = workload_hash(task.module), database.commit_workload(task.module)
    known = database.store.digests(database.place, hash)
    evolution = Evolution(Space(task, target), Features(task, target), model, seed + len(known))
    size = BATCH * len(remotes)

    def wanted(batch: Sequence[Candidate]) -> Iterator[Candidate]:
        """Those that are still to be measured when their turn comes: others may tune it as well."""
        for candidate in batch:
            known = database.store.digests(database.place, hash)
            if candidate.digest not in known and len(known) < trials:
                yield candidate

    if len(known) >= trials:
        return False
    with Crew([Worker(task, target, say, remote) for remote in remotes], say) as crew:
        while len(known) < trials:
            best = [record.trace for record in database.get_top_k(workload, PARENTS)]
            batch = evolution.batch(min(size, trials - len(known)), best, known)
            if not batch:
                return True
            for candidate, measured in crew.measure(wanted(batch)):
                _keep(database, workload, target, candidate, measured)
                if model is not None and measured.failure is None:
                    model.learn(hash, [candidate.features], [statistics.median(measured.seconds)])
                tell(measured)
            known = database.store.digests(database.place, hash)
    return False


def experienced(database: Database, seed: int) -> CostModel:
    """A cost model that knows all that was timed at the database's place."""
    model = CostModel(seed)
    for hash, seconds, vector in database.store.experience(database.place, VERSION):
        model.learn(hash, [np.frombuffer(vector, np.float32)], [seconds])
    return model


def default_record(task: Task, target: Target, database: Database) -> Record | None:
    """What is known of the default schedule."""
    digest = trace_digest(Space(task, target).default().trace)
    return database.store.record(database.place, workload_hash(task.module), digest)


def _keep(
    database: Database,
    workload: ms.database.Workload,
    target: Target,
    candidate: Candidate,
    measured: Measured,
) -> None:
    device, sch = tvm.target.Target(dict(target.tvm)), candidate.schedule
    args = ms.arg_info.ArgInfo.from_entry_func(sch.mod, True)
    record = TuningRecord(sch.trace, workload, list(measured.seconds), device, args)
    if measured.failure is None:
        database.verify(record, (VERSION, candidate.features.tobytes()))
    else:
        database.quarantine(record, measured.failure)


def leave_out_tensor_intrinsics() -> None:
    """MetaSchedule imports them all, which takes 18 s, and our rules use none."""
    name = "tvm.s_tir.tensor_intrin"
    if name not in sys.modules:
        sys.modules[name] = s_tir.tensor_intrin = types.ModuleType(name)
