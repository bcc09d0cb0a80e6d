"""Nets of these tests, as short torch definitions: VGG-11-bn and ResNet-18."""

import torch
from torch import nn

from sparsetvm.bench.nets.initialise import initialise

VGG11 = (64, "pool", 128, "pool", 256, 256, "pool", 512, 512, "pool", 512, 512, "pool")


def image(size: int) -> torch.Tensor:
    return torch.randn(1, 3, size, size, generator=torch.Generator().manual_seed(0))


def vgg11_bn(size: int, classes: int = 10) -> nn.Module:
    """Simonyan & Zisserman 2014, configuration A with batch norm; two linear layers."""
    layers, channels = [], 3
    for width in VGG11:
        if width == "pool":
            layers.append(nn.MaxPool2d(2))
            continue
        layers += [nn.Conv2d(channels, width, 3, padding=1), nn.BatchNorm2d(width), nn.ReLU()]
        channels = width
    net = nn.Sequential()
    net.features = nn.Sequential(*layers)
    net.pool = nn.AdaptiveAvgPool2d(1)
    net.flat = nn.Flatten()
    net.classifier = nn.Sequential(nn.Linear(512, 256), nn.ReLU(), nn.Linear(256, classes))
    return initialise(net, image(size))


class _Residual(nn.Module):
    """Two 3x3 convolutions beside a shortcut (He et al. 2015)."""

    def __init__(self, channels: int, filters: int, stride: int):
        super().__init__()
        self.conv1 = nn.Conv2d(channels, filters, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(filters)
        self.conv2 = nn.Conv2d(filters, filters, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(filters)
        self.relu = nn.ReLU()
        self.downsample = nn.Identity()
        if stride > 1:
            shortcut = nn.Conv2d(channels, filters, 1, stride, bias=False)
            self.downsample = nn.Sequential(shortcut, nn.BatchNorm2d(filters))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.relu(self.bn1(self.conv1(x)))
        return self.relu(self.bn2(self.conv2(y)) + self.downsample(x))


def resnet18(size: int, classes: int = 10) -> nn.Module:
    net = nn.Sequential()
    net.conv1 = nn.Conv2d(3, 64, 7, 2, padding=3, bias=False)
    net.bn1, net.relu, net.maxpool = nn.BatchNorm2d(64), nn.ReLU(), nn.MaxPool2d(3, 2, padding=1)
    channels = 64
    for number, filters in enumerate((64, 128, 256, 512), 1):
        first = _Residual(channels, filters, 1 if number == 1 else 2)
        net.add_module(f"layer{number}", nn.Sequential(first, _Residual(filters, filters, 1)))
        channels = filters
    net.avgpool, net.flat, net.fc = nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(512, classes)
    return initialise(net, image(size))
