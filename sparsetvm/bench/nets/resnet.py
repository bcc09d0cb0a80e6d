"""ResNet-50 (He et al. 2015, with the stride on the 3x3 convolution)."""

import torch
from torch import nn

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


def _stage(channels: int, width: int, blocks: int, stride: int) -> nn.Sequential:
    first, out = Bottleneck(channels, width, stride), EXPANSION * width
    return nn.Sequential(first, *(Bottleneck(out, width, 1) for _ in range(blocks - 1)))


@nets.register("resnet50")
def resnet50() -> Net:
    image = example_input(1, 3, 224, 224)
    return Net("resnet50", initialise(ResNet50(), image), (image,), "ResNet-50, random weights")
