"""Turn a layer's dense weight with zeros into the constants that its kernel reads."""

from dataclasses import replace

import numpy as np

from ..ir.layer import Layer
from ..kernels.by_filters import column_type
from ..kernels.frame import Flat, Window, round_up
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
    return np.ascontiguousarray(source.start(row) + shift[position], np.int32)


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


def kernels(weight: np.ndarray, domain: Domain) -> np.ndarray:
    """weight [filters, channels, (t,) r, r] -> [filters, sources, planes, r, r]: what the domain
    transforms as one."""
    filters, channels, *_, lines, pixels = weight.shape
    return weight.reshape(filters, channels * domain.slices, -1, lines, pixels)


def transformed(
    kernels: np.ndarray, kept: Packed, domain: Domain, groups: int
) -> dict[str, np.ndarray]:
    """What kernels/winograd.py reads of kernels [filters, sources, planes, r, r], of which groups
    keep those that `kept`, of a weight [filters, sources], says; `groups` of them in a round."""
    filters, sources = kept.filters, kept.columns[:, 0]
    points = domain.filters(kernels)
    values = points[filters[:, None, :], sources[:, :, None]]  # [groups, K, B, points]
    values = values * (kept.values[:, 0] != 0)[..., None]
    rounds = in_rounds(values, groups).transpose(0, 4, 1, 2, 3)
    return {"values": np.ascontiguousarray(rounds), "source": in_rounds(sources, groups)}


def in_rounds(array: np.ndarray, groups: int) -> np.ndarray:
    """[all groups, ...] -> [rounds, groups, ...]."""
    return array.reshape(-1, groups, *array.shape[1:])


COLUMNS = 4
"""Kernels whose lanes run over filters may take columns four at a time."""


def by_filters(
    matrices: np.ndarray, bias: np.ndarray, sparse: bool, lanes: int
) -> dict[str, np.ndarray]:
    """What kernels/samples.py and kernels/recurrent.py read of matrices [N, filters, inputs], with
    a bias [N, filters]; the zeros of those that are not `sparse` stay in.

    values [N, tiles, K, P * B], column [N, tiles, K, P], bias [N, tiles, P * B]: whatever structure
    the zeros follow, groups are of neighbouring filters, as many as make the least work.
    """
    count, filters, inputs = matrices.shape
    kept = matrices != 0 if sparse else np.ones(matrices.shape, bool)
    group = group_by_filters(kept, lanes) if sparse else 4 * lanes
    columns = _in_groups(kept, group, lanes)
    K = round_up(max(int(columns.sum(axis=2).max()), 1), COLUMNS)
    column = np.argsort(~columns, axis=2, kind="stable")[:, :, :K]  # the kept ones come first
    rows = np.pad(matrices, ((0, 0), (0, columns.shape[1] * group - filters), (0, 0)))
    rows = rows.reshape(count, -1, group, inputs)
    values = np.take_along_axis(rows, column[:, :, None, :], axis=3)
    short = K - column.shape[2]
    column = np.pad(column, ((0, 0), (0, 0), (0, short)))
    values = np.pad(values, ((0, 0), (0, 0), (0, 0), (0, short)))
    groups = max(lanes // group, 1)
    values = values.reshape(count, -1, groups, group, K).transpose(0, 1, 4, 2, 3)
    column = column.reshape(count, -1, groups, K).swapaxes(2, 3)
    bias = np.pad(bias, ((0, 0), (0, rows.shape[1] * group - filters)))
    return {
        "values": np.ascontiguousarray(values.reshape(*values.shape[:3], -1), np.float32),
        "column": np.ascontiguousarray(column, column_type(inputs)),
        "bias": np.ascontiguousarray(bias.reshape(count, -1, groups * group), np.float32),
    }


def group_by_filters(kept: np.ndarray, lanes: int) -> int:
    """How many neighbouring filters of bool [N, filters, inputs] make a group at the least work."""
    sizes = [2**n for n in range(int(np.log2(4 * lanes)) + 1)]
    return min(sizes, key=lambda size: _loads(_in_groups(kept, size, lanes), size, lanes))


def neighbours_agree(weight: np.ndarray, lanes: int, waste: float) -> bool:
    """Whether vectors of neighbouring filters keep hardly more inputs than each of them does."""
    columns = _in_groups(weight[None] != 0, lanes, lanes)
    held = int(columns.sum(axis=2).max()) * columns.shape[1] * lanes
    return held <= waste * np.count_nonzero(weight)


def _in_groups(kept: np.ndarray, group: int, lanes: int) -> np.ndarray:
    """bool [N, filters, inputs] -> [N, groups of neighbouring filters, inputs], in whole tiles."""
    count, filters, inputs = kept.shape
    rows = round_up(filters, max(group, lanes))
    rows = np.pad(kept, ((0, 0), (0, rows - filters), (0, 0)))
    return rows.reshape(count, -1, group, inputs).any(axis=2)


def _loads(columns: np.ndarray, group: int, lanes: int) -> float:
    """Of a sample, if groups keep these: a column is a vector of values or several, and for each
    group its number, the input there, and the place that this takes in a vector."""
    groups = columns.shape[1]
    shared = max(lanes // group, 1)
    each = 3 * shared + 1 if shared > 1 else 2 + group / lanes
    return int(columns.sum(axis=2).max()) * groups / shared * each
