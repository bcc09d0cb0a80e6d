"""Choosing by energy, the sum of squared weights: the largest of a row, a share of each block."""

from collections.abc import Callable

import numpy as np


def largest(energy: np.ndarray, count: int) -> np.ndarray:
    """True at the `count` largest along the last axis; among equals the first.

    3 1 4 1 5  ->  T . T . T        count=3
    """
    order = np.argsort(-energy, axis=-1, kind="stable")
    chosen = np.zeros(energy.shape, bool)
    np.put_along_axis(chosen, order[..., :count], True, axis=-1)
    return chosen


def share(total: int, rate: float) -> int:
    """How many of `total` stay at this rate: at least one."""
    return max(1, round(total / rate))


def by_block(
    choose: Callable[[np.ndarray], np.ndarray], energy: np.ndarray, block: int | None
) -> np.ndarray:
    """Choose in each block of input channels by itself, each its share; energy [G, ic, ...]."""
    step = block or energy.shape[1]
    starts = range(0, energy.shape[1], step)
    return np.concatenate([choose(energy[:, start : start + step]) for start in starts], axis=1)


def block_around(channel: int, block: int | None, channels: int) -> range:
    """The input channels of the block that holds `channel`."""
    step = block or channels
    start = channel // step * step
    return range(start, min(start + step, channels))


def in_runs(energy: np.ndarray, axis: int, length: int) -> np.ndarray:
    """The axis cut in runs [..., runs, length, ...], the last one filled up with zeros.

    1 2 3 4 5 6 7  ->  1 2 3 4 | 5 6 7 0        length=4
    """
    widths = [(0, 0)] * energy.ndim
    widths[axis] = (0, -energy.shape[axis] % length)
    shape = (*energy.shape[:axis], -1, length, *energy.shape[axis + 1 :])
    return np.pad(energy, widths).reshape(shape)
