"""VGG-16 (Simonyan & Zisserman 2014, configuration D): the 13 convolutions and 5 max-pools."""

import torch
from torch import nn

from .initialise import initialise
from .named import Net, example_input, nets

WIDTHS = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512))


def vgg16_blocks() -> list[list[nn.Module]]:
    """The layers of each of the five blocks: conv, relu, conv, relu, ..., pool."""
    blocks, channels = [], 3
    for widths in WIDTHS:
        block: list[nn.Module] = []
        for width in widths:
            block += [nn.Conv2d(channels, width, 3, padding=1), nn.ReLU()]
            channels = width
        blocks.append([*block, nn.MaxPool2d(2)])
    return blocks


class VGG16Features(nn.Module):
    """[n, 3, h, w] -> [n, 512, h/32, w/32]; numbered as everywhere, features.0 .. features.30."""

    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(*(layer for block in vgg16_blocks() for layer in block))

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return self.features(image)


@nets.register("vgg16")
def vgg16() -> Net:
    return Net(
        "vgg16",
        initialise(VGG16Features()),
        (example_input(1, 3, 224, 224),),
        "VGG-16's conv part (13 convolutions, 5 max-pools, no linear layers), random weights",
    )
