"""Winograd's transforms F(m, r): m outputs of an r-tap filter by m + r - 1 multiplications.

    y = AT @ ((G @ filter) * (BT @ x))         x: the m + r - 1 inputs that m outputs see

After Winograd 1980 and Lavin & Gray 2016, for the points 0, 1, -1, 2, -2 and infinity.
"""

from dataclasses import dataclass
from functools import cached_property
from math import prod

import numpy as np

POINTS = (0, 1, -1, 2, -2)
"""Where the polynomials are evaluated: more of them and float32 loses too much."""


@dataclass(frozen=True)
class Transform:
    """F(outputs, taps), in one dimension."""

    outputs: int
    taps: int

    def __post_init__(self) -> None:
        assert self.points <= len(POINTS) + 1, f"F({self.outputs}, {self.taps}) is not accurate"

    @property
    def points(self) -> int:
        """m + r - 1: multiplications, and inputs seen."""
        return self.outputs + self.taps - 1

    @cached_property
    def BT(self) -> np.ndarray:
        """float64 [points, points], of the inputs."""
        finite = POINTS[: self.points - 1]
        rows = [np.poly([p for p in finite if p != point])[::-1] for point in finite]
        return np.array([[*row, 0] for row in rows] + [np.atleast_1d(np.poly(finite))[::-1]])

    @cached_property
    def G(self) -> np.ndarray:
        """float64 [points, taps], of the filter."""
        finite = POINTS[: self.points - 1]
        rows = [
            [point**k / prod(point - p for p in finite if p != point) for k in range(self.taps)]
            for point in finite
        ]
        return np.array([*rows, [0] * (self.taps - 1) + [1]])

    @cached_property
    def AT(self) -> np.ndarray:
        """float64 [outputs, points], of the products."""
        finite = POINTS[: self.points - 1]
        rows = [[point**i for point in finite] + [0] for i in range(self.outputs)]
        rows[-1][-1] = 1
        return np.array(rows, float)


@dataclass(frozen=True)
class Domain:
    """Transforms of all axes, nested: F(m x m, r x r) within a plane, `depth` from plane to plane.

    Or the kernel's planes are `slices` that stay apart, each a kernel in two dimensions with zeros
    of its own.
    """

    plane: Transform
    depth: Transform = Transform(1, 1)
    slices: int = 1

    @property
    def outputs(self) -> tuple[int, int, int]:
        """Of a tile: (planes, lines, pixels)."""
        return (self.depth.outputs, self.plane.outputs, self.plane.outputs)

    @property
    def points(self) -> int:
        """Multiplications for a tile."""
        return self.depth.points * self.plane.points**2

    def filters(self, weight: np.ndarray) -> np.ndarray:
        """weight [..., t, r, r] of one slice -> float32 [..., points]."""
        depth, plane = self.depth.G, self.plane.G
        points = np.einsum("pd,ik,jl,...dkl->...pij", depth, plane, plane, weight, optimize=True)
        return points.reshape(*weight.shape[:-3], -1).astype(np.float32)
