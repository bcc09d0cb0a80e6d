"""What the cost model and its sparsity features are worth: searches replayed on measured pools.

Each task has a pool of candidates that were measured once, with care: random draws of its space and
what searches found. A replayed search takes its trials from the pool, by chance or as its model
ranks what is left, so all searches see the same times and no noise of the machine comes between
them (a tabular benchmark, as in Klein & Hutter, arXiv 1905.04970). What a replay leaves out is
evolution: its model ranks a pool of some hundred candidates, not all of a space.
"""

import logging
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from .._tvm import s_tir
from ..ir import LayerIR
from ..targets import Target, resolve
from ..tune.cost_model import CostModel
from ..tune.database import Database, tuning_record, workload_hash
from ..tune.features import SPARSITY, VERSION
from ..tune.job import Measured
from ..tune.search import BATCH, experienced, search
from ..tune.session import tasks_in
from ..tune.space import Trace
from ..tune.task import Task
from ..tune.worker import Worker

log = logging.getLogger(__name__)

SEARCHES = ("random", "TVM's features", "with sparsity features")
SEEDS = (0, 1, 2)
ROUNDS = 5
"""How often winners are timed beside each other."""
NEAR = 0.95
"""Of the best speed known: what a search is to reach."""


@dataclass(frozen=True)
class Pool:
    """n candidates of one task: their features [n, LENGTH] and their seconds [n]."""

    features: np.ndarray
    seconds: np.ndarray


@dataclass(frozen=True)
class Ablation:
    """Replayed searches of one net's tasks, one after the other, as `tune` does them.

    speeds    of each search: float [seeds, tasks, trials], the best so far relative to the best
              of the pool
    """

    net: str
    place: str
    tasks: tuple[str, ...]
    pools: tuple[int, ...]
    """Candidates in each task's pool."""
    best_ms: tuple[float, ...]
    seeds: tuple[int, ...]
    speeds: Mapping[str, np.ndarray]
    live: tuple[float, ...] = ()
    """Of each task, what a real search with the same trials found, relative to the pool's best."""

    def trials_to(self, search: str, speed: float = NEAR) -> np.ndarray:
        """float [seeds, tasks]: trials until the best so far has that speed.

        A search that never gets there counts as if its next trial had.
        """
        reached = self.speeds[search] >= speed
        trials = reached.shape[-1]
        return np.where(reached.any(-1), reached.argmax(-1) + 1, trials + 1)

    def to_json(self) -> dict[str, Any]:
        """What json.dumps takes."""
        return {
            "net": self.net,
            "place": self.place,
            "method": "searches replayed on pools of measured candidates (tabular benchmark)",
            "seeds": self.seeds,
            "tasks": [
                {"name": name, "pool": pool, "best_ms": best}
                for name, pool, best in zip(self.tasks, self.pools, self.best_ms, strict=True)
            ],
            "searches": {
                name: {
                    "trials_to_95": self.trials_to(name).tolist(),
                    "mean_trials_to_95": float(self.trials_to(name).mean()),
                    "mean_speed": self.speeds[name].mean((0, 1)).tolist(),
                }
                for name in SEARCHES
            },
            "live": self.live,
        }

    def __str__(self) -> str:
        width = max(map(len, self.tasks))
        columns = [self.trials_to(name).mean(0) for name in SEARCHES]
        heads = "".join(f"{name:>24}" for name in SEARCHES)
        lines = [
            f"{self.net} on {self.place}: trials until {NEAR:.0%} of the best speed known, mean of "
            f"seeds {', '.join(map(str, self.seeds))}",
            "searches replayed on measured pools (tabular benchmark), task after task",
            f"{'':{width}}   pool   best ms{heads}{'live, of the best' * bool(self.live):>20}",
        ]
        for i, task in enumerate(self.tasks):
            trials = "".join(f"{column[i]:24.1f}" for column in columns)
            live = f"{self.live[i]:20.1%}" if self.live else ""
            lines.append(f"{task:{width}}  {self.pools[i]:5} {self.best_ms[i]:9.3f}{trials}{live}")
        trials = "".join(f"{column.mean():24.1f}" for column in columns)
        live = f"{np.mean(self.live):20.1%}" if self.live else ""
        return "\n".join([*lines, f"{'mean':{width}}{'':16}{trials}{live}"])


