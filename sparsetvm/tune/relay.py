"""Tune a Relay net inside TVM 0.19: MetaSchedule with XGBoost over our schedules and over TVM's."""

import importlib
import logging
import sys
import tempfile
import types
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tvm import meta_schedule as ms
from tvm.meta_schedule.utils import derived_object
from tvm.tir.analysis import estimate_tir_flops

from .._tvm import as_schedule, relay, tirx, tvm
from ..errors import TargetError
from ..passes.relay.gather_gemm import CONVERTER, NAME, target_of
from ..passes.relay.layer import layer_of_attrs, operator_name
from ..passes.relay.place import Place
from ..schedules import find
from ..schedules.common.moves import buffers_read
from ..schedules.pick import Default, Pick, Sample

log = logging.getLogger(__name__)

BATCH = 8
"""Candidates measured between two looks at the cost model."""


def tune(
    module: tvm.IRModule,
    target: tvm.target.Target,
    folder: str | Path,
    trials: int,
    seed: int = 0,
    whole: bool = False,
) -> None:
    """Search schedules for the sparse layers of a lowered module, `trials` candidates for each
    distinct kernel, its default schedule first.

    The records lie in `folder`; the same call again adds what is missing. `whole` is for TVM's own
    kernels too, which few trials make no faster than TOPI does.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    database, tables = _open(folder), index_tables(module)
    tasks = ms.relay_integration.extract_tasks(module, target, {}, pass_config=_config(whole))
    kernels = {task.task_name: task.dispatched[0] for task in tasks if _is_wanted(task, whole)}
    for number, (name, kernel) in enumerate(kernels.items(), 1):
        known = _known(database, kernel)
        log.info("%d of %d: %s, %d candidates known", number, len(kernels), name, known)
        if known < trials:
            runner = _runner(kernel, tables)
            search = _Search(name, kernel, target, database, runner)
            search.run(trials - known, seed + known)


def build(
    module: tvm.IRModule,
    target: tvm.target.Target,
    folder: str | Path,
    params: Mapping[str, tvm.nd.NDArray] | None = None,
    whole: bool = False,
):
    """relay.build with the best schedules known in `folder`; sparse layers without one get their
    default schedule, others TVM's. `whole` is as it was for `tune`."""
    known = ms.database.OrderedUnionDatabase(
        _open(Path(folder)), ms.database.ScheduleFnDatabase(lambda sch: _by_default(sch, target))
    )
    with target, known, tvm.transform.PassContext(opt_level=3, config=_config(whole)):
        return relay.build(module, target, params=dict(params or {}))


def _config(whole: bool) -> dict[str, object]:
    """What PassContext needs where schedules come from a database."""
    return {
        "relay.backend.use_meta_schedule": whole,
        "relay.backend.tir_converter": CONVERTER,
        "tir.disable_cse_tir": True,  # LLVM 22 refuses 0.19's debug info of vectors in variables
    }


def _is_wanted(task: ms.ExtractedTask, whole: bool) -> bool:
    """Kernels that only move data are left out."""
    (kernel,) = task.dispatched
    if whole:
        return estimate_tir_flops(kernel) > 0
    return sparse_kind(tirx.Schedule(kernel)) is not None


def schedule(sch: tirx.Schedule, pick: Pick) -> None:
    """A fused layer: the kernel by its target's rule, then what Relay fused behind it, inlined into
    the loops that write the result."""
    kind = sparse_kind(sch)
    *behind, last = _blocks_after(sch, "layer")
    find(kind, pick.target)(as_schedule(sch), pick)
    for block in behind:
        sch.compute_inline(block)
    sch.parallel(sch.fuse(*sch.get_loops(last)[:-1]))


def sparse_kind(sch: tirx.Schedule) -> str | None:
    """The kind of kernel that a block's annotation tells of; None: there is none."""
    for outer in sch.get_child_blocks(sch.get_block("root")):
        for block in sch.get_child_blocks(outer):
            annotations = sch.get(block).annotations
            if "sparsity" in annotations:
                return str(annotations["sparsity"]["kind"])
    return None


