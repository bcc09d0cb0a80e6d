"""The main job from end to end: a real net, pruned, refitted, compiled, checked and timed."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..prune import PruneReport, prune_with_report
from ..sparsity.plan import Plan
from .compare import compare
from .nets import Net, hed, hed_input
from .photographs import HELD_OUT, SIZE, TO_FIT
from .result import BenchResult

log = logging.getLogger(__name__)

PLAN = "pattern8x-b8"
PEERS = ("onnxruntime", "torch")
SEED = 0


@dataclass(frozen=True)
class EdgeMaps:
    """One photograph that the refit did not see, and what both nets make of it."""

    name: str
    photograph: np.ndarray
    """uint8 RGB [h, w, 3]."""
    dense: np.ndarray
    """float32 [h, w]: how likely each pixel is an edge."""
    sparse: np.ndarray

    @property
    def correlation(self) -> float:
        return float(np.corrcoef(self.dense.ravel(), self.sparse.ravel())[0, 1])


@dataclass(frozen=True)
class DemoResult:
    """Everything that the report shows."""

    plan: str
    seed: int
    pruning: PruneReport
    bench: BenchResult
    maps: tuple[EdgeMaps, ...]

    @property
    def correlations(self) -> list[float]:
        return [one.correlation for one in self.maps]

    def to_json(self) -> dict[str, Any]:
        """What json.dumps takes."""
        return self.bench.to_json() | {
            "photographs": {
                "fitted_on": sorted({crop.name for crop in TO_FIT}),
                "correlation": {one.name: one.correlation for one in self.maps},
            },
            "correlation": {
                "mean": float(np.mean(self.correlations)),
                "worst": min(self.correlations),
            },
            "pruning": self.pruning.to_json(),
            "seed": self.seed,
        }

    def __str__(self) -> str:
        """The figures in a few lines."""
        table = self.bench.to_json()
        lines = [
            f"{self.bench.description}; plan {self.plan}, {self.pruning.rate:.1f}x fewer weights"
        ]
        lines += [
            f"  {name:16} {time['ms']:8.2f} ms  (p10 {time['p10']:.2f}, p90 {time['p90']:.2f})"
            for name, time in sorted(table["spread"].items(), key=lambda item: item[1]["ms"])
        ]
        speedup, fastest = self.bench.speedup_over_fastest_dense, self.bench.fastest_dense
        if speedup:
            lines.append(f"{speedup:.2f}x over {fastest}, the fastest dense engine here")
        lines.append(
            f"edge maps correlate {np.mean(self.correlations):.3f} with the dense net's "
            f"on photographs it was not fitted on (worst {min(self.correlations):.3f})"
        )
        if self.bench.ours.error is not None:
            lines.append(
                f"largest error against torch on the same weights {self.bench.ours.error:.0e}"
            )
        lines += [f"{name} was not timed: {why}" for name, why in table["skipped"].items()]
        return "\n".join(lines)


def demo(
    plan: str | Path = PLAN, threads: int = 1, progress: Callable[[str], None] = log.info
) -> DemoResult:
    """HED's edge detector, pruned in one shot under `plan`, refitted without labels, and compared.

    Under 3 minutes on two cores with the default plan.
    """
    rules = Plan.load(plan)
    model = hed()
    samples = torch.cat([hed_input(crop.read()) for crop in TO_FIT])
    pruned, report = prune_with_report(model, rules, samples, seed=SEED, progress=progress)
    progress("drawing edge maps")
    maps = tuple(_edge_maps(crop, model, pruned) for crop in HELD_OUT)
    image = (hed_input(HELD_OUT[0].read()),)
    about = f"HED edge detector (VGG-16), {SIZE}x{SIZE}, real weights"
    dense, sparse = (Net("hed", net, image, about) for net in (model, pruned))
    bench = compare(dense, sparse, rules, str(plan), PEERS, threads, progress=progress)
    return DemoResult(str(plan), SEED, report, bench, maps)


def _edge_maps(crop, dense: torch.nn.Module, sparse: torch.nn.Module) -> EdgeMaps:
    photograph = crop.read()
    with torch.inference_mode():
        maps = [net(hed_input(photograph))[0, 0].numpy() for net in (dense, sparse)]
    return EdgeMaps(crop.name, photograph, *maps)
