"""The space that a schedule spans: its choices recorded as sampling instructions of a trace."""

import numpy as np

from .._tvm import s_tir
from ..schedules import find
from ..schedules.pick import Default, Pick
from ..targets.target import Target
from .task import Task

LARGEST_FACTOR = 16
"""Of a tile's innermost part: the register tile."""

Trace = s_tir.schedule.Trace


class Sample(Pick):
    """Every choice becomes a random variable, which the search draws anew."""

    def __init__(self, target: Target):
        self.target = target

    def tile(self, sch, loop, default):
        return sch.sample_perfect_tile(
            loop, n=len(default) + 1, max_innermost_factor=LARGEST_FACTOR
        )

    def one_of(self, sch, choices, default):
        return sch.sample_categorical(list(choices), [1 / len(choices)] * len(choices))


class Space:
    """What the target's rule can make of a task's kernel; None stands for what TVM refuses."""

    def __init__(self, task: Task, target: Target):
        self._module, self._target = task.module, target
        self._rule = find(task.kernel.kind, target)

    def default(self) -> s_tir.Schedule:
        """Always legal: what compile uses."""
        sch = s_tir.Schedule(self._module)
        self._rule(sch, Default(self._target))
        return sch

    def draw(self, rng: np.random.Generator) -> s_tir.Schedule | None:
        """All choices at random."""
        sch = s_tir.Schedule(self._module, seed=_seed(rng))
        return _or_none(sch, lambda: self._rule(sch, Sample(self._target)))

    def change(self, trace: Trace, rng: np.random.Generator) -> s_tir.Schedule | None:
        """All choices as in `trace`, but one at random.

        MetaSchedule's own mutators change tiles, never a choice among numbers.
        """
        choices = [one for one in trace.insts if one in trace.decisions]
        if not choices:
            return None
        drawn = choices[rng.integers(len(choices))]
        kept = {one: value for one, value in trace.decisions.items() if not one.same_as(drawn)}
        sch = s_tir.Schedule(self._module, seed=_seed(rng))
        changed = Trace(trace.insts, kept)
        return _or_none(sch, lambda: changed.apply_to_schedule(sch, remove_postproc=False))


def _seed(rng: np.random.Generator) -> int:
    return int(rng.integers(1, 2**31))


def _or_none(sch: s_tir.Schedule, apply) -> s_tir.Schedule | None:
    try:
        apply()
    except s_tir.ScheduleError:
        return None
    return sch
