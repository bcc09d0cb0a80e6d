"""Checkpoints of a training: taken in an instant, written in the background, resumed to the bit."""

import logging
import time
from collections.abc import Mapping
from pathlib import Path
from threading import Thread
from typing import Any, Protocol

import torch
from safetensors.torch import load
from torch import nn

from ..errors import FileError, ModelError, PlanError
from ..sparsity import Plan
from .checkpoint_folder import CheckpointFolder
from .randomness import Randomness
from .state import copy_state, put_together, take_apart
from .zeros import read_tensors, write_tensors

_POSITION = "position"

log = logging.getLogger(__name__)


class Stateful(Protocol):
    """A model, optimizer, scheduler, pruner, Batches, …"""

    def state_dict(self) -> Mapping[str, Any]: ...

    def load_state_dict(self, state: Mapping[str, Any]) -> Any: ...


class Checkpoints:
    """The checkpoints of one training in one folder; the last `keep` of them stay.

        checkpoints = st.Checkpoints("run", plan=plan, model=net, optimizer=adam, data=batches)
        checkpoints.restore()                    # where the last run stopped; or at the beginning
        for epoch in batches.epochs(10):
            for x, y in batches:
                ...
                checkpoints.step()               # a checkpoint every 60 s
        checkpoints.wait()

    Its parts, under names of your own, are whatever has state_dict and load_state_dict; the global
    random numbers come along. A checkpoint is a copy of all that, taken before `save` returns and
    written by a thread; one at a time, so that a save waits for the one before. What hindered a
    write (a full disk) the next save says, as an error or, unless it `must_write`, as a warning;
    earlier checkpoints stay as they are.
    """

    def __init__(
        self,
        folder: str | Path,
        *,
        keep: int = 3,
        every: float = 60.0,
        must_write: bool = True,
        plan: Plan | None = None,
        **parts: Stateful,
    ) -> None:
        if keep < 1 or not parts:
            raise FileError(
                f"{folder}: keep={keep} and {len(parts)} parts make no checkpoint\n"
                f"  keep one or more, of one part or more: Checkpoints({str(folder)!r}, model=net)"
            )
        self._folder = CheckpointFolder(folder)
        self._keep, self._every, self._must_write = keep, every, must_write
        self._plan = None if plan is None else plan.digest
        self._parts: dict[str, Stateful] = {**parts, "random": Randomness()}
        self._last = time.monotonic()
        self._writer: Thread | None = None
        self._failure: Exception | None = None

    def step(self, **position: Any) -> None:
        """Save if the last checkpoint is `every` seconds old."""
        if time.monotonic() - self._last >= self._every:
            self.save(**position)

    def save(self, **position: Any) -> None:
        """Take a checkpoint; `restore` gives the position (step=3) back.

        A model with numbers that are not finite is refused: what was saved before is worth more.
        """
        self.wait()
        for name, part in self._parts.items():
            if isinstance(part, nn.Module):
                self._check_finite(name, part)
        state = {name: copy_state(part.state_dict()) for name, part in self._parts.items()}
        self._last = time.monotonic()
        self._writer = Thread(target=self._write, args=(state, position))
        self._writer.start()

    def wait(self) -> None:
        """Return when the last checkpoint is on the disk; say what hindered it."""
        if self._writer is not None:
            self._writer.join()
        failure, self._writer, self._failure = self._failure, None, None
        if failure is None:
            return
        if self._must_write or not isinstance(failure, FileError):
            raise failure
        log.warning("the training goes on without this checkpoint: %s", failure)

    def restore(self) -> dict[str, Any] | None:
        """Set every part to the newest whole checkpoint; the position that was saved with it.

        None if there is no checkpoint. A damaged one is said, and the one before it is taken.
        """
        self.wait()
        damaged = []
        for name in self._folder.names():
            try:
                table = self._folder.table(name)
                files = {file: load(self._folder.get(file)) for file in table["parts"]}
            except FileError as err:
                log.warning("%s; going back to the checkpoint before", err)
                damaged.append(err)
                continue
            state = put_together(table["state"], read_tensors(table["tensors"], files))
            self._check(name, table["plan"], state)
            for part, stateful in self._parts.items():
                stateful.load_state_dict(state[part])
            return state[_POSITION]
        if damaged:
            raise FileError(
                f"{self._folder.path} holds no whole checkpoint: {damaged[0]}\n"
                f"  copy the folder again from where it was written, or train into an empty one"
            ) from damaged[0]
        return None

    def _write(self, state: dict[str, Any], position: Mapping[str, Any]) -> None:
        try:
            self._folder.path.mkdir(parents=True, exist_ok=True)
            tensors: dict[str, torch.Tensor] = {}
            tree = {name: take_apart(state.pop(name), name, tensors) for name in [*state]}
            tree[_POSITION] = take_apart(position, _POSITION, tensors)
            records, parts = write_tensors(tensors, self._folder.put)
            table = {"plan": self._plan, "parts": parts, "state": tree, "tensors": records}
            self._folder.add(table)
            self._folder.clean(self._keep)
        except Exception as err:
            self._failure = err

    def _check_finite(self, name: str, model: nn.Module) -> None:
        for parameter, value in model.named_parameters():
            if not value.isfinite().all():
                raise ModelError(
                    f"{name}: {parameter} holds numbers that are not finite; it is not saved\n"
                    f"  go on from the checkpoint before, restore(), with a lower learning rate"
                )

    def _check(self, checkpoint: str, plan: str | None, state: Mapping[str, Any]) -> None:
        """ModelError or PlanError, before anything is changed, if it is of another training."""
        where = self._folder.path / checkpoint
        if plan != self._plan:
            raise PlanError(
                f"{where} was written under another plan\n"
                f"  give the plan that it was written under, or another folder"
            )
        if missing := {*self._parts, _POSITION} ^ state.keys():
            raise ModelError(
                f"{where} has {', '.join(sorted(state.keys() - {_POSITION}))}, you gave "
                f"{', '.join(self._parts)}; they differ in {min(missing)}\n"
                f"  give the parts that were saved, or another folder"
            )
        for name, part in self._parts.items():
            if isinstance(part, nn.Module):
                saved, own = _shapes(state[name]), _shapes(part.state_dict())
                if differing := [key for key in {**saved, **own} if saved.get(key) != own.get(key)]:
                    key = differing[0]
                    raise ModelError(
                        f"{where} is of another model: {name} has {own.get(key, 'no')} {key}, "
                        f"the checkpoint {saved.get(key, 'none')}\n"
                        f"  build the model that was saved, or give another folder"
                    )


def _shapes(state: Mapping[str, Any]) -> dict[str, str]:
    return {
        key: f"{str(value.dtype).removeprefix('torch.')}{[*value.shape]}"
        for key, value in state.items()
        if isinstance(value, torch.Tensor)
    }
