"""R(2+1)D-18 (Tran et al. 2018): every 3x3x3 convolution as a 1x3x3 and a 3x1x1, on 16 frames."""

import torch
from torch import nn

from .initialise import initialise
from .named import Net, example_input, nets

WIDTHS = (64, 128, 256, 512)
CLASSES = 101


class Factorised(nn.Sequential):
    """In space, then in time; as many weights as in a 3x3x3 convolution: [n, channels, t, h, w] ->
    [n, width, t/s, h/s, w/s]."""

    def __init__(self, channels: int, width: int, between: int, stride: int = 1):
        super().__init__(
            nn.Conv3d(channels, between, (1, 3, 3), (1, stride, stride), (0, 1, 1), bias=False),
            nn.BatchNorm3d(between),
            nn.ReLU(),
            nn.Conv3d(between, width, (3, 1, 1), (stride, 1, 1), (1, 0, 0), bias=False),
        )


class Block(nn.Module):
    """Two factorised convolutions, and the input added."""

    def __init__(self, channels: int, width: int, stride: int):
        super().__init__()
        # the same number between both convolutions, as the authors have it
        between = channels * width * 27 // (channels * 9 + width * 3)
        self.conv1 = Factorised(channels, width, between, stride)
        self.bn1 = nn.BatchNorm3d(width)
        self.conv2 = Factorised(width, width, between)
        self.bn2 = nn.BatchNorm3d(width)
        self.relu = nn.ReLU()
        self.downsample = nn.Identity()
        if stride != 1 or channels != width:
            self.downsample = nn.Sequential(
                nn.Conv3d(channels, width, 1, stride, bias=False), nn.BatchNorm3d(width)
            )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.relu(self.bn1(self.conv1(x)))
        return self.relu(self.bn2(self.conv2(y)) + self.downsample(x))


class R2Plus1D18(nn.Module):
    """[n, 3, 16, 112, 112] -> [n, 101] (the classes of UCF-101)."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv3d(3, 45, (1, 7, 7), (1, 2, 2), (0, 3, 3), bias=False),
            nn.BatchNorm3d(45),
            nn.ReLU(),
            nn.Conv3d(45, WIDTHS[0], (3, 1, 1), padding=(1, 0, 0), bias=False),
            nn.BatchNorm3d(WIDTHS[0]),
            nn.ReLU(),
        )
        blocks, channels = [], WIDTHS[0]
        for width in WIDTHS:
            blocks += [
                Block(channels, width, 1 if width == channels else 2),
                Block(width, width, 1),
            ]
            channels = width
        self.blocks = nn.Sequential(*blocks)
        self.avgpool = nn.AdaptiveAvgPool3d(1)
        self.fc = nn.Linear(channels, CLASSES)

    def forward(self, clip: torch.Tensor) -> torch.Tensor:
        return self.fc(torch.flatten(self.avgpool(self.blocks(self.stem(clip))), 1))


@nets.register("r2plus1d_18")
def r2plus1d_18() -> Net:
    clip = example_input(1, 3, 16, 112, 112)
    description = "R(2+1)D-18, 16 frames of 112x112, random weights"
    return Net("r2plus1d_18", initialise(R2Plus1D18(), clip), (clip,), description)
