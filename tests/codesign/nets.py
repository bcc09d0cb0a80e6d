"""A net of a few kinds of layers, small enough to be measured in a test."""

import torch
from torch import nn


class Small(nn.Module):
    """A first layer that stays dense, a 3x3, a depthwise, a 1x1 and a linear layer."""

    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(3, 16, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(16, 24, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(24, 24, 3, padding=1, groups=24),
            nn.Conv2d(24, 32, 1),
            nn.ReLU(),
        )
        self.head = nn.Linear(32, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.features(x).mean((2, 3)))


def small() -> tuple[nn.Module, torch.Tensor]:
    """The net and an example input, 5x6 pixels."""
    torch.manual_seed(0)
    return Small().eval(), torch.randn(1, 3, 5, 6)
