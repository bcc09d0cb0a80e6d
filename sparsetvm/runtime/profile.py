"""Where an engine's time goes: the whole run, each of its steps, and each layer."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from .layer_time import HEAD, LayerTime, aligned, notes
from .manifest import LayerFacts
from .threads import in_words


@dataclass(frozen=True)
class Spread:
    """Milliseconds of several runs."""

    ms: float
    """The median."""
    p10: float
    p90: float


@dataclass(frozen=True)
class StepTime:
    """One kernel call; `layer` is None where it belongs to no layer."""

    name: str
    kernel: str
    time: Spread
    layer: LayerFacts | None


@dataclass(frozen=True)
class Profile:
    """Where, how often, and how long; steps are in the order of the run."""

    device: str
    threads: int
    repeats: int
    total: Spread
    """Runs on their own, without a clock between the steps."""
    steps: tuple[StepTime, ...]

    @property
    def layers(self) -> tuple[LayerTime, ...]:
        """Each layer's medians added up, in the order of the run."""
        ms: dict[str, float] = {}
        for step in self.steps:
            ms[step.name] = ms.get(step.name, 0.0) + step.time.ms
        facts = {step.name: step.layer for step in self.steps if step.layer}
        return tuple(LayerTime(layer, ms[name]) for name, layer in facts.items())

    def to_json(self) -> dict[str, Any]:
        """What json.dumps takes."""
        return {
            "device": self.device,
            "threads": self.threads,
            "repeats": self.repeats,
            **asdict(self.total),
            "steps": [
                {"name": step.name, "kernel": step.kernel, **asdict(step.time)}
                for step in self.steps
            ],
            "layers": [
                {
                    **asdict(layer.facts),
                    "ms": layer.ms,
                    "dense_ms": layer.facts.dense_ms,
                    "fastest_dense": layer.facts.fastest_dense,
                    "realised": layer.realised,
                }
                for layer in self.layers
            ],
        }

    def __str__(self) -> str:
        """The whole, then a line for each step, and what the columns mean."""
        if not self.steps:
            return self._head()
        layers = self.layers
        known = {layer.facts.name: layer for layer in layers}
        rows = [self._cells(step, known.get(step.name)) for step in self.steps]
        table = [f"  {line}" for line in aligned(("step", *HEAD[1:]), rows)]
        return "\n".join([self._head(), *table, *notes(layers)])

    @staticmethod
    def _cells(step: StepTime, layer: LayerTime | None) -> tuple[str, ...]:
        """A step's own time; beside it the layer's, where it is one."""
        _, _, *of_layer = layer.cells() if layer else [""] * len(HEAD)
        return (step.name, f"{step.time.ms:.3f}", *of_layer)

    def _head(self) -> str:
        return (
            f"{self.total.ms:.3f} ms (p10 {self.total.p10:.3f}, p90 {self.total.p90:.3f})   "
            f"{self.device}, {in_words(self.threads)}, median of {self.repeats} runs"
        )


def spread(seconds: Sequence[float]) -> Spread:
    """Median and spread of times in seconds, in milliseconds."""
    p10, median, p90 = np.percentile(seconds, [10, 50, 90]) * 1e3
    return Spread(float(median), float(p10), float(p90))