def ablation(
    ir: LayerIR,
    database: str | Path,
    net: str,
    target: str = "cpu",
    threads: int | None = None,
    pool: int = 300,
    trials: int = 64,
    seeds: Sequence[int] = SEEDS,
    live: bool = False,
    progress: Callable[[str], None] = lambda text: None,
) -> Ablation:
    """Fill the pools up to `pool` candidates for each task, then replay all searches.

    All that is measured lies in `database`: the same call again measures only what is missing.
    `live` also runs a real search with so many trials, which knows nothing of the pools, and times
    what it finds beside the pools' best.
    """
    device = resolve(target, threads)
    database = Database(database, device=device.device, threads=device.threads)
    tasks = tasks_in(ir, device)
    for number, task in enumerate(tasks, 1):
        progress(f"kernel {number} of {len(tasks)}, {task.name}: a pool of {pool}")
        _fill(task, device, database, pool)
    pools = [_pool(task, database) for task in tasks]
    speeds = {}
    for name in SEARCHES:
        progress(f"replays: {name}")
        speeds[name] = np.array([_replay(name, pools, trials, seed) for seed in seeds])
    return Ablation(
        net=net,
        place=str(database.place),
        tasks=tuple(task.name for task in tasks),
        pools=tuple(len(pool.seconds) for pool in pools),
        best_ms=tuple(1e3 * float(pool.seconds.min()) for pool in pools),
        seeds=tuple(seeds),
        speeds=speeds,
        live=tuple(_live(tasks, device, database, trials, progress)) if live else (),
    )


def _fill(task: Task, target: Target, database: Database, size: int) -> None:
    """Half of a pool is drawn by chance, the other half is what a search finds."""
    search(task, target, database, size // 2, None, SEEDS[0], _ignore)
    search(task, target, database, size, experienced(database, SEEDS[0]), SEEDS[0], _ignore)


def _ignore(_measured: Measured) -> None:
    """A pool is in the database; nobody is told."""


def _pool(task: Task, database: Database) -> Pool:
    hash = workload_hash(task.module)
    known = database.store.experience(database.place, VERSION)
    rows, seconds = zip(*((row, time) for owner, time, row in known if owner == hash), strict=True)
    return Pool(np.stack([np.frombuffer(row, np.float32) for row in rows]), np.array(seconds))


def _live(
    tasks: Sequence[Task],
    target: Target,
    pools: Database,
    trials: int,
    progress: Callable[[str], None],
) -> Iterator[float]:
    """The speed of each task's winner, relative to the pool's; both are timed again, in turns."""
    model, at = CostModel(SEEDS[0]), {"device": target.device, "threads": target.threads}
    with tempfile.TemporaryDirectory() as folder:
        fresh = Database(Path(folder) / "tuning.db", **at)
        for number, task in enumerate(tasks, 1):
            progress(f"kernel {number} of {len(tasks)}, {task.name}: a real search")
            search(task, target, fresh, trials, model, SEEDS[0], _ignore)
            traces = [tuning_record(one.best(task.module)).trace for one in (fresh, pools)]
            yield _relative_speed(task, target, *traces)


def _relative_speed(task: Task, target: Target, trace: Trace, other: Trace) -> float:
    modules = []
    for one in (trace, other):
        sch = s_tir.Schedule(task.module)
        one.apply_to_schedule(sch, remove_postproc=False)
        modules.append(sch.mod)
    with closing(Worker(task, target, log.info)) as worker:
        worker.be_ready()
        programs = [worker.program(module) for module in modules]
        rounds = [[min(worker.measure(p).seconds) for p in programs] for _ in range(ROUNDS)]
    ours, theirs = np.min(rounds, axis=0)
    return float(theirs / ours)


def _replay(search: str, pools: Sequence[Pool], trials: int, seed: int) -> np.ndarray:
    """float [tasks, trials]: the best speed so far, relative to the pool's best.

    The model is kept from task to task. The first batch of the first task is drawn by chance, and
    so is one in each batch that follows.
    """
    rng, model = np.random.default_rng(seed), CostModel(seed)
    speeds = np.empty((len(pools), trials))
    for number, pool in enumerate(pools):
        rows = pool.features if search == SEARCHES[2] else pool.features[:, : -len(SPARSITY)]
        left, taken = list(rng.permutation(len(pool.seconds))), []
        while left and len(taken) < trials:
            ranked = left
            if search != SEARCHES[0]:
                order = np.argsort(-model.scores(rows[left]), kind="stable")
                ranked = [left[i] for i in order]
            batch = list(dict.fromkeys([*ranked[: BATCH - 1], *left]))[:BATCH]
            model.learn(str(number), rows[batch], pool.seconds[batch])
            taken += batch
            left = [one for one in left if one not in batch]
        best = np.minimum.accumulate(pool.seconds[taken][:trials])
        speeds[number] = pool.seconds.min() / np.pad(best, (0, trials - len(best)), mode="edge")
    return speeds
