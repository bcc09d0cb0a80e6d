"""A layer on its own inputs, by our kernels and by torch's dense ones: which is faster."""

import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn

from .run import LayerRun

REPEATS = 3
"""After one run that warms both up; the quickest counts, for what disturbs only adds."""

SETTLE_SECONDS = 0.02
"""Between the two: torch's threads spin for work for a while, on the cores that ours need."""


@dataclass(frozen=True)
class Times:
    """Milliseconds of forward and all gradients that are wanted."""

    sparse_ms: float
    dense_ms: float

    def __str__(self) -> str:
        return f"{self.sparse_ms:.2f} ms beside {self.dense_ms:.2f} ms of torch's dense code"


def time_both(run: LayerRun, layer: nn.Module, x: torch.Tensor) -> Times:
    """One after the other, on x as it lies; the output's gradient lies as each would leave it."""
    with torch.inference_mode(False):
        return _time_both(run, layer, x.clone() if x.is_inference() else x)


def _time_both(run: LayerRun, layer: nn.Module, x: torch.Tensor) -> Times:
    x = x.detach().requires_grad_(x.requires_grad)
    values = layer.values.detach().requires_grad_()
    weight = layer.dense_weight.detach().requires_grad_()
    with torch.enable_grad():
        dense_dy = torch.ones_like(layer.dense_forward(x, weight)).contiguous()
        sparse_dy = run.buffers.as_flat(dense_dy, run.y).view
        dense = _step(lambda: layer.dense_forward(x, weight), dense_dy, x, weight)
        sparse = _step(lambda: run(x, values, layer.bias), sparse_dy, x, values)
        return Times(_quickest(sparse), _quickest(dense))


def _step(forward: Callable, dy: torch.Tensor, *inputs: torch.Tensor) -> Callable[[], object]:
    wanted = [tensor for tensor in inputs if tensor.requires_grad]
    return lambda: torch.autograd.grad(forward(), wanted, dy)


def _quickest(step: Callable[[], object]) -> float:
    time.sleep(SETTLE_SECONDS)
    step()
    times = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        step()
        times.append(time.perf_counter() - start)
    return 1e3 * min(times)
