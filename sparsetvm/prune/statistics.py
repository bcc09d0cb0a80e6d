"""What least squares has to know of a layer: its inputs' Gram matrix, and the wanted outputs."""

from dataclasses import dataclass
from math import prod

import numpy as np
import torch
from torch import nn
from torch.nn import functional


@dataclass(frozen=True)
class Statistics:
    """Inputs X [rows, columns] and wanted outputs Y [rows, filters], both without their means.

    gram   X'X, float32 [columns, columns]
    cross  X'Y, float32 [columns, filters]
    """

    gram: np.ndarray
    cross: np.ndarray
    input_mean: np.ndarray
    output_mean: np.ndarray
    energy: float
    """The sum of the squared Y."""

    def error(self, matrix: np.ndarray) -> float:
        """|Y - X matrix'|² / |Y|² of a weight as a matrix [filters, columns]."""
        explained = 2 * np.sum(matrix.T * self.cross, dtype=float)
        given = np.sum((matrix @ self.gram) * matrix, dtype=float)
        return float((self.energy - explained + given) / max(self.energy, np.finfo(float).tiny))


def summarise(inputs: np.ndarray, outputs: np.ndarray, has_bias: bool) -> Statistics:
    """The statistics of X and Y as they are; without a bias to take them up, the means stay in.

    The one heavy step of a refit: X'X by BLAS, for all filters and whatever columns they keep.
    """
    input_mean, output_mean = (rows.mean(axis=0) * has_bias for rows in (inputs, outputs))
    inputs, outputs = inputs - input_mean, outputs - output_mean
    return Statistics(
        gram=inputs.T @ inputs,
        cross=inputs.T @ outputs,
        input_mean=input_mean,
        output_mean=output_mean,
        energy=float(np.square(outputs, dtype=float).sum()),
    )


def output_rows(
    layer: nn.Module, output: torch.Tensor, count: int, generator: torch.Generator
) -> tuple[torch.Tensor, np.ndarray]:
    """Up to `count` random positions of the output, and the values there [rows, filters]."""
    if isinstance(layer, nn.Linear):
        values = output.reshape(-1, output.shape[-1])
        places = _draw(len(values), count, generator)
        return places, values[places].cpu().numpy()
    maps = output.flatten(2)
    places = _draw(len(maps) * maps.shape[2], count, generator)
    return places, maps[places // maps.shape[2], :, places % maps.shape[2]].cpu().numpy()


def input_rows(
    layer: nn.Module, x: torch.Tensor, places: torch.Tensor, size: tuple[int, ...]
) -> np.ndarray:
    """What the layer sees at those positions of its output (of this size), [rows, columns]."""
    if isinstance(layer, nn.Linear):
        return x.reshape(-1, x.shape[-1])[places].cpu().numpy()
    x = _pad(layer, x)
    sample, *position = torch.unravel_index(places, (len(x), *size))
    kernel = torch.meshgrid(*map(torch.arange, layer.kernel_size), indexing="ij")
    flat = torch.zeros(len(places), prod(layer.kernel_size), dtype=torch.long)
    for axis, extent in enumerate(x.shape[2:]):
        start = position[axis] * layer.stride[axis]
        flat = flat * extent + start[:, None] + kernel[axis].flatten() * layer.dilation[axis]
    patches = x.flatten(2)[sample[:, None], :, flat]  # [rows, kernel positions, channels]
    return patches.transpose(1, 2).flatten(1).cpu().numpy()


def _draw(total: int, count: int, generator: torch.Generator) -> torch.Tensor:
    if total <= count:
        return torch.arange(total)
    return torch.randperm(total, generator=generator)[:count].sort().values


def _pad(layer: nn.Module, x: torch.Tensor) -> torch.Tensor:
    """The input with the border that the convolution adds itself."""
    if layer.padding == "valid":
        return x
    if layer.padding == "same":
        spans = [d * (k - 1) for d, k in zip(layer.dilation, layer.kernel_size, strict=True)]
        borders = [(span // 2, span - span // 2) for span in spans]
    else:
        borders = [(border, border) for border in layer.padding]
    mode = "constant" if layer.padding_mode == "zeros" else layer.padding_mode
    return functional.pad(x, [n for border in reversed(borders) for n in border], mode=mode)
