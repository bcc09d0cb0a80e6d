"""The space that a schedule spans: its choices recorded as sampling instructions of a trace."""

from collections.abc import Callable
from math import prod

import numpy as np

from .._tvm import s_tir, tirx
from ..schedules import find
from ..schedules.pick import Default, Sample
from ..targets.target import Target
from .task import Task

MOST_UNROLLED = 16
"""Vectors handled in one go, for each register."""

Trace = s_tir.schedule.Trace


class Space:
    """What the target's rule can make of a task's kernel; None stands for what TVM refuses,
    and for what would unroll into more code than can be compiled."""

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
        return self._or_none(sch, lambda: self._rule(sch, Sample(self._target, rng)))

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
        return self._or_none(sch, lambda: changed.apply_to_schedule(sch, remove_postproc=False))

    def _or_none(self, sch: s_tir.Schedule, apply: Callable[[], None]) -> s_tir.Schedule | None:
        try:
            apply()
        except s_tir.ScheduleError:
            return None
        return sch if _unrolled(sch) <= MOST_UNROLLED * self._target.registers else None


def _unrolled(sch: s_tir.Schedule) -> int:
    """Vectors that the largest block handles in one go."""
    most = 1
    for block in sch.get_child_blocks(sch.get_sblock("root")):
        loops = [sch.get(loop) for loop in sch.get_loops(block)]
        unrolled = [int(loop.extent) for loop in loops if loop.kind == tirx.ForKind.UNROLLED]
        most = max(most, prod(unrolled))
    return most


def _seed(rng: np.random.Generator) -> int:
    return int(rng.integers(1, 2**31))
