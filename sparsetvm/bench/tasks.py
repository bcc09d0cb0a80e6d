"""Small nets with the data that they learn, how they are trained, and how well they do."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional

from ..errors import InputError
from ..prune import Pruner, soft_label_loss
from ..registry import Registry
from .data import DataSet
from .nets.small import DigitsVGG, MotionC3D, SpeakerGRU


@dataclass(frozen=True)
class Task:
    """A net for a data set, and how it is trained: Adam, whose rate falls to 0 by a cosine."""

    data: str
    """The data set's name."""
    net: Callable[[], nn.Module]
    dense_epochs: int
    epochs: int
    """With a pruner; a method that takes steps has the first half, the rest is retraining."""
    batch: int
    rate: float
    """Of learning, where it starts."""


tasks: Registry[Task] = Registry("task", InputError)
tasks.register("mnist")(Task("mnist", DigitsVGG, 8, 6, 64, 2e-3))
tasks.register("moving-digits")(Task("moving-digits", MotionC3D, 6, 6, 32, 2e-3))
tasks.register("vowels")(Task("vowels", SpeakerGRU, 60, 60, 16, 3e-3))


def count_steps(task: Task, data: DataSet) -> int:
    """Training steps in an epoch."""
    return -(-len(data.train[0]) // task.batch)


def train(
    task: Task,
    net: nn.Module,
    data: DataSet,
    seed: int,
    pruner: Pruner | None = None,
) -> nn.Module:
    """Train the net in place; `seed` shuffles the samples.

    For `dense_epochs` by the labels alone; with a pruner for `epochs`, by the answers that the net,
    still dense, gives at the start as well.
    """
    x, y = data.train
    if x.ndim == 4:
        net.to(memory_format=torch.channels_last)  # takes little more than half the time
    epochs = task.epochs if pruner else task.dense_epochs
    optimizer = torch.optim.Adam(net.parameters(), task.rate)
    steps = epochs * count_steps(task, data)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    shuffle = torch.Generator().manual_seed(seed)
    if pruner:
        dense_logits = answers(net, x)
        pruner.prepare(optimizer)
    net.train()
    for _ in range(epochs):
        for chosen in torch.randperm(len(x), generator=shuffle).split(task.batch):
            logits = net(x[chosen])
            if pruner:
                loss = soft_label_loss(logits, dense_logits[chosen], y[chosen])
            else:
                loss = functional.cross_entropy(logits, y[chosen])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            if pruner:
                pruner.step()
    if pruner:
        pruner.finalize()
    return net.eval()


@torch.no_grad()
def answers(net: nn.Module, x: torch.Tensor) -> torch.Tensor:
    """The net's logits [n, classes] for many samples."""
    return torch.cat([net.eval()(part) for part in x.split(250)])


def accuracy_of(net: nn.Module, data: DataSet) -> float:
    """The part of the test samples that the net gets right."""
    x, y = data.test
    return float((answers(net, x).argmax(1) == y).double().mean())
