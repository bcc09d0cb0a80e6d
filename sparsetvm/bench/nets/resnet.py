"""Residual nets of bottlenecks (He et al. 2015, with the stride on the 3x3 convolution)."""

import torch
from torch import nn

from ...errors import ModelError
from .initialise import initialise
from .named import Net, example_input, nets

EXPANSION = 4


class Bottleneck(nn.Module):
    """1x1, 3x3, 1x1, and the input added: [n, channels, h, w] -> [n, 4 width, h/s, w/s]."""

    def __init__(self, channels: int, width: int, stride: int):
        super().__init__()
        out = EXPANSION * width
        self.conv1 = nn.Conv2d(channels, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, out, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(out)
        self.relu = nn.ReLU()
        self.downsample = nn.Identity()
        if stride != 1 or channels != out:
            self.downsample = nn.Sequential(
                nn.Conv2d(channels, out, 1, stride, bias=False), nn.BatchNorm2d(out)
            )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.relu(self.bn1(self.conv1(x)))
        y = self.relu(self.bn2(self.conv2(y)))
        return self.relu(self.bn3(self.conv3(y)) + self.downsample(x))


class ResNet50(nn.Module):
    """[n, 3, 224, 224] -> [n, 1000]."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.relu = nn.ReLU()
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        self.layer1 = _stage(64, 64, blocks=3, stride=1)
        self.layer2 = _stage(256, 128, blocks=4, stride=2)
        self.layer3 = _stage(512, 256, blocks=6, stride=2)
        self.layer4 = _stage(1024, 512, blocks=3, stride=2)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(2048, 1000)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        x = self.maxpool(self.relu(self.bn1(self.conv1(image))))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return self.fc(torch.flatten(self.avgpool(x), 1))


class DeepResNet(nn.Module):
    """[n, 3, 32, 32] -> [n, 10]: the paper's nets for small pictures, of `depth` = 3 n + 2 layers.

    Bottlenecks of widths 16, 32 and 64, a third of the n blocks each; layers alike are many.
    """

    def __init__(self, depth: int):
        super().__init__()
        if depth < 11 or depth % 3 != 2:
            raise ModelError(
                f"a residual net of {depth} layers is none of 3 n + 2, n from 3 up\n"
                f"  choose {max(11, depth - (depth + 1) % 3)}"
            )
        blocks = (depth - 2) // 3
        self.conv1 = nn.Conv2d(3, 16, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(16)
        self.relu = nn.ReLU()
        self.layer1 = _stage(16, 16, blocks=(blocks + 2) // 3, stride=1)
        self.layer2 = _stage(64, 32, blocks=(blocks + 1) // 3, stride=2)
        self.layer3 = _stage(128, 64, blocks=blocks // 3, stride=2)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(256, 10)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        x = self.relu(self.bn1(self.conv1(image)))
        x = self.layer3(self.layer2(self.layer1(x)))
        return self.fc(torch.flatten(self.avgpool(x), 1))


def deep_resnet(depth: int) -> Net:
    """DeepResNet by its depth: 50, 101, 152, 500, 1001, …"""
    image = example_input(1, 3, 32, 32)
    module = initialise(DeepResNet(depth), image)
    return Net(f"resnet of {depth} layers", module, (image,), "residual net, random weights")


def _stage(channels: int, width: int, blocks: int, stride: int) -> nn.Sequential:
    first, out = Bottleneck(channels, width, stride), EXPANSION * width
    return nn.Sequential(first, *(Bottleneck(out, width, 1) for _ in range(blocks - 1)))


@nets.register("resnet50")
def resnet50() -> Net:
    image = example_input(1, 3, 224, 224)
    return Net("resnet50", initialise(ResNet50(), image), (image,), "ResNet-50, random weights")
