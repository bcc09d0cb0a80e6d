"""A layer on its own inputs, by our kernels and by torch's dense ones: which is faster."""

import time
from collections.abc import Callable
from dataclasses import dataclass

import torch

REPEATS = 3
"""After one run that warms both up; the quickest counts, for what disturbs only adds."""


@dataclass(frozen=True)
class Times:
    """Milliseconds of forward and all gradients that are wanted."""

    sparse_ms: float
    dense_ms: float

    def __str__(self) -> str:
        return f"{self.sparse_ms:.2f} ms beside {self.dense_ms:.2f} ms of torch's dense code"


def time_both(run, layer, x: torch.Tensor) -> Times:
    """In turns, on x as it lies and with a gradient as torch would lay it out."""
    x = x.detach().requires_grad_(x.requires_grad)
    values = layer.values.detach().requires_grad_()
    weight = layer.dense_weight.detach().requires_grad_()
    with torch.enable_grad():
        dy = torch.ones_like(layer.dense_forward(x, weight), memory_format=torch.contiguous_format)
        sparse = _step(lambda: run(x, values, layer.bias), dy, x, values)
        dense = _step(lambda: layer.dense_forward(x, weight), dy, x, weight)
        times = [(_ms(sparse), _ms(dense)) for _ in range(1 + REPEATS)][1:]
    return Times(*map(min, zip(*times, strict=True)))


def _step(forward: Callable, dy: torch.Tensor, *inputs: torch.Tensor) -> Callable[[], object]:
    wanted = [tensor for tensor in inputs if tensor.requires_grad]
    return lambda: torch.autograd.grad(forward(), wanted, dy)


def _ms(step: Callable[[], object]) -> float:
    start = time.perf_counter()
    step()
    return 1e3 * (time.perf_counter() - start)
