"""Where a training stands in its data, so that it can go on in the middle of an epoch."""

from collections.abc import Iterator
from typing import Any

import torch
from torch.utils.data import DataLoader

from .randomness import Randomness


class Batches:
    """The batches of a loader, epoch after epoch; its state is how far it got.

        batches = st.Batches(loader)
        for epoch in batches.epochs(10):
            for x, y in batches:
                ...

    A restored one loads the batches of its epoch again, in the same order whatever the number of
    workers, and leaves out those that were seen. An epoch ends when the inner loop does: save
    inside it, or when all that follows it is done.
    """

    def __init__(self, loader: DataLoader) -> None:
        self.epoch, self.batch = 0, 0
        self._loader = loader
        self._random = Randomness()
        self._start: dict[str, Any] | None = None
        """What this epoch began with: the global random numbers, and the loader's own."""

    def epochs(self, count: int) -> Iterator[int]:
        """The epochs that are left of `count`."""
        while self.epoch < count:
            epoch = self.epoch
            yield epoch
            if self.epoch == epoch:  # the inner loop was left early
                self._end()

    def __iter__(self) -> Iterator[Any]:
        seen, now = self.batch, self._random.state_dict()
        if seen:
            self._random.load_state_dict(self._start["random"])
        else:
            self._start = {"random": now, "loader": self._loader_state()}
        for i, batch in enumerate(self._loader, 1):
            if i == seen:
                self._random.load_state_dict(now)
            if i > seen:
                self.batch = i
                yield batch
        self._end()

    def state_dict(self) -> dict[str, Any]:
        start = self._start or {"random": None, "loader": self._loader_state()}
        return {"epoch": self.epoch, "batch": self.batch, "start": start}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.epoch, self.batch, self._start = state["epoch"], state["batch"], state["start"]
        if self._loader.generator is not None and self._start["loader"] is not None:
            self._loader.generator.set_state(self._start["loader"])

    def _loader_state(self) -> torch.Tensor | None:
        generator = self._loader.generator
        return None if generator is None else generator.get_state()

    def _end(self) -> None:
        self.epoch, self.batch, self._start = self.epoch + 1, 0, None
