"""Several plans for one net, each trained until it is good enough; shared blocks come trained."""

import logging
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from ..sparsity import Plan
from .blocks import LEARNING_RATE, pretrain
from .magnitude import prune
from .masked import zeros_kept

log = logging.getLogger(__name__)

Loss = Callable[[torch.Tensor, Any], torch.Tensor]


@dataclass(frozen=True)
class Training:
    """One net trained under one plan."""

    plan: str
    accuracies: tuple[float, ...]
    """Before training, then after each epoch."""
    goal: float
    seconds: float

    @property
    def epochs(self) -> int:
        return len(self.accuracies) - 1

    @property
    def is_reached(self) -> bool:
        return self.accuracies[-1] >= self.goal


@dataclass(frozen=True)
class Exploration:
    """Every plan's training from shared blocks; beside it, where asked for, the one without."""

    goal: float
    blocks: int
    """Trained variants of blocks."""
    pretrain_epochs: float
    """What these cost, in epochs of training a whole net."""
    pretrain_seconds: float
    assembled: tuple[Training, ...]
    alone: tuple[Training, ...]
    """The same plans, each from zeros by magnitude; empty: not compared."""
    models: Mapping[str, nn.Module]
    """The trained nets by plan, in eval mode."""

    @property
    def epochs(self) -> float:
        """With shared blocks, their own training included."""
        return self.pretrain_epochs + sum(training.epochs for training in self.assembled)

    @property
    def epochs_saved(self) -> float | None:
        """Against each plan alone; None: not compared. Plans that miss the goal count their limit,
        on both sides."""
        if not self.alone:
            return None
        return sum(training.epochs for training in self.alone) - self.epochs

    def to_json(self) -> dict[str, Any]:
        """What json.dumps takes."""
        return {
            "goal": self.goal,
            "blocks": self.blocks,
            "pretrain_epochs": self.pretrain_epochs,
            "pretrain_seconds": self.pretrain_seconds,
            "epochs": self.epochs,
            "epochs_saved": self.epochs_saved,
            "assembled": [asdict(training) for training in self.assembled],
            "alone": [asdict(training) for training in self.alone],
        }

    def __str__(self) -> str:
        lines = [
            f"{self.blocks} shared blocks, trained in {self.pretrain_epochs:.1f} epochs of a net "
            f"({self.pretrain_seconds:.0f} s); goal {self.goal:.1%}"
        ]
        alone = {training.plan: training for training in self.alone}
        for training in self.assembled:
            beside = f"; alone: {_told(alone[training.plan])}" if alone else ""
            lines.append(f"  {training.plan}: {_told(training)}{beside}")
        if self.epochs_saved is not None:
            whole = sum(training.epochs for training in self.alone)
            lines.append(f"{self.epochs:.1f} epochs instead of {whole}")
        return "\n".join(lines)


def explore(
    model: nn.Module,
    plans: Mapping[str, Plan],
    batches: Iterable[tuple[torch.Tensor, Any]],
    accuracy: Callable[[nn.Module], float],
    goal: float,
    block_epochs: int = 2,
    most_epochs: int = 20,
    learning_rate: float = LEARNING_RATE,
    loss: Loss = functional.cross_entropy,
    compare: bool = False,
    seed: int = 0,
    progress: Callable[[str], None] = log.info,
) -> Exploration:
    """Train a net under each of several plans, given by name, until `accuracy` reaches `goal`.

    Blocks that plans share are first trained once, for `block_epochs`, on the dense net's
    activations. `batches` is gone through once an epoch, and gives the net's input and what `loss`
    compares its output with. `compare` also trains each plan without shared blocks, for the report.
    """
    torch.manual_seed(seed)
    start = time.perf_counter()
    pretrained = pretrain(model, plans, batches, block_epochs, learning_rate, progress)
    seconds = time.perf_counter() - start

    def train(plan: str, net: nn.Module) -> Training:
        torch.manual_seed(seed)
        start = time.perf_counter()
        optimizer = torch.optim.Adam(net.parameters(), learning_rate)
        accuracies = [accuracy(net.eval())]
        with zeros_kept(net):
            while accuracies[-1] < goal and len(accuracies) <= most_epochs:
                net.train()
                for x, wanted in batches:
                    optimizer.zero_grad()
                    loss(net(x), wanted).backward()
                    optimizer.step()
                accuracies.append(accuracy(net.eval()))
                progress(f"{plan}, epoch {len(accuracies) - 1}: {accuracies[-1]:.1%}")
        return Training(plan, tuple(accuracies), goal, time.perf_counter() - start)

    models = {plan: pretrained.assemble(plan) for plan in plans}
    assembled = tuple(train(plan, net) for plan, net in models.items())
    alone = [train(plan, prune(model, plans[plan])) for plan in plans if compare]
    return Exploration(
        goal=goal,
        blocks=sum(len(block.variants) for block in pretrained.blocks),
        pretrain_epochs=pretrained.net_epochs,
        pretrain_seconds=seconds,
        assembled=assembled,
        alone=tuple(alone),
        models=models,
    )


def _told(training: Training) -> str:
    said = "" if training.is_reached else ", short of the goal"
    first, last = training.accuracies[0], training.accuracies[-1]
    return f"{first:.1%} at first, {last:.1%} after {training.epochs} epochs{said}"
