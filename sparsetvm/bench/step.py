"""A net's training step with its zeros left out, beside torch's dense one."""

import json
import logging
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch

from ..sparsity.plan import Plan
from .contest import Contender, Outcome, contest, relative_error
from .machine import Machine, machine
from .nets import net as net_of
from .nets.named import SEED, example_input
from .peers.step import DENSE, OURS, loss_and_gradients, pruned_net, steps

log = logging.getLogger(__name__)

SECONDS = 3.0
TOLERANCE = 1e-4
"""The largest difference of a gradient, of the largest value, where no relu is in doubt."""
FLIPS = 5.0
"""How many times torch's own error another float32 may have."""


@dataclass(frozen=True)
class StepResult:
    """Forward, backward and Adam's update of one batch, on our kernels and dense, in one run."""

    net: str
    plan: str
    batch: int
    threads: int
    seconds: float
    """Timed for each, about."""
    machine: Machine
    ours: Outcome
    dense: Outcome

    @property
    def speedup(self) -> float | None:
        if self.ours.timing is None or self.dense.timing is None:
            return None
        return self.dense.timing.ms / self.ours.timing.ms

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "seed": SEED, "speedup": self.speedup}


def step(
    net: str,
    plan: str,
    batch: int = 1,
    threads: int = 1,
    seconds: float = SECONDS,
    progress: Callable[[str], None] = log.info,
) -> StepResult:
    """Time a step of the pruned net `seconds` long on our kernels and by torch alone, interleaved,
    each in a process of its own; both must give the loss and gradients of float64.

    The loss is the mean square of the outputs. torch alone keeps no zeros: it updates all weights.
    """
    Plan.load(plan)  # a mistake is said before long work
    inputs = [example_input(batch, *x.shape[1:]) for x in net_of(net).example_inputs]
    with TemporaryDirectory(prefix="sparsetvm-step-") as folder:
        task, data = Path(folder) / "task.json", Path(folder) / "inputs.npz"
        path = Path(plan)
        task.write_text(
            json.dumps({"net": net, "plan": str(path.resolve() if path.is_file() else plan)})
        )
        np.savez(data, *[x.numpy() for x in inputs])
        progress(f"one step of {net} by torch")
        expected, allowed = _truth(task, inputs)
        contenders = [
            Contender(name, replace(steps[name], tolerance=allowed), task, expected)
            for name in (OURS, DENSE)
        ]
        outcomes = contest(contenders, data, threads, seconds, SEED, progress)
    return StepResult(
        net, plan, batch, threads, seconds, machine(), outcomes[OURS], outcomes[DENSE]
    )


def _truth(task: Path, inputs: list[torch.Tensor]) -> tuple[tuple[np.ndarray, ...], float]:
    """The loss and the gradients in float64, and how far from them float32 may be.

    A rounding that turns a relu off changes gradients for good; the deeper the net, the more of
    them. torch's own float32 says how much that is.
    """
    model = pruned_net(task)
    found = loss_and_gradients(model, inputs)()
    model.zero_grad()
    exact = loss_and_gradients(model.double(), [x.double() for x in inputs])()
    return tuple(exact), max(TOLERANCE, FLIPS * relative_error(found, exact))