Tables = dict[tuple, tuple[np.ndarray, np.ndarray]]
"""(shape of the values, length of the flat input) -> offset and row, as one such layer has them."""


def index_tables(module: tvm.IRModule) -> Tables:
    """A kernel that is measured must read where a real one reads: garbage may lie anywhere."""
    tables: Tables = {}

    def visit(expr: relay.Expr) -> None:
        if operator_name(expr) == NAME:
            values, offset, row = (arg.data.numpy() for arg in expr.args[1:4])
            source = Place.of(layer_of_attrs(expr.attrs)).source
            tables.setdefault((values.shape, source.length), (offset, row))

    relay.analysis.post_order_visit(module["main"], visit)
    return tables


def _open(folder: Path) -> ms.database.Database:
    return ms.database.JSONDatabase(work_dir=str(folder), module_equality="structural")


def _known(database: ms.database.Database, kernel: tvm.IRModule) -> int:
    if not database.has_workload(kernel):
        return 0
    return len(database.get_top_k(database.commit_workload(kernel), 1 << 20))


def _by_default(sch: tirx.Schedule, target: tvm.target.Target) -> bool:
    if sparse_kind(sch) is None:
        return False
    schedule(sch, Default(target_of(target)))
    return True


@dataclass(frozen=True)
class _Search:
    """One kernel's candidates: drawn and mutated by MetaSchedule, ranked by XGBoost, measured."""

    name: str
    kernel: tvm.IRModule
    target: tvm.target.Target
    database: ms.database.Database
    runner: ms.runner.PyRunner

    def run(self, trials: int, seed: int) -> None:
        _leave_out_tensor_intrinsics()
        builder = _Builder()
        is_sparse = sparse_kind(tirx.Schedule(self.kernel)) is not None
        if is_sparse and not _known(self.database, self.kernel):
            self._measure_default(builder)
            trials -= 1
        if not trials:
            return
        context = ms.TuneContext(
            mod=self.kernel,
            target=self.target,
            space_generator=self._space(seed) if is_sparse else "post-order-apply",
            search_strategy=ms.search_strategy.EvolutionarySearch(
                population_size=64,
                init_measured_ratio=0.2,
                init_min_unmeasured=BATCH,
                genetic_num_iters=2,
            ),
            task_name=self.name,
            logger=logging.getLogger("tvm.meta_schedule"),
            rand_state=seed,
            num_threads=1,
        )
        with tempfile.TemporaryDirectory() as folder:
            ms.tune.tune_tasks(
                tasks=[context],
                task_weights=[1.0],
                work_dir=folder,
                max_trials_global=trials,
                num_trials_per_iter=BATCH,
                builder=builder,
                runner=self.runner,
                database=self.database,
                cost_model=ms.cost_model.XGBModel(num_warmup_samples=BATCH, num_tuning_cores=1),
                measure_callbacks=[
                    ms.measure_callback.AddToDatabase(),
                    ms.measure_callback.UpdateCostModel(),
                ],
            )

    def _measure_default(self, builder: ms.builder.PyBuilder) -> None:
        sch = tirx.Schedule(self.kernel)
        schedule(sch, Default(target_of(self.target)))
        arguments = ms.arg_info.ArgInfo.from_entry_func(self.kernel, remove_preproc=True)
        (built,) = builder.build([ms.builder.BuilderInput(sch.mod, self.target)])
        if built.error_msg:
            raise TargetError(
                f"{self.name}: its default schedule does not build: {built.error_msg}"
            )
        (run,) = self.runner.run([ms.runner.RunnerInput(built.artifact_path, "cpu", arguments)])
        result = run.result()
        if result.error_msg:
            raise TargetError(f"{self.name}: its default schedule does not run: {result.error_msg}")
        workload = self.database.commit_workload(self.kernel)
        record = ms.database.TuningRecord(
            sch.trace, workload, result.run_secs, self.target, arguments
        )
        self.database.commit_tuning_record(record)

    def _space(self, seed: int) -> ms.SpaceGenerator:
        rng = np.random.default_rng(seed)

        def draw(sch: tirx.Schedule) -> tirx.Schedule:
            schedule(sch, Sample(target_of(self.target), rng))
            return sch

        return ms.space_generator.ScheduleFn(
            draw,
            sch_rules=[],
            postprocs=[],
            mutator_probs={ms.mutator.MutateTileSize(): 0.9, ms.mutator.MutateUnroll(): 0.1},
        )


