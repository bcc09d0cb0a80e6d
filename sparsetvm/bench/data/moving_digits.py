"""Clips of a digit that moves in one of eight directions: only motion tells which."""

import numpy as np
import torch

from .data_set import DataSet, data_sets
from .mnist import DEVIATION, MEAN, SIDE, read_digits

FRAMES, SIZE = 8, 32
TRAIN, TEST = 1500, 400
DIRECTIONS = ((0, 1), (1, 1), (1, 0), (1, -1), (0, -1), (-1, -1), (-1, 0), (-1, 1))
"""Down and right, in the order of the labels."""


@data_sets.register("moving-digits")
def moving_digits(fetch: bool = False) -> DataSet:
    """[n, 1, 8, 32, 32]; what leaves the picture comes in again on its other side."""
    digits, _ = read_digits(fetch)
    rng = np.random.default_rng(0)
    chosen = digits[rng.choice(len(digits), TRAIN + TEST, replace=False)]
    labels = rng.integers(len(DIRECTIONS), size=len(chosen))
    clips = np.stack([_move(d, label, rng) for d, label in zip(chosen, labels, strict=True)])
    x = torch.from_numpy((clips[:, None] - MEAN) / DEVIATION).float()
    y = torch.from_numpy(labels)
    return DataSet(
        "moving-digits",
        (x[:TRAIN], y[:TRAIN]),
        (x[TRAIN:], y[TRAIN:]),
        len(DIRECTIONS),
        f"clips of {FRAMES} frames of {SIZE}x{SIZE}, {TRAIN} to train on and {TEST} to judge by",
    )


def _move(digit: np.ndarray, label: int, rng: np.random.Generator) -> np.ndarray:
    """[frames, size, size]: from a random place, 1 or 2 pixels a frame."""
    picture = np.zeros((SIZE, SIZE), np.float32)
    picture[:SIDE, :SIDE] = digit
    start, speed = rng.integers(SIZE, size=2), rng.integers(1, 3)
    steps = start + speed * np.arange(FRAMES)[:, None] * np.array(DIRECTIONS[label])
    return np.stack([np.roll(picture, tuple(step), (0, 1)) for step in steps])
