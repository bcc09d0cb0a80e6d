"""Small nets of every family that the passes meet; sizes are odd on purpose."""

from collections.abc import Callable

import torch
from torch import nn
from torch.nn import functional as F


class Vgg(nn.Module):
    """Convolutions with bias, pools, linear layers, dropout."""

    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(3, 7, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(7, 5, 3, padding=2, dilation=2),
            nn.ReLU(),
        )
        self.classifier = nn.Sequential(nn.Linear(60, 9), nn.ReLU(), nn.Dropout(), nn.Linear(9, 4))

    def forward(self, x):
        return self.classifier(torch.flatten(self.features(x), 1))


class ResNet(nn.Module):
    """A residual add after each of two blocks: of the block's input, then of a strided 1x1."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 6, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(6)
        self.conv2 = nn.Conv2d(6, 6, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(6)
        self.conv3 = nn.Conv2d(6, 7, 3, stride=2, padding=1)
        self.bn3 = nn.BatchNorm2d(7)
        self.downsample = nn.Sequential(nn.Conv2d(6, 7, 1, 2, bias=False), nn.BatchNorm2d(7))

    def forward(self, x):
        x = F.relu(self.bn1(self.conv1(x)))
        x = F.relu(self.bn2(self.conv2(x)) + x)
        y = self.bn3(self.conv3(x))
        return F.relu(y + self.downsample(x)).mean((2, 3))


class MobileNet(nn.Module):
    """Widen, filter each channel, narrow, add the input; relu6 between."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 5, 1)
        self.conv = nn.Sequential(
            nn.Sequential(nn.Conv2d(5, 11, 1, bias=False), nn.BatchNorm2d(11), nn.ReLU6()),
            nn.Sequential(
                nn.Conv2d(11, 11, 3, padding=1, groups=11, bias=False),
                nn.BatchNorm2d(11),
                nn.ReLU6(),
            ),
            nn.Conv2d(11, 5, 1, bias=False),
            nn.BatchNorm2d(5),
        )

    def forward(self, x):
        x = self.stem(x)
        return x + self.conv(x)


class EfficientNetLite(nn.Module):
    """Padding that is wider after than before, as an operator of its own."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 6, 3, stride=2, bias=False)
        self.norm = nn.BatchNorm2d(6, eps=1e-3)
        self.depthwise = nn.Conv2d(6, 6, 5, stride=2, groups=6, bias=False)

    def forward(self, x):
        x = F.relu6(self.norm(self.conv(F.pad(x, (0, 1, 0, 1)))))
        return self.depthwise(F.pad(x, (1, 2, 1, 2)))


class Smooth(nn.Module):
    """The activations that importers take apart."""

    def __init__(self):
        super().__init__()
        self.a, self.b, self.c = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 5, 1), nn.Conv2d(5, 4, 1)
        self.d = nn.Linear(4, 3)

    def forward(self, x):
        x = F.silu(self.b(F.hardswish(self.a(x))))
        x = torch.sigmoid(self.c(x)).mean((2, 3))
        x = self.d(x)
        return x * F.relu6(x + 3) / 6


class Conv1d(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv1d(3, 6, 5, stride=2, padding=1)
        self.norm = nn.BatchNorm1d(6)
        self.conv2 = nn.Conv1d(6, 5, 3, dilation=2, bias=False)
        self.linear = nn.Linear(5, 4)

    def forward(self, x):
        x = F.relu(self.norm(self.conv1(x)))
        return self.linear(self.conv2(F.pad(x, (2, 1))).transpose(1, 2))


class Conv3d(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv3d(2, 5, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm3d(5)
        self.conv2 = nn.Conv3d(5, 4, (1, 3, 3), stride=(1, 2, 2))

    def forward(self, x):
        x = F.max_pool3d(F.relu(self.norm(self.conv1(x))), (1, 2, 2))
        return F.relu(self.conv2(x))


class Mlp(nn.Module):
    """Linear layers on three axes, a batch norm between, one residual add."""

    def __init__(self):
        super().__init__()
        self.first = nn.Linear(7, 9)
        self.norm = nn.BatchNorm1d(3)
        self.second = nn.Linear(9, 9, bias=False)

    def forward(self, x):
        x = F.relu(self.first(x))
        return self.second(self.norm(x)) + x


class Twice(nn.Module):
    """A convolution and a linear layer called twice each; a norm follows the first convolution."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(4, 4, 3, padding=1)
        self.norm = nn.BatchNorm2d(4)
        self.linear = nn.Linear(6, 6)

    def forward(self, x):
        x = F.relu(self.norm(self.conv(x)))
        x = torch.tanh(self.conv(x))
        return self.linear(F.relu(self.linear(x)))


SHAPES: dict[type[nn.Module], tuple[int, ...]] = {
    Vgg: (1, 3, 9, 7),
    ResNet: (2, 3, 7, 6),
    MobileNet: (1, 3, 5, 7),
    EfficientNetLite: (1, 3, 12, 14),
    Smooth: (1, 3, 6, 5),
    Conv1d: (2, 3, 17),
    Conv3d: (1, 2, 3, 7, 8),
    Mlp: (2, 3, 7),
    Twice: (1, 4, 5, 6),
}


def make(net: Callable[[], nn.Module], seed: int = 0) -> nn.Module:
    """The net with random weights a third of which are zero, and batch-norm statistics to match."""
    torch.manual_seed(seed)
    module = net().eval()
    with torch.no_grad():
        for layer in module.modules():
            if isinstance(layer, nn.Conv1d | nn.Conv2d | nn.Conv3d | nn.Linear):
                layer.weight.mul_(torch.rand_like(layer.weight) > 1 / 3)
            if isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d | nn.BatchNorm3d):
                if layer.affine:
                    layer.weight.uniform_(0.5, 2)
                    layer.bias.normal_()
                layer.running_mean.normal_()
                layer.running_var.uniform_(0.5, 2)
    return module
