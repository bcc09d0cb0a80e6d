"""What the first process of a torchrun decided, told to all; alone, nothing happens."""

from collections.abc import Iterable

import torch
from torch import distributed


def is_first() -> bool:
    """Whether this process decides: the first of its group, or the only one."""
    return not _are_many() or distributed.get_rank() == 0


def take_from_first(tensors: Iterable[torch.Tensor]) -> None:
    """Overwrite each with the first process's values."""
    if _are_many():
        for tensor in tensors:
            distributed.broadcast(tensor, src=0)


def _are_many() -> bool:
    return distributed.is_available() and distributed.is_initialized()
