"""MobileNetV2 (Sandler et al. 2018), width 1.0."""

import torch
from torch import nn

from .initialise import initialise
from .named import Net, example_input, nets

# expansion, channels, blocks, stride of the first
STAGES = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)


def conv_norm_relu6(channels: int, out: int, kernel: int, stride: int = 1, groups: int = 1):
    return nn.Sequential(
        nn.Conv2d(channels, out, kernel, stride, kernel // 2, groups=groups, bias=False),
        nn.BatchNorm2d(out),
        nn.ReLU6(),
    )


class InvertedResidual(nn.Module):
    """Widen by 1x1, filter each channel by 3x3, narrow by 1x1; add the input where shapes allow."""

    def __init__(self, channels: int, out: int, stride: int, expansion: int):
        super().__init__()
        wide = channels * expansion
        layers = [conv_norm_relu6(channels, wide, 1)] if expansion != 1 else []
        self.conv = nn.Sequential(
            *layers,
            conv_norm_relu6(wide, wide, 3, stride, groups=wide),
            nn.Conv2d(wide, out, 1, bias=False),
            nn.BatchNorm2d(out),
        )
        self.adds_input = stride == 1 and channels == out

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.conv(x) if self.adds_input else self.conv(x)


class MobileNetV2(nn.Module):
    """[n, 3, 224, 224] -> [n, 1000]."""

    def __init__(self):
        super().__init__()
        layers: list[nn.Module] = [conv_norm_relu6(3, 32, 3, stride=2)]
        channels = 32
        for expansion, out, blocks, stride in STAGES:
            for i in range(blocks):
                layers.append(InvertedResidual(channels, out, stride if i == 0 else 1, expansion))
                channels = out
        self.features = nn.Sequential(*layers, conv_norm_relu6(channels, 1280, 1))
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Linear(1280, 1000)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return self.classifier(torch.flatten(self.avgpool(self.features(image)), 1))


@nets.register("mobilenet_v2")
def mobilenet_v2() -> Net:
    image = example_input(1, 3, 224, 224)
    module = initialise(MobileNetV2(), image)
    return Net("mobilenet_v2", module, (image,), "MobileNetV2 at width 1.0, random weights")
