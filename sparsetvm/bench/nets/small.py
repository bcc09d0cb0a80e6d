"""Small nets that learn in minutes: what a plan costs in accuracy is measured on them."""

import torch
from torch import nn


class DigitsVGG(nn.Module):
    """VGG's manner for [n, 1, 28, 28] -> [n, 10]: five 3x3 convolutions, 135 k weights."""

    def __init__(self, classes: int = 10):
        super().__init__()
        layers: list[nn.Module] = []
        channels = 1
        for widths in ((16,), (32,), (64, 64, 64)):
            for width in widths:
                layers += [
                    nn.Conv2d(channels, width, 3, padding=1, bias=False),
                    nn.BatchNorm2d(width),
                    nn.ReLU(),
                ]
                channels = width
            layers.append(nn.MaxPool2d(2))
        self.features = nn.Sequential(*layers)
        self.classifier = nn.Sequential(
            nn.Linear(64 * 3 * 3, 64), nn.ReLU(), nn.Linear(64, classes)
        )

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return self.classifier(torch.flatten(self.features(image), 1))


class MotionC3D(nn.Module):
    """C3D's manner for [n, 1, 8, 32, 32] -> [n, 8]: four 3x3x3 convolutions, 181 k weights."""

    def __init__(self, classes: int = 8):
        super().__init__()
        layers: list[nn.Module] = []
        channels = 1
        for width, window in ((16, (1, 2, 2)), (32, 2), (64, 2), (64, 2)):
            layers += [
                nn.Conv3d(channels, width, 3, padding=1, bias=False),
                nn.BatchNorm3d(width),
                nn.ReLU(),
                nn.MaxPool3d(window),
            ]
            channels = width
        self.features = nn.Sequential(*layers)
        self.classifier = nn.Linear(64, classes)

    def forward(self, clip: torch.Tensor) -> torch.Tensor:
        return self.classifier(self.features(clip).mean((2, 3, 4)))


class SpeakerGRU(nn.Module):
    """[n, steps, 12] -> [n, 9]: two GRU layers of 64, 40 k weights; the last step decides."""

    def __init__(self, classes: int = 9):
        super().__init__()
        self.gru = nn.GRU(12, 64, num_layers=2, batch_first=True)
        self.classifier = nn.Linear(64, classes)

    def forward(self, series: torch.Tensor) -> torch.Tensor:
        return self.classifier(self.gru(series)[0][:, -1])
