"""The main job from end to end: a real net, pruned, refitted, distilled if there is time for it,
compiled, checked and timed."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from ..compiler import export
from ..ir import save
from ..prune import DistillReport, PruneReport, distill_with_report, prune, prune_with_report
from ..sparsity.plan import Plan
from .compare import compare
from .nets import Net, hed, hed_input
from .photographs import HELD_OUT, SIZE, TO_FIT, Crop, draw_crops
from .result import BenchResult

log = logging.getLogger(__name__)

PLAN = "pattern8x-b8"
PEERS = ("onnxruntime", "torch")
SEED = 0
ONE_SHOT, REFITTED, DISTILLED = "zeros only", "refitted", "distilled"
"""The net on its way: magnitude's zeros and nothing else; zeros by what they cost, and what stays
refitted; trained after that."""
CROPS, CROP_SIZE = 480, 160
"""What it is distilled on, in pixels. Smaller squares are more pictures a minute, but the deepest
layers see 196 pixels."""


@dataclass(frozen=True)
class EdgeMaps:
    """One photograph that no fit has seen, and what the nets make of it."""

    name: str
    photograph: np.ndarray
    """uint8 RGB [h, w, 3]."""
    dense: np.ndarray
    """float32 [h, w]: how likely each pixel is an edge."""
    pruned: Mapping[str, np.ndarray]
    """By stage; the last is the net that is timed."""

    @property
    def correlations(self) -> dict[str, float]:
        """With the dense net's map, by stage."""
        return {
            stage: float(np.corrcoef(self.dense.ravel(), edges.ravel())[0, 1])
            for stage, edges in self.pruned.items()
        }


@dataclass(frozen=True)
class DemoResult:
    """Everything that the report shows."""

    plan: str
    seed: int
    pruning: PruneReport
    distilling: DistillReport | None
    """None: there was no time for it."""
    minutes: float
    """What there was."""
    bench: BenchResult
    maps: tuple[EdgeMaps, ...]

    @property
    def stages(self) -> dict[str, list[float]]:
        """Each photograph's correlation, by stage."""
        return {
            stage: [one.correlations[stage] for one in self.maps] for stage in self.maps[0].pruned
        }

    @property
    def correlations(self) -> list[float]:
        """Those of the net that is timed."""
        return list(self.stages.values())[-1]

    def to_json(self) -> dict[str, Any]:
        """What json.dumps takes."""
        return self.bench.to_json() | {
            "photographs": {
                "fitted_on": sorted({crop.name for crop in TO_FIT}),
                "correlation": {one.name: one.correlations for one in self.maps},
            },
            "correlation": _summary(self.correlations),
            "stages": {stage: _summary(found) for stage, found in self.stages.items()},
            "pruning": self.pruning.to_json(),
            "distilling": self.distilling and asdict(self.distilling),
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
        lines.append("correlation with the dense net's edges on photographs that no fit has seen:")
        lines += [
            f"  {stage:16} {np.mean(found):.3f}  (worst {min(found):.3f})"
            for stage, found in self.stages.items()
        ]
        if self.bench.ours.error is not None:
            lines.append(
                f"largest error against torch on the same weights {self.bench.ours.error:.0e}"
            )
        lines += [f"{name} was not timed: {why}" for name, why in table["skipped"].items()]
        return "\n".join(lines)


def demo(
    plan: str | Path = PLAN,
    threads: int = 1,
    minutes: float = 0.0,
    output: str | Path | None = None,
    overwrite: bool = False,
    progress: Callable[[str], None] = log.info,
) -> DemoResult:
    """HED's edge detector, pruned in one shot under `plan`, refitted without labels, and compared.

    Under 3 minutes on two cores with the default plan, and `minutes` more in which the dense net
    teaches the pruned one. `output` is a file for that net as layer IR.
    """
    rules = Plan.load(plan)
    model = hed()
    samples = torch.cat([hed_input(crop.read()) for crop in TO_FIT])
    pruned, report = prune_with_report(model, rules, samples, seed=SEED, progress=progress)
    nets = {ONE_SHOT: prune(model, rules), REFITTED: pruned}
    distilling = None
    if minutes:
        progress("reading photographs")
        samples = torch.cat([hed_input(c.read()) for c in draw_crops(CROPS, CROP_SIZE, SEED)])
        pruned, distilling = distill_with_report(
            model, pruned, samples, minutes, seed=SEED, progress=progress
        )
        nets[DISTILLED] = pruned
    progress("drawing edge maps")
    maps = tuple(_edge_maps(crop, model, nets) for crop in HELD_OUT)
    image = (hed_input(HELD_OUT[0].read()),)
    if output is not None:
        save(export(pruned, image, rules), output, overwrite)
    about = f"HED edge detector (VGG-16), {SIZE}x{SIZE}, real weights"
    dense, sparse = (Net("hed", net, image, about) for net in (model, pruned))
    bench = compare(dense, sparse, rules, str(plan), PEERS, threads, progress=progress)
    return DemoResult(str(plan), SEED, report, distilling, minutes, bench, maps)


def _edge_maps(crop: Crop, dense: nn.Module, nets: Mapping[str, nn.Module]) -> EdgeMaps:
    photograph = crop.read()
    image = hed_input(photograph)
    with torch.inference_mode():
        maps = {stage: net(image)[0, 0].numpy() for stage, net in nets.items()}
        return EdgeMaps(crop.name, photograph, dense(image)[0, 0].numpy(), maps)


def _summary(correlations: list[float]) -> dict[str, float]:
    return {"mean": float(np.mean(correlations)), "worst": min(correlations)}
