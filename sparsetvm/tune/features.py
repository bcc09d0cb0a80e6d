"""What the cost model sees of a candidate: TVM's features of its stores, and those of its sparsity.

TVM's do not know where a gather reads: x[offset[g, k] + s] might be anywhere. Ours are counted on
the task's own offsets, for each level of the candidate's loops.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from math import prod

import numpy as np

from .._tvm import s_tir, tvm
from ..kernels.recurrent import Recurrent
from ..kernels.samples import Samples
from ..kernels.tile import LATENCY
from ..kernels.winograd import Winograd
from ..sparsity import features as structure
from ..targets.target import Target
from .nest import Nest, nest_of
from .task import Task

VERSION = 1
"""Of the vector; what was learned from another is not used."""

PER_STORE = 164
"""TVM's features of one store (Ansor, arXiv 2006.06762, appendix B)."""

OF_TASK = ("density", "run length", "lanes in use", "bytes per operation")
OF_SHAPE = ("groups", "filters", "blocks", "columns", "lanes")
OF_CODE = (
    "filters in registers",
    "vectors in registers",
    "columns in a turn",
    "accumulators per register",
    "registers spilled",
    "cycles per multiply-add",
    "loads per multiply-add",
    "instructions in a turn",
    "turns between sums",
    "bytes of sums",
    "share of work on the busiest thread",
)
OF_CACHES = tuple(
    f"{what} of {cache}"
    for cache in ("L1", "L2")
    for what in ("x per sum", "loops inside", "bytes of x", "bytes in all", "bytes at worst")
)
SPARSITY = (*OF_TASK, *OF_SHAPE, *OF_CODE, *OF_CACHES)
"""Ours, in order. Bytes of a cache are those that come from beyond it, per operation."""

LENGTH = 2 * PER_STORE + len(SPARSITY)


@dataclass(frozen=True)
class Gather:
    """Where a kernel reads x; in the Winograd domain, one round of one chunk.

    offset   int32 [groups, columns of all blocks]
    lanes    positions, or tiles, that are computed for each; `used` of them are asked for
    extents  groups, filters, blocks (points) and columns
    """

    offset: np.ndarray
    lanes: int
    used: int
    extents: tuple[int, int, int, int]


def gather_of(task: Task) -> Gather:
    """What a task's constants say of its gathers."""
    kernel, (_, values, columns, *rest) = task.kernel, task.arguments
    if isinstance(kernel, Winograd):
        _, points, groups, kept, filters = values.shape
        point = kernel.room * (kernel.work.sources + 1) * np.arange(points)
        offset = point[:, None] + kernel.room * columns[0][:, None]
        used = kernel.cut.bands * kernel.segment
        extents = (groups, filters, points, kept)
        return Gather(offset.reshape(groups, -1), kernel.width, used, extents)
    blocks, groups, kept, filters = values.shape
    if isinstance(kernel, Samples | Recurrent):
        offset = columns.astype(np.int32).transpose(1, 3, 0, 2)
        offset = offset.reshape(groups * columns.shape[3], -1)
        positions = kernel.samples if isinstance(kernel, Samples) else kernel.batch
        return Gather(offset, positions, positions, (groups, filters, blocks, kept))
    mask, extents = rest[2], (groups, filters, blocks, kept)
    offset = columns.swapaxes(0, 1).reshape(groups, -1)
    return Gather(offset, mask.size, int(np.count_nonzero(mask)), extents)


