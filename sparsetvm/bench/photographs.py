"""Photographs that scikit-image's wheel carries: some to fit a net on, others to judge it by.

Nothing is downloaded. No photograph serves both uses, and neither do two views of one scene.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

SIZE = 320


@dataclass(frozen=True)
class Crop:
    """A square out of a photograph, scaled to SIZE x SIZE."""

    photograph: str
    side: int
    """In the photograph's own pixels."""
    down: float = 0.5
    right: float = 0.5
    """Where it lies: 0 at the upper and left edge, 1 at the lower and right one."""
    mirrored: bool = False

    @property
    def name(self) -> str:
        """The photograph's: coffee."""
        return Path(self.photograph).stem

    def read(self) -> np.ndarray:
        """uint8 RGB [SIZE, SIZE, 3]; a grey photograph gets three equal channels."""
        from skimage import data_dir, io, transform

        whole = io.imread(Path(data_dir) / self.photograph)
        if whole.ndim == 2:
            whole = np.stack([whole] * 3, axis=-1)
        height, width = whole.shape[:2]
        top = round((height - self.side) * self.down)
        left = round((width - self.side) * self.right)
        square = whole[top : top + self.side, left : left + self.side]
        scaled = transform.resize(square, (SIZE, SIZE), anti_aliasing=True, preserve_range=True)
        return np.rint(scaled[:, ::-1] if self.mirrored else scaled).astype(np.uint8)


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
