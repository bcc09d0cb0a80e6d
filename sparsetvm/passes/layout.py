"""Decide how activations lie: those that flow into each other unchanged share one frame.

A frame's margins are as wide as the widest of its readers needs, so nothing is copied between them.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from math import prod

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


@dataclass
class Layout:
    """Values under way to their frames: add them, join those that lie alike, say who reads what."""

    values: dict[str, Value] = field(default_factory=dict)
    _parent: dict[str, str] = field(default_factory=dict)
    _pitch: dict[str, Size] = field(default_factory=dict)
    _shifts: dict[str, list[Size]] = field(default_factory=dict)

    def add(self, value: Value) -> Value:
        if value.name not in self.values:
            self.values[value.name] = value
            self._parent[value.name] = value.name
            self._pitch[value.name] = value.size
            self._shifts[value.name] = []
        return value

    def join(self, values: Iterable[Value]) -> None:
        """These lie in one frame."""
        first, *others = values
        first = self._root(first)
        for other in map(self._root, others):
            if other != first:
                self._parent[other] = first
                self._pitch[first] = _larger(self._pitch[first], self._pitch.pop(other))
                self._shifts[first] += self._shifts.pop(other)

    def read(self, value: Value, window: Window, size: Size, output: Size) -> None:
        """A layer reads `value`, the phases of images of `size`, through `window`: widen the
        margins."""
        root = self._root(value)
        self._pitch[root] = _larger(self._pitch[root], window.pitch(size, output))
        self._shifts[root] += [shift for _, shift in window.taps]

    def touch(self, value: Value, reach: Size) -> None:
        """A kernel that checks its bounds may still touch memory this far outside an image."""
        self._shifts[self._root(value)].append(reach)

    def flat(self, value: Value) -> Flat:
        """Where the value lies, once all readers are known."""
        root = self._root(value)
        pitch = self._pitch[root]
        strides = (pitch[1] * pitch[2], pitch[2], 1)
        reaches = [
            abs(sum(step * stride for step, stride in zip(shift, strides)))
            for shift in self._shifts[root]
        ]
        return Flat(Frame(value.batch, pitch, max(reaches, default=0)), value.channels, value.size)

    def _root(self, value: Value) -> str:
        name = value.name
        while self._parent[name] != name:
            name = self._parent[name]
        return name


def _larger(a: Size, b: Size) -> Size:
    return tuple(max(p, q) for p, q in zip(a, b))
