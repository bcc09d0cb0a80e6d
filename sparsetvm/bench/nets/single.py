"""One convolution as a net, named by its sizes: conv:256x256x3x56 = in, out, kernel, size."""

import re

import torch
from torch import nn

from ...errors import ModelError
from .initialise import initialise
from .named import Net, example_input

PREFIX = "conv:"
EXAMPLE = "conv:256x256x3x56"


class SingleConv(nn.Module):
    """[n, in, size, size] -> [n, out, size, size] for an odd kernel; the layer is called `conv`."""

    def __init__(self, channels: int, out: int, kernel: int):
        super().__init__()
        self.conv = nn.Conv2d(channels, out, kernel, padding=kernel // 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.conv(x)


def single_conv(name: str) -> Net:
    sizes = re.fullmatch(r"conv:([1-9]\d*)x([1-9]\d*)x([1-9]\d*)x([1-9]\d*)", name)
    if sizes is None:
        raise ModelError(
            f"{name!r} is no layer; write in, out, kernel and size as in {EXAMPLE}, all above 0"
        )
    channels, out, kernel, size = map(int, sizes.groups())
    return Net(
        name,
        initialise(SingleConv(channels, out, kernel)),
        (example_input(1, channels, size, size),),
        f"one {kernel}x{kernel} convolution, {channels} to {out} channels at {size}x{size}, "
        "random weights",
    )
