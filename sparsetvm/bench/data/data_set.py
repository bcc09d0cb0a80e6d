"""A data set to classify, in memory: what to train on, and what to judge by."""

from collections.abc import Callable
from dataclasses import dataclass

import torch

from ...errors import InputError
from ...registry import Registry

data_sets: Registry[Callable[..., "DataSet"]] = Registry("data set", InputError)
"""Each takes `fetch`: whether it may get its file from a package registry."""


@dataclass(frozen=True)
class DataSet:
    """Samples along the first axis, float32; labels int64, 0 to `classes` - 1."""

    name: str
    train: tuple[torch.Tensor, torch.Tensor]
    test: tuple[torch.Tensor, torch.Tensor]
    classes: int
    description: str
