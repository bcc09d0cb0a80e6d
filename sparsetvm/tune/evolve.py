"""Which candidates to measure next: draws of the space and changes of the best, as the model ranks
them."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np

from .._tvm import s_tir
from .cost_model import CostModel
from .database import trace_digest
from .features import Features
from .space import Space, Trace

DRAWS, PARENTS, CHILDREN, GENERATIONS = 48, 16, 32, 3
"""Random candidates; the best of a generation; changes of those; how often."""
CHANCE = 1 / 8
"""Of a batch, the share that the model has no say in: it cannot learn what it never sees."""


@dataclass(frozen=True, eq=False)
class Candidate:
    """A schedule that was not measured yet."""

    schedule: s_tir.Schedule
    digest: str
    """Of its trace, as Record.digest."""
    features: np.ndarray


class Evolution:
    """Proposes a task's candidates, batch by batch; the same seed and answers, the same batches.

    Without a model they are drawn by chance.
    """

    def __init__(self, space: Space, features: Features, model: CostModel | None, seed: int):
        self._space, self._features, self._model = space, features, model
        self._rng = np.random.default_rng(seed)

    def batch(self, size: int, best: Sequence[Trace], known: Collection[str]) -> list[Candidate]:
        """Up to `size` candidates that are not `known`; none when the space is exhausted.

        best    traces of the fastest so far
        known   digests of all that were measured or failed
        """
        if first := self._new([self._space.default()], known):
            return first
        drawn = self._new([self._space.draw(self._rng) for _ in range(DRAWS)], known)
        if self._model is None:
            return drawn[:size]
        found = drawn
        for _ in range(GENERATIONS):
            parents = [*best, *(one.schedule.trace for one in self._ranked(found)[:PARENTS])]
            if not parents:
                break
            picked = [parents[i] for i in self._rng.integers(len(parents), size=CHILDREN)]
            changed = [self._space.change(trace, self._rng) for trace in picked]
            found = [*found, *self._new(changed, {*known, *(one.digest for one in found)})]
        by_chance = drawn[: round(size * CHANCE)]
        ranked = self._ranked([one for one in found if one not in by_chance])
        return [*ranked[: size - len(by_chance)], *by_chance]

    def _new(
        self, schedules: Sequence[s_tir.Schedule | None], known: Collection[str]
    ) -> list[Candidate]:
        """Those that are legal and new, each once."""
        new = {}
        for sch in schedules:
            if sch is not None and (digest := trace_digest(sch.trace)) not in known:
                new.setdefault(digest, sch)
        if not new:
            return []
        rows = self._features.of(list(new.values()))
        return [
            Candidate(sch, digest, row)
            for (digest, sch), row in zip(new.items(), rows, strict=True)
        ]

    def _ranked(self, candidates: Sequence[Candidate]) -> list[Candidate]:
        """The most promising first; as they came where the model says nothing."""
        if not candidates:
            return []
        scores = self._model.scores(np.stack([one.features for one in candidates]))
        order = np.argsort(-scores, kind="stable")
        return [candidates[i] for i in order]
