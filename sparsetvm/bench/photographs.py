"""Photographs that scikit-image's wheel carries: some to fit a net on, others to judge it by.

Nothing is downloaded. No photograph serves both uses, and neither do two views of one scene.
"""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

SIZE = 320
LUMA = np.array([0.299, 0.587, 0.114])
"""How light red, green and blue are (ITU-R BT.601)."""


@dataclass(frozen=True)
class Crop:
    """A square out of a photograph, scaled to `size` x `size`."""

    photograph: str
    side: int
    """In the photograph's own pixels."""
    down: float = 0.5
    right: float = 0.5
    """Where it lies: 0 at the upper and left edge, 1 at the lower and right one."""
    mirrored: bool = False
    size: int = SIZE
    grey: bool = False
    contrast: float = 1.0
    """About the crop's mean."""
    light: float = 0.0
    """Added to every pixel, of 255."""

    @property
    def name(self) -> str:
        """The photograph's: coffee."""
        return Path(self.photograph).stem

    def read(self) -> np.ndarray:
        """uint8 RGB [size, size, 3]; a grey photograph gets three equal channels."""
        from skimage import transform

        whole = _read(self.photograph)
        height, width = whole.shape[:2]
        top = round((height - self.side) * self.down)
        left = round((width - self.side) * self.right)
        square = whole[top : top + self.side, left : left + self.side]
        pixels = transform.resize(
            square, (self.size, self.size), anti_aliasing=True, preserve_range=True
        )
        if self.mirrored:
            pixels = pixels[:, ::-1]
        if self.grey:
            pixels = np.repeat(pixels @ LUMA, 3).reshape(pixels.shape)
        mean = pixels.mean()
        pixels = (pixels - mean) * self.contrast + mean + self.light
        return np.rint(pixels.clip(0, 255)).astype(np.uint8)


TO_FIT = (
    Crop("astronaut.png", 400, 0.1, 0.4),
    Crop("astronaut.png", 266, 0.9, 0.6, mirrored=True),
    Crop("astronaut.png", 512, mirrored=True),
    Crop("motorcycle_left.png", 355, 0.2, 0.1),
    Crop("motorcycle_left.png", 355, 0.8, 0.9, mirrored=True),
    Crop("motorcycle_left.png", 246, 0.9, 0.5),
    Crop("motorcycle_right.png", 492, mirrored=True),
    Crop("motorcycle_right.png", 246, 0.3, 0.6),
    Crop("ihc.png", 400),
    Crop("hubble_deep_field.jpg", 320),
    Crop("brick.png", 400),
    Crop("grass.png", 400),
    Crop("gravel.png", 400),
    Crop("cell.png", 457, 0.6, 0.8),
)
"""What a refit may see."""

HELD_OUT = (
    Crop("coffee.png", 400),
    Crop("chelsea.png", 300),
    Crop("camera.png", 400),
    Crop("rocket.jpg", 400),
    Crop("coins.png", 303),
    Crop("moon.png", 400),
)
"""What it never sees; the first is the one that engines are timed on."""


def draw_crops(count: int, size: int, seed: int = 0) -> tuple[Crop, ...]:
    """Random crops of the photographs that a fit may see, from 0.7 to 1.4 times as large,
    half of them mirrored, some grey, most of them paler."""
    rng = np.random.default_rng(seed)
    photographs = sorted({crop.photograph for crop in TO_FIT})
    return tuple(
        Crop(
            photographs[i % len(photographs)],
            side=round(size * 2 ** rng.uniform(-0.5, 0.5)),
            down=rng.uniform(),
            right=rng.uniform(),
            mirrored=rng.uniform() < 0.5,
            size=size,
            grey=rng.uniform() < 0.25,
            contrast=2 ** rng.uniform(-1.3, 0.3),
            light=rng.uniform(-30, 30),
        )
        for i in range(count)
    )


@lru_cache
def _read(photograph: str) -> np.ndarray:
    """uint8 RGB [h, w, 3]."""
    from skimage import data_dir, io

    whole = io.imread(Path(data_dir) / photograph)
    return np.stack([whole] * 3, axis=-1) if whole.ndim == 2 else whole
