"""One task's search: MetaSchedule draws and mutates traces, XGBoost ranks them, the best are
measured."""

import logging
import sys
import tempfile
import types
from collections.abc import Callable
from pathlib import Path

from .._tvm import s_tir, tvm
from ..passes.schedule import single_threaded
from ..schedules import find
from ..schedules.pick import Default
from ..targets.target import Target
from .database import Database, TuningRecord, compact, workload_hash
from .record import Record, digest_of
from .space import space_of
from .task import Task
from .worker import Measured, Worker

derived_object = tvm.ir.utils.derived_object

BATCH = 8
"""Candidates measured between two looks at the cost model."""

Tell = Callable[[Measured], None]


def search(
    task: Task, target: Target, database: Database, trials: int, seed: int, tell: Tell
) -> None:
    """Measure up to `trials` candidates of `task`, the default schedule first; all go into
    `database`.

    `tell` hears of each. A candidate that fails is quarantined, with its trace and the reason.
    """
    _leave_out_tensor_intrinsics()
    from tvm.s_tir import meta_schedule as ms

    rule = find(task.kernel.kind, target)
    device = tvm.target.Target(dict(target.tvm))
    with Worker(task, target.threads) as worker, tempfile.TemporaryDirectory() as folder:
        builder, keep = _Builder(target), _Keep(database, tell)
        first = _by_default(task, target)
        record = TuningRecord(first.trace, database.commit_workload(task.module), [], device)
        keep.one(record, worker.measure(builder.library(first.mod)))
        if trials <= 1:
            return
        context = ms.TuneContext(
            mod=task.module,
            target=device,
            space_generator=space_of(rule, target),
            search_strategy=ms.search_strategy.EvolutionarySearch(
                population_size=64,
                init_measured_ratio=0.2,
                init_min_unmeasured=BATCH,
                genetic_num_iters=2,
            ),
            task_name=task.name,
            logger=logging.getLogger("tvm.meta_schedule"),
            rand_state=seed,
            num_threads=1,
        )
        ms.tune.tune_tasks(
            tasks=[context],
            task_weights=[1.0],
            work_dir=folder,
            max_trials_global=trials - 1,
            num_trials_per_iter=BATCH,
            builder=builder,
            runner=_Runner(worker),
            database=database,
            cost_model=ms.cost_model.XGBModel(num_warmup_samples=BATCH, num_tuning_cores=1),
            measure_callbacks=[keep, ms.measure_callback.UpdateCostModel()],
        )


def default_record(task: Task, target: Target, database: Database) -> Record | None:
    """What is known of the default schedule."""
    trace, *_ = TuningRecord(
        _by_default(task, target).trace, database.commit_workload(task.module)
    ).as_json()
    return database.store.record(
        database.place, workload_hash(task.module), digest_of(compact(trace))
    )


def _by_default(task: Task, target: Target) -> s_tir.Schedule:
    sch = s_tir.Schedule(task.module)
    find(task.kernel.kind, target)(sch, Default(target))
    return sch


@derived_object
class _Builder(tvm.s_tir.meta_schedule.builder.PyBuilder):
    """Compiles in this process: what comes in was made by our own schedule."""

    def __init__(self, target: Target):
        super().__init__()
        self._target = target
        self._folder = tempfile.TemporaryDirectory(prefix="sparsetvm-tune-")
        self._count = 0

    def build(self, inputs):
        results = []
        for candidate in inputs:
            path, failure = None, None
            try:
                path = self.library(candidate.mod)
            except Exception as err:  # an illegal choice is counted, not a crash
                failure = str(err).strip().splitlines()[-1]
            results.append(tvm.s_tir.meta_schedule.builder.BuilderResult(path, failure))
        return results

    def library(self, module: tvm.IRModule) -> str:
        self._count += 1
        path = Path(self._folder.name) / f"{self._count}.so"
        if self._target.threads == 1:
            module = tvm.IRModule({"main": single_threaded(module["main"])})
        built = tvm.compile(module, target=tvm.target.Target(dict(self._target.tvm)))
        built.export_library(str(path), fcompile=self._target.linker)
        return str(path)


@derived_object
class _Runner(tvm.s_tir.meta_schedule.runner.PyRunner):
    """Measures in the worker, one after the other."""

    def __init__(self, worker: Worker):
        super().__init__()
        self._worker = worker

    def run(self, inputs):
        runner = tvm.s_tir.meta_schedule.runner
        futures = []
        for candidate in inputs:
            measured = self._worker.measure(str(candidate.artifact_path))
            seconds = list(measured.seconds) or None
            result = runner.RunnerResult(seconds, measured.failure)
            futures.append(runner.RunnerFuture(lambda: True, lambda result=result: result))
        return futures


@derived_object
class _Keep(tvm.s_tir.meta_schedule.measure_callback.PyMeasureCallback):
    """Stores each candidate as soon as it is known what became of it."""

    def __init__(self, database: Database, tell: Tell):
        super().__init__()
        self._database, self._tell = database, tell

    def apply(self, task_scheduler, task_id, candidates, built, ran):
        context = task_scheduler.tasks_[task_id].ctx
        workload = self._database.commit_workload(context.mod)
        for candidate, build, run in zip(candidates, built, ran, strict=True):
            failure = build.error_msg or run.error_msg
            seconds = tuple(float(s) for s in run.run_secs or ()) if failure is None else ()
            trace, args = candidate.sch.trace, candidate.args_info
            record = TuningRecord(trace, workload, list(seconds), context.target, args)
            self.one(record, Measured(seconds, failure))

    def one(self, record: TuningRecord, measured: Measured) -> None:
        if measured.failure is None:
            record = TuningRecord(
                record.trace,
                record.workload,
                list(measured.seconds),
                record.target,
                record.args_info,
            )
            self._database.verify(record)
        else:
            self._database.quarantine(record, measured.failure)
        self._tell(measured)


def _leave_out_tensor_intrinsics() -> None:
    """MetaSchedule imports them all, which takes 18 s, and our rules use none."""
    name = "tvm.s_tir.tensor_intrin"
    if name not in sys.modules:
        sys.modules[name] = s_tir.tensor_intrin = types.ModuleType(name)
