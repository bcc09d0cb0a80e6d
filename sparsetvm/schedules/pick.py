"""What a schedule asks when it has a choice: the default when compiling, a sample when tuning."""

from abc import ABC, abstractmethod
from collections.abc import Sequence

import numpy as np

from ..targets.target import Target

LARGEST_FACTOR = 16
"""Of a tile's innermost part: the register tile."""


class Pick(ABC):
    """Answers a schedule's choices, in numbers or in what stands for them in a trace.

    `target` says what the choices are for. A default is always one of the choices, so an untuned
    target runs, and tuning starts from there.
    """

    target: Target

    @abstractmethod
    def tile(self, sch, loop, default: Sequence[int]) -> list:
        """Factors for sch.split(loop, ...): the outermost, then as many inner ones as the default
        has."""

    @abstractmethod
    def one_of(self, sch, choices: Sequence[int], default: int):
        """One of the numbers."""

    @abstractmethod
    def nest(self, choices: Sequence, default):
        """One of the ways to go on, each of which has choices of its own: known at once, and the
        same when a trace is drawn anew."""


class Default(Pick):
    """Always the default: what compile uses where no tuning record is known."""

    def __init__(self, target: Target):
        self.target = target

    def tile(self, sch, loop, default):
        return [None, *default]

    def one_of(self, sch, choices, default):
        return _one_of(choices, default)

    def nest(self, choices, default):
        return _one_of(choices, default)


class Sample(Pick):
    """Every choice becomes a random variable, which the search draws anew; only the form, which
    decides what else there is to choose, is drawn here and stays."""

    def __init__(self, target: Target, rng: np.random.Generator):
        self.target, self._rng = target, rng

    def tile(self, sch, loop, default):
        return sch.sample_perfect_tile(
            loop, n=len(default) + 1, max_innermost_factor=LARGEST_FACTOR
        )

    def one_of(self, sch, choices, default):
        return sch.sample_categorical(list(choices), [1 / len(choices)] * len(choices))

    def nest(self, choices, default):
        return choices[self._rng.integers(len(choices))]


def _one_of(choices: Sequence, default):
    assert default in choices, f"the default {default} is not among {list(choices)}"
    return default
