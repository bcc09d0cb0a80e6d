"""A small 1-D net over spectrogram frames: strides, a dilation, kernels of 3, 5 and 9."""

import torch
from torch import nn

from .initialise import initialise
from .named import Net, example_input, nets


class Conv1dNet(nn.Module):
    """[n, 40 bands, frames] -> [n, 35 words]."""

    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv1d(40, 128, 5, padding=2), nn.ReLU(),
            nn.Conv1d(128, 128, 3, stride=2, padding=1), nn.ReLU(),
            nn.Conv1d(128, 256, 3, padding=2, dilation=2), nn.ReLU(),
            nn.Conv1d(256, 256, 3, stride=2, padding=1), nn.ReLU(),
            nn.Conv1d(256, 256, 9, padding=4), nn.ReLU(),
        )  # fmt: skip
        self.pool = nn.AdaptiveAvgPool1d(1)
        self.classifier = nn.Linear(256, 35)

    def forward(self, frames: torch.Tensor) -> torch.Tensor:
        return self.classifier(torch.flatten(self.pool(self.features(frames)), 1))


@nets.register("conv1d_net")
def conv1d_net() -> Net:
    frames = example_input(1, 40, 512)
    description = (
        "five 1-D convolutions, two strided, one dilated, then a linear layer; random weights"
    )
    return Net("conv1d_net", initialise(Conv1dNet()), (frames,), description)
