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


FITTED_ON = (
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
HELD_OUT = (
    Crop("coffee.png", 400),
    Crop("chelsea.png", 300),
    Crop("camera.png", 400),
    Crop("rocket.jpg", 400),
    Crop("coins.png", 303),
    Crop("moon.png", 400),
)


def fit_photographs() -> list[np.ndarray]:
    """What a refit may see, uint8 RGB [SIZE, SIZE, 3] each."""
    return [read(crop) for crop in FITTED_ON]


def held_out_photographs() -> dict[str, np.ndarray]:
    """What it never sees, by name: coffee, chelsea, camera, rocket, coins, moon."""
    return {Path(crop.photograph).stem: read(crop) for crop in HELD_OUT}


def read(crop: Crop) -> np.ndarray:
    """uint8 RGB [SIZE, SIZE, 3]; a grey photograph gets three equal channels."""
    from skimage import data_dir, io, transform

    whole = io.imread(Path(data_dir) / crop.photograph)
    if whole.ndim == 2:
        whole = np.stack([whole] * 3, axis=-1)
    top, left = (
        round((whole.shape[axis] - crop.side) * place)
        for axis, place in enumerate((crop.down, crop.right))
    )
    square = whole[top : top + crop.side, left : left + crop.side]
    scaled = transform.resize(square, (SIZE, SIZE), anti_aliasing=True, preserve_range=True)
    return np.rint(scaled[:, ::-1] if crop.mirrored else scaled).astype(np.uint8)
