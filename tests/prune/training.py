"""A small training as users write it: masks, momentum, dropout, a schedule, shuffled batches.

python training.py FOLDER KILLS     trains, is killed at random moments, resumes; prints what it got
"""

import hashlib
import os
import random
import signal
import sys
import time
from functools import partial
from pathlib import Path

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from sparsetvm.prune import prune
from sparsetvm.prune.batches import Batches
from sparsetvm.prune.checkpoint import Checkpoints
from sparsetvm.sparsity import Plan

PLAN = Plan.uniform("connectivity", connectivity=8.0)


class Training:
    """Everything that a training holds; `step` takes one batch."""

    def __init__(self, folder, workers=0, width=64, plan=PLAN, **options):
        torch.manual_seed(0)
        net = nn.Sequential(
            nn.Conv2d(1, width, 3),
            nn.BatchNorm2d(width),
            nn.ReLU(),
            nn.Dropout(0.2),
            nn.Conv2d(width, width, 3),
            nn.Flatten(),
            nn.Linear(width * 16, 10),
        )
        self.net = prune(net, plan)
        for name, value in self.net.named_parameters():
            if name in ("4.weight", "6.weight"):
                value.register_hook(partial(torch.mul, value.detach() != 0))
        self.net[0].requires_grad_(False)
        trained = [value for value in self.net.parameters() if value.requires_grad]
        self.adam = torch.optim.Adam(trained, 1e-2)
        self.schedule = torch.optim.lr_scheduler.MultiStepLR(self.adam, [1, 3], gamma=0.5)
        data = TensorDataset(torch.randn(30, 1, 8, 8), torch.randint(10, (30,)))
        self.batches = Batches(DataLoader(data, 5, shuffle=True, num_workers=workers))
        self.checkpoints = Checkpoints(
            folder,
            plan=plan,
            net=self.net,
            adam=self.adam,
            schedule=self.schedule,
            batches=self.batches,
            **options,
        )

    def step(self, images, labels):
        self.adam.zero_grad()
        nn.functional.cross_entropy(self.net(images), labels).backward()
        self.adam.step()

    def train(self, epochs, saved=lambda: None):
        for _ in self.batches.epochs(epochs):
            for images, labels in self.batches:
                self.step(images, labels)
                self.checkpoints.save()
                saved()
            self.schedule.step()
        self.checkpoints.wait()
        return self

    def bits(self):
        """Of every weight and momentum, as a digest."""
        states = [self.net.state_dict(), *self.adam.state_dict()["state"].values()]
        return hashlib.sha256(
            b"".join(value.numpy().tobytes() for state in states for value in state.values())
        ).hexdigest()


def live(folder, epochs, longest):
    """One life in a process of its own, killed after `longest` seconds; whether it lived on."""
    process = os.fork()
    if not process:
        training = Training(folder)
        training.checkpoints.restore()
        training.train(epochs)
        (folder / "bits").write_text(training.bits())
        os._exit(0)
    end = time.monotonic() + longest
    while not (ended := os.waitpid(process, os.WNOHANG)[0]) and time.monotonic() < end:
        time.sleep(0.001)
    if not ended:
        os.kill(process, signal.SIGKILL)
        os.waitpid(process, 0)
    return bool(ended)


if __name__ == "__main__":
    torch.set_num_threads(1)
    root, kills = Path(sys.argv[1]), int(sys.argv[2])
    Training(root / "none")  # torch imports much with the first optimizer: now, not in every life
    live(root / "whole", 3, longest=100)
    finished, torn = 0, 0
    while kills:
        folder = root / f"killed {finished}"
        if live(folder, 3, longest=random.uniform(0, 0.5)):
            finished += 1
        else:
            kills -= 1
            torn += any(folder.rglob(".*.tmp"))
    live(root / f"killed {finished}", 3, longest=100)
    print(torn, *{path.read_text() for path in root.glob("*/bits")})
