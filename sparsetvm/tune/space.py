"""The space that a schedule spans: its choices recorded as sampling instructions of a trace."""

from .._tvm import s_tir
from ..schedules import Rule
from ..schedules.pick import Pick
from ..targets.target import Target

LARGEST_FACTOR = 16
"""Of a tile's innermost part: the register tile."""


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


def space_of(rule: Rule, target: Target):
    """MetaSchedule's space: one sample of `rule`'s choices at a time, mutated tile by tile."""
    from tvm.s_tir import meta_schedule as ms

    def draw(sch: s_tir.Schedule) -> s_tir.Schedule:
        rule(sch, Sample(target))
        return sch

    return ms.space_generator.ScheduleFn(
        draw,
        sch_rules=[],
        postprocs=[],
        mutator_probs={ms.mutator.MutateTileSize(): 0.9, ms.mutator.MutateUnroll(): 0.1},
    )
