"""C3D (Tran et al. 2015): eight 3x3x3 convolutions and three linear layers on 16 frames."""

import torch
from torch import nn

from .initialise import initialise
from .named import Net, example_input, nets

WIDTHS = ((64,), (128,), (256, 256), (512, 512), (512, 512))
CLASSES = 101


class C3D(nn.Module):
    """[n, 3, 16, 112, 112] -> [n, 101] (the classes of UCF-101)."""

    def __init__(self):
        super().__init__()
        layers: list[nn.Module] = []
        channels = 3
        for i, widths in enumerate(WIDTHS):
            for width in widths:
                layers += [nn.Conv3d(channels, width, 3, padding=1), nn.ReLU()]
                channels = width
            first, last = i == 0, i == len(WIDTHS) - 1
            window = (1, 2, 2) if first else 2  # the first pool keeps all frames
            layers.append(nn.MaxPool3d(window, padding=(0, 1, 1) if last else 0))  # 7 -> 4
        self.features = nn.Sequential(*layers)
        self.classifier = nn.Sequential(
            nn.Linear(512 * 4 * 4, 4096), nn.ReLU(),
            nn.Linear(4096, 4096), nn.ReLU(),
            nn.Linear(4096, CLASSES),
        )  # fmt: skip

    def forward(self, clip: torch.Tensor) -> torch.Tensor:
        return self.classifier(torch.flatten(self.features(clip), 1))


@nets.register("c3d")
def c3d() -> Net:
    clip = example_input(1, 3, 16, 112, 112)
    description = "C3D with its linear layers, 16 frames of 112x112, random weights"
    return Net("c3d", initialise(C3D()), (clip,), description)
