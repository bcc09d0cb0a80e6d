"""A named net: a torch module with weights, the inputs it is timed on, and a line about both."""

from collections.abc import Callable
from dataclasses import dataclass

import torch

from ...errors import ModelError
from ...registry import Registry

SEED = 0
"""What every random weight and input of these nets is drawn from; a result records it."""

nets: Registry[Callable[[], "Net"]] = Registry("net", ModelError)


@dataclass(frozen=True)
class Net:
    """`module` is in eval mode; `module(*example_inputs)` is what gets compiled and timed."""

    name: str
    module: torch.nn.Module
    example_inputs: tuple[torch.Tensor, ...]
    description: str


def example_input(*shape: int) -> torch.Tensor:
    """Normal numbers of this shape, the same at every call."""
    return torch.randn(shape, generator=torch.Generator().manual_seed(SEED))
