"""A training step by torch, its pruned layers on our kernels or dense: forward, backward, Adam."""

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ...errors import SparseTVMError
from ...registry import Registry
from .peer import Peer, Run

if TYPE_CHECKING:
    import torch

steps: Registry[Peer] = Registry("training step", SparseTVMError)
"""Not among the peers: what they run is no inference."""

OURS, DENSE = "sparsetvm_step", "torch_step"
RATE = 1e-5
"""Adam's; small, so that many steps leave the net much as it was."""


def pruned_net(task: Path) -> "torch.nn.Module":
    """The net that a task, {"net": name, "plan": name}, tells of; ready to be trained."""
    from ...prune import prune
    from ..nets import net

    settings = json.loads(task.read_text())
    return prune(net(settings["net"]).module, settings["plan"]).train()


def loss_and_gradients(
    model: "torch.nn.Module", inputs: list["torch.Tensor"]
) -> Callable[[], list[np.ndarray]]:
    """One forward and one backward pass; what comes back reads the loss, and the gradient of each
    weight that stays and of each other parameter."""
    import torch

    from ...train.layers import AcceleratedLayer

    loss = model(*inputs).square().mean()
    loss.backward()

    def read() -> list[np.ndarray]:
        found = [loss.detach()]
        for module in model.modules():
            for name, parameter in module.named_parameters(recurse=False):
                gradient = parameter.grad
                if isinstance(module, AcceleratedLayer) and name == "weight":
                    gradient = module.dense_gradient
                elif parameter.ndim > 1:
                    gradient = torch.where(parameter != 0, gradient, 0)
                found.append(gradient.detach())
        return [tensor.numpy().copy() for tensor in found]

    return read


def _load(task: Path, inputs: list[np.ndarray], threads: int, is_ours: bool) -> Run:
    import torch

    from ...train import accelerate

    torch.set_num_threads(threads)
    model, tensors = pruned_net(task), [torch.from_numpy(array) for array in inputs]
    if is_ours:
        accelerate(model, json.loads(task.read_text())["plan"])
    optimizer = torch.optim.Adam(model.parameters(), RATE)
    is_first = True

    def run() -> list[np.ndarray]:
        nonlocal is_first
        read = loss_and_gradients(model, tensors)
        found, is_first = read() if is_first else [], False
        optimizer.step()
        optimizer.zero_grad()
        return found

    return run


def _add(name: str, is_ours: bool, **facts) -> None:
    load = partial(_load, is_ours=is_ours)
    steps.register(name)(Peer(name, "torch", "json", load, tolerance=1e-4, **facts))


# torch's threads must not spin for work: ours need the cores
_add(OURS, True, settings={"GOMP_SPINCOUNT": "1000"})
_add(DENSE, False)
