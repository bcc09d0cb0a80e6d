"""Where an engine's time goes: the whole run, each of its steps, and each layer."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from .manifest import LayerFacts


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
class LayerTime:
    """One layer, all of its kernel calls together."""

    facts: LayerFacts
    ms: float

    @property
    def realised(self) -> float | None:
        """Speed-up over our own dense form, of the reduction of operations; None: not measured."""
        dense_ms = self.facts.dense_ms
        return None if dense_ms is None else dense_ms / self.ms / self.facts.rate


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
                {**asdict(layer.facts), "ms": layer.ms, "realised": layer.realised}
                for layer in self.layers
            ],
        }

    def __str__(self) -> str:
        """The whole, then a line for each step: '  features.10   1.210 ms   pattern(4 of 9) …'."""
        width = max((len(step.name) for step in self.steps), default=0)
        realised = {layer.facts.name: layer.realised for layer in self.layers}
        lines = [self._head()]
        for step in self.steps:
            line = f"  {step.name:{width}}  {step.time.ms:8.3f} ms"
            if step.layer:
                line += f"   {step.layer.structure}   {step.layer.rate:.1f}x fewer operations"
            if step.layer and step.layer.dense_ms is not None:
                line += f"   dense {step.layer.dense_ms:.3f} ms, {realised[step.name]:.0%} realised"
            lines.append(line)
        return "\n".join(lines)

    def _head(self) -> str:
        threads = f"{self.threads} thread{'s' if self.threads > 1 else ''}"
        return (
            f"{self.total.ms:.3f} ms (p10 {self.total.p10:.3f}, p90 {self.total.p90:.3f})   "
            f"{self.device}, {threads}, median of {self.repeats} runs"
        )


def spread(seconds: Sequence[float]) -> Spread:
    """Median and spread of times in seconds, in milliseconds."""
    p10, median, p90 = np.percentile(seconds, [10, 50, 90]) * 1e3
    return Spread(float(median), float(p10), float(p90))