class Features:
    """The features of one task's candidates: float32 [candidates, LENGTH].

    First those of the store that does the work, then the sum over all stores, then SPARSITY.
    """

    def __init__(self, task: Task, target: Target):
        ms = s_tir.meta_schedule
        self._extractor = ms.feature_extractor.PerStoreFeature()
        device = tvm.target.Target(dict(target.tvm))
        self._context = ms.TuneContext(mod=task.module, target=device, num_threads=1)
        self._target = target
        gather = gather_of(task)
        self._offset = gather.offset
        self._operations = task.operations
        moved = sum(array.nbytes for array in task.arguments) + 4 * sum(map(prod, task.outputs))
        self._constant = [
            structure.density(gather.offset),
            structure.run_length(gather.offset),
            gather.used / gather.lanes,
            moved / task.operations,
            *gather.extents,
            gather.lanes,
        ]
        self._touched = cache(lambda *tile: structure.touched(self._offset, *tile))

    def of(self, schedules: Sequence[s_tir.Schedule]) -> np.ndarray:
        """One row for each schedule."""
        candidates = [s_tir.meta_schedule.MeasureCandidate(sch, []) for sch in schedules]
        stores = self._extractor.extract_from(self._context, candidates)
        rows = np.empty((len(schedules), LENGTH), np.float32)
        for row, store, sch in zip(rows, stores, schedules, strict=True):
            row[:] = np.concatenate([_both(store.numpy()), self.sparsity(nest_of(sch.mod))])
        return rows

    def sparsity(self, nest: Nest) -> list[float]:
        """SPARSITY of a candidate with these loops."""
        return [*self._constant, *self._code(nest), *self._caches(nest)]

    def _code(self, nest: Nest) -> list[float]:
        """What one turn of the innermost loop does, and how turns are shared by threads."""
        lanes, registers = self._target.lanes, self._target.registers
        turn, sums = nest.straight, nest.reduction
        filters, columns = int(nest.filters[turn]), int(nest.columns[turn])
        vectors = max(int(nest.lanes[turn]) // lanes, 1)
        multiply_adds = filters * vectors
        loads = filters + vectors
        cycles = max(multiply_adds / 2, (2 * vectors + filters) / 2, LATENCY) + 1 / columns
        return [
            filters,
            vectors,
            columns,
            multiply_adds / registers,
            max(multiply_adds + vectors + 1 - registers, 0),
            cycles / multiply_adds,
            loads / multiply_adds,
            columns * (multiply_adds + loads),
            nest.turns[turn] / nest.turns[sums],
            4 * nest.groups[sums] * nest.filters[sums] * nest.lanes[sums],
            self._busiest(nest),
        ]

    def _busiest(self, nest: Nest) -> float:
        parallel = prod(nest.extents[[kind == _PARALLEL for kind in nest.kinds]].tolist())
        return -(-parallel // self._target.threads) / parallel

    def _caches(self, nest: Nest) -> list[float]:
        """Of each cache: the largest level that fits, and what comes from beyond for its sake.

        A level's data is fetched once if it fits. One that does not is refetched in each turn of
        the loop around it, all of it at worst, at best what its neighbour did not have.
        """
        tiles = zip(nest.groups, nest.columns, nest.lanes, strict=True)
        x = 4 * np.array([self._touched(*map(int, tile)) for tile in tiles])
        weights = 4 * nest.groups * nest.columns * (nest.filters + 1)
        sums = 4 * nest.groups * nest.filters * nest.lanes
        data = x + weights + sums
        found = []
        for size in (self._target.l1, self._target.l2):
            fits = int(np.argmax(data <= size))
            around = max(fits - 1, 0)
            best, worst = nest.turns[around], nest.turns[fits]
            found += [
                x[nest.reduction] / size,
                len(data) - fits,
                best * x[around] / self._operations,
                best * data[around] / self._operations,
                worst * data[fits] / self._operations,
            ]
        return found


_PARALLEL = tvm.tirx.ForKind.PARALLEL


def _both(stores: np.ndarray) -> np.ndarray:
    """[stores, PER_STORE] -> the row of the busiest store, then the sum of all rows."""
    busiest = stores[np.argmax(stores[:, _MULTIPLIES])]
    return np.concatenate([busiest, stores.sum(axis=0)])


_MULTIPLIES = 2
"""Where a store's row has its multiplications: with additions and such, the first entries."""
