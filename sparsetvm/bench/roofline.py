"""Each layer under the roofline: its operations a byte, its speed, and the ceiling above it."""

from collections.abc import Iterable
from dataclasses import dataclass

from ..runtime import LayerTime
from .ceilings import Ceilings


@dataclass(frozen=True)
class Point:
    """One layer."""

    layer: str
    form: str
    gflop: float
    """1e9 operations that its form does."""
    megabytes: float
    """1e6 bytes that it must move: weights, input and output, each once."""
    gflops: float
    """1e9 operations a second."""
    ceiling: float
    """GFLOP/s that it could reach if every byte came from memory."""

    @property
    def intensity(self) -> float:
        """Operations a byte."""
        return 1e3 * self.gflop / self.megabytes

    @property
    def share(self) -> float:
        """Of the ceiling; above 1 where bytes were in a cache."""
        return self.gflops / self.ceiling


def points(layers: Iterable[LayerTime], ceilings: Ceilings) -> tuple[Point, ...]:
    """One for each layer, in the order of the run."""
    return tuple(
        Point(
            layer=layer.facts.name,
            form=layer.facts.form,
            gflop=layer.facts.work / 1e9,
            megabytes=layer.facts.traffic / 1e6,
            gflops=layer.facts.work / layer.ms / 1e6,
            ceiling=ceilings.at(layer.facts.work / layer.facts.traffic),
        )
        for layer in layers
    )