def _runner(kernel: tvm.IRModule, tables: Tables) -> ms.runner.PyRunner:
    """Measures in a process of its own, for a candidate may crash or hang."""
    sch = tirx.Schedule(kernel)
    fill = None
    if sparse_kind(sch) is not None:
        values, x, *_ = buffers_read(sch, sch.get_block("gather_gemm"))
        fill = _Fill(tables[_shape(values), _shape(x)[0]])
    return ms.runner.LocalRunner(
        timeout_sec=30,
        evaluator_config=ms.runner.EvaluatorConfig(number=3, repeat=3, min_repeat_ms=10),
        f_alloc_argument=fill,
    )


@dataclass(frozen=True)
class _Fill:
    """Arguments to measure with: the tables of a real layer, random numbers for the others."""

    tables: tuple[np.ndarray, ...]

    def __call__(self, device, described: list, repeats: int) -> list[list[tvm.nd.NDArray]]:
        rng = np.random.default_rng(0)
        tables = {table.shape: table for table in self.tables}
        arrays = [
            tables[tuple(shape)] if dtype == "int32" else rng.standard_normal(shape).astype(dtype)
            for _, dtype, shape in described
        ]
        return [[tvm.nd.array(array, device) for array in arrays] for _ in range(repeats)]


@derived_object
class _Builder(ms.builder.PyBuilder):
    """Compiles in this process: TVM's own builder starts one for each candidate, for seconds."""

    def __init__(self) -> None:
        super().__init__()
        self._folder = tempfile.TemporaryDirectory(prefix="sparsetvm-tune-")
        self._count = 0

    def build(self, inputs):
        results = []
        for candidate in inputs:
            path, failure = None, None
            try:
                path = self._library(candidate.mod, candidate.target)
            except Exception as err:  # an illegal choice is counted, not a crash
                failure = str(err).strip().splitlines()[-1]
            results.append(ms.builder.BuilderResult(path, failure))
        return results

    def _library(self, module: tvm.IRModule, target: tvm.target.Target) -> str:
        self._count += 1
        path = f"{self._folder.name}/{self._count}.so"
        module = tirx.transform.RemoveWeightLayoutRewriteBlock(skip_ndarray_rewrite=True)(module)
        with tvm.transform.PassContext(config={"tir.disable_cse_tir": True}):
            tvm.build(module, target=target).export_library(path)
        return path


def _leave_out_tensor_intrinsics() -> None:
    """MetaSchedule imports them all, which takes 18 s; of a CPU's there are two."""
    name = "tvm.tir.tensor_intrin"
    if name not in sys.modules:
        package = sys.modules[name] = tirx.tensor_intrin = types.ModuleType(name)
        package.__path__ = [str(Path(tirx.__file__).parent / "tensor_intrin")]
        importlib.import_module(f"{name}.x86")


def _blocks_after(sch: tirx.Schedule, name: str) -> list:
    """The blocks that stand behind the one of this name, in order."""
    blocks = sch.get_child_blocks(sch.get_block("root"))
    names = [sch.get(block).name_hint for block in blocks]
    return blocks[names.index(name) + 1 :]


def _shape(buffer: tirx.Buffer) -> tuple[int, ...]:
    return tuple(int(n) for n in buffer.shape)
