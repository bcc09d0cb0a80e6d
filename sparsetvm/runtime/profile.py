"""Where an engine's time goes: the whole run, and each of its steps."""

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

    @property
    def realised(self) -> float | None:
        """Speed-up over our own dense form, of the reduction of operations; None: not measured."""
        if self.layer is None or self.layer.dense_ms is None:
            return None
        return self.layer.dense_ms / self.time.ms / self.layer.rate


@dataclass(frozen=True)
class Profile:
    """Where, how often, and how long; steps are in the order of the run."""

    device: str
    threads: int
    repeats: int
    total: Spread
    """Runs on their own, without a clock between the steps."""
    steps: tuple[StepTime, ...]

    def to_json(self) -> dict[str, Any]:
        """What json.dumps takes."""
        rows = [asdict(step) | {"realised": step.realised} for step in self.steps]
        return asdict(self) | {"steps": rows}

    def __str__(self) -> str:
        head = (
            f"{self.total.ms:.3f} ms (p10 {self.total.p10:.3f}, p90 {self.total.p90:.3f})   "
            f"{self.device}, {self.threads} thread{'s' if self.threads > 1 else ''}, "
            f"median of {self.repeats} runs"
        )
        width = max((len(step.name) for step in self.steps), default=0)
        return "\n".join([head, *(f"  {step.name:{width}}  {_row(step)}" for step in self.steps)])


def spread(seconds: Sequence[float]) -> Spread:
    """Median and spread of times in seconds, in milliseconds."""
    p10, median, p90 = np.percentile(seconds, [10, 50, 90]) * 1e3
    return Spread(float(median), float(p10), float(p90))


def _row(step: StepTime) -> str:
    text = f"{step.time.ms:8.3f} ms"
    layer = step.layer
    if layer is None:
        return text
    text += f"   {layer.structure}   {layer.rate:.1f}x fewer operations"
    if step.realised is not None:
        text += f"   dense {layer.dense_ms:.3f} ms, {step.realised:.0%} realised"
    return text
