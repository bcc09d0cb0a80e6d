"""Decide how activations lie: those that flow into each other unchanged share one frame.

A frame's margins are as wide as the widest of its readers needs, so nothing is copied between them.
Whether its images lie in rows or in blocks is decided here too, for all of them together.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import reduce
from math import prod

from ..kernels.blocks import BlockFrame, block_frame
from ..kernels.frame import Flat, Frame, Window

Size = tuple[int, int, int]


@dataclass(frozen=True)
class Value:
    """One flat activation: `channels` rows with `batch` images of `size` (depth, height, width)."""

    var: str
    role: str
    batch: int
    channels: int
    size: Size

    @property
    def name(self) -> str:
        return f"{self.var} as {self.role}"


def images(var: str, shape: tuple[int, ...]) -> Value:
    """[batch, channels, *size] as images; missing axes lead: a 2-D image has depth 1."""
    size = (1,) * (5 - len(shape)) + tuple(shape[2:])
    return Value(var, "images", shape[0], shape[1], size)


def samples(var: str, shape: tuple[int, ...]) -> Value:
    """[..., features] as one pixel per sample, a row per feature: what a linear layer reads."""
    return Value(var, "samples", prod(shape[:-1]), shape[-1], (1, 1, 1))


def phases(var: str, value: Value, window: Window) -> Value:
    """The phases of `value` that the strided layer computing `var` reads, each an image of its
    own."""
    count = len(window.phases)
    return Value(var, "phases", value.batch, value.channels * count, window.phase_size(value.size))


@dataclass(frozen=True)
class _Demand:
    """What those who write and read the values of one frame ask of it.

    pitch     the least at which no reader takes a neighbour's pixels for its own margin
    extent    the largest image
    shifts    how far readers look out of an image, and find its margin
    touched   how far others may look out of it, and drop what they find
    blocks    whether someone prefers images cut into blocks
    rows      whether someone reads the zeros between rows
    """

    pitch: Size = (1, 1, 1)
    extent: Size = (1, 1, 1)
    shifts: frozenset[Size] = frozenset()
    touched: frozenset[Size] = frozenset()
    blocks: bool = False
    rows: bool = False

    def __or__(self, other: "_Demand") -> "_Demand":
        return _Demand(
            _larger(self.pitch, other.pitch),
            _larger(self.extent, other.extent),
            self.shifts | other.shifts,
            self.touched | other.touched,
            self.blocks or other.blocks,
            self.rows or other.rows,
        )


class Layout:
    """Values under way to their frames: add them, join those that lie alike, say who reads what."""

    def __init__(self, lanes: int):
        """`lanes`: of a vector; 1: there is none that could straddle two cache lines."""
        self._lanes = lanes
        self._parent: dict[str, str] = {}
        self._demand: dict[str, _Demand] = {}

    def add(self, value: Value) -> Value:
        if value.name not in self._parent:
            self._parent[value.name] = value.name
            self._demand[value.name] = _Demand(pitch=value.size, extent=value.size)
        return value

    def join(self, values: Iterable[Value]) -> None:
        """These lie in one frame."""
        first, *others = map(self._root, values)
        for other in others:
            if other in self._demand and other != first:
                self._parent[other] = first
                self._demand[first] |= self._demand.pop(other)

    def read(self, value: Value, window: Window, size: Size, output: Size) -> None:
        """A layer reads `value`, the phases of images of `size`, through `window`: widen the
        margins."""
        shifts = frozenset(shift for _, shift in window.taps)
        pitch, extent = window.pitch(size, output), _larger(window.phase_size(size), output)
        self._ask(value, _Demand(pitch=pitch, extent=extent, shifts=shifts))

    def touch(self, value: Value, reach: Size) -> None:
        """A kernel that checks its bounds may still touch memory this far outside an image."""
        self._ask(value, _Demand(touched=frozenset({reach})))

    def prefer_blocks(self, value: Value) -> None:
        """A kernel on `value` spends its time on loads that straddle two cache lines."""
        self._ask(value, _Demand(blocks=True))

    def keep_rows(self, value: Value) -> None:
        """A kernel on `value` reads the zeros between rows, beyond what margins hold."""
        self._ask(value, _Demand(rows=True))

    def flat(self, value: Value) -> Flat:
        """Where the value lies, once all readers are known: in rows, or in blocks where someone
        prefers them, they fit, and they take no more vectors."""
        demand = self._demand[self._root(value)]
        frame = rows = _rows(value.batch, demand)
        in_one = value.batch == demand.extent[0] == 1
        if demand.blocks and not demand.rows and in_one and self._lanes > 1:
            blocks = _blocks(demand, self._lanes)
            vectors = -(-Flat(rows, 1, demand.extent).positions // self._lanes)
            frame = blocks if prod(blocks.block) <= vectors else rows
        return Flat(frame, value.channels, value.size)

    def _ask(self, value: Value, demand: _Demand) -> None:
        self._demand[self._root(value)] |= demand

    def _root(self, value: Value) -> str:
        name = value.name
        while self._parent[name] != name:
            name = self._parent[name]
        return name


def _rows(batch: int, demand: _Demand) -> Frame:
    pitch = demand.pitch
    strides = (pitch[1] * pitch[2], pitch[2], 1)
    reaches = [
        abs(sum(step * stride for step, stride in zip(shift, strides)))
        for shift in demand.shifts | demand.touched
    ]
    return Frame(batch, pitch, max(reaches, default=0))


def _blocks(demand: _Demand, lanes: int) -> BlockFrame:
    margins = [(-min(0, *steps), max(0, *steps)) for steps in zip((0, 0, 0), *demand.shifts)]
    back, ahead = zip(*margins[1:])
    touched = reduce(_larger, demand.touched, (0, 0, 0))
    return block_frame(demand.extent[1:], back, ahead, touched[1:], lanes)


def _larger(a: Size, b: Size) -> Size:
    return tuple(max(p, q) for p, q in zip(a, b))
