"""Turn a layer's dense weight with zeros into the constants that its kernel reads."""

from dataclasses import replace

import numpy as np

from ..ir.layer import Layer
from ..kernels.frame import Flat, Window
from ..kernels.transforms import Domain
from ..sparsity.packed import Packed, pack


def window_of(layer: Layer) -> Window:
    """The layer's window with leading ones: every layer is seen as three-dimensional."""
    lead = 3 - len(layer.kernel)
    return Window(
        kernel=(1,) * lead + layer.kernel,
        stride=(1,) * lead + layer.stride,
        before=(0,) * lead + tuple(before for before, _ in layer.padding),
        dilation=(1,) * lead + layer.dilation,
    )


def values(packed: Packed) -> np.ndarray:
    """float32 [N, G, K, B]: block by block, so that a kernel that takes one after the other reads
    them in order."""
    return np.ascontiguousarray(packed.values.swapaxes(0, 1))


def offsets(packed: Packed, window: Window, source: Flat) -> np.ndarray:
    """int32 [N, G, K]: where lane 0 of each column lies in the input activation.

    column = (channel, kernel position)  ->  start of (channel, phase) + shift
    """
    positions = len(window.taps)
    phase_of = {phase: i for i, phase in enumerate(window.phases)}
    phase = np.array([phase_of[phase] for phase, _ in window.taps])
    shift = np.array([shift for _, shift in window.taps]) @ np.array(source.frame.strides[1:])
    channel, position = np.divmod(packed.columns.swapaxes(0, 1), positions)
    row = channel * len(window.phases) + phase[position]
    return np.ascontiguousarray(source.frame.start(row) + shift[position], np.int32)


def output_rows(packed: Packed, dest: Flat) -> np.ndarray:
    """int32 [G, B]: where lane 0 of each filter lies in the output activation."""
    return dest.frame.start(packed.filters).astype(np.int32)


def group_bias(packed: Packed, bias: np.ndarray | None) -> np.ndarray:
    """float32 [G, B]."""
    if bias is None:
        return np.zeros(packed.filters.shape, np.float32)
    return np.ascontiguousarray(bias[packed.filters], np.float32)


def border_mask(dest: Flat, lines: int, lanes: int) -> np.ndarray:
    """float32 [lines, lanes]: 1 where a lane is a pixel."""
    pitch = dest.frame.strides[2] if lines > 1 else 0
    mask = np.zeros(max((lines - 1) * pitch + lanes, dest.positions), np.float32)
    mask[dest.index.ravel()] = 1
    return np.stack([mask[line * pitch :][:lanes] for line in range(lines)])


def all_kept(weight: np.ndarray, group: int) -> Packed:
    """A dense form: groups keep every column, whether it holds zeros or not."""
    packed = pack(np.ones(weight.shape, bool), group, None)
    matrix = weight.reshape(len(weight), -1)
    values = matrix[packed.filters[:, None, None, :], packed.columns[..., None]]
    return replace(packed, values=values)


def transformed(
    weight: np.ndarray, kept: Packed, domain: Domain, groups: int
) -> dict[str, np.ndarray]:
    """What kernels/winograd.py reads of a weight [filters, channels, (t,) r, r], of which groups
    keep the kernels that `kept`, of a weight [filters, channels], says; `groups` of them in a
    round."""
    filters, channels = kept.filters, kept.columns[:, 0]
    *_, lines, pixels = weight.shape
    points = domain.filters(weight.reshape(*weight.shape[:2], -1, lines, pixels))
    values = points[filters[:, None, :], channels[:, :, None]]  # [groups, K, B, points]
    values = values * (kept.values[:, 0] != 0)[..., None]
    rounds = in_rounds(values, groups).transpose(0, 4, 1, 2, 3)
    return {"values": np.ascontiguousarray(rounds), "channel": in_rounds(channels, groups)}


def in_rounds(array: np.ndarray, groups: int) -> np.ndarray:
    """[all groups, ...] -> [rounds, groups, ...]."""
    return array.reshape(-1, groups, *array.shape[1:])
