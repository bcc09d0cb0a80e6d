"""What compiling costs against depth: residual nets of more and more layers."""

import resource
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..compiler import compile
from ..prune import prune
from ..runtime.engine import Engine
from ..sparsity import Plan
from .machine import Machine, machine
from .memory import Memory, memory_of
from .nets.resnet import deep_resnet

FIRST = 11
"""Layers of a net that is compiled before the others, and pays for what is loaded on first use."""


@dataclass(frozen=True)
class Depth:
    """One net."""

    layers: int
    seconds: float
    """Of the processor, to compile it: torch.export, passes, code, library; one thread."""
    kernels: int
    """Distinct ones among its layers: what there is to tune."""
    steps: int
    """Kernel calls of a run."""
    library_bytes: int
    memory: Memory | None
    """Of a run."""
    error: float
    """Of the result, max |difference from torch| / max |torch|."""


@dataclass(frozen=True)
class Depths:
    """Nets by depth, compiled under one plan."""

    machine: Machine
    plan: str
    nets: tuple[Depth, ...]

    @property
    def line(self) -> tuple[float, float]:
        """(seconds of each further layer, seconds of a net of none): the line through all."""
        slope, start = np.polyfit([n.layers for n in self.nets], [n.seconds for n in self.nets], 1)
        return float(slope), float(start)

    @property
    def r2(self) -> float:
        """How much of the seconds' variance that line explains."""
        slope, start = self.line
        seconds = np.array([net.seconds for net in self.nets])
        rest = seconds - [slope * net.layers + start for net in self.nets]
        return float(1 - np.square(rest).sum() / np.square(seconds - seconds.mean()).sum())

    def to_json(self) -> dict[str, Any]:
        slope, start = self.line
        fit = {"seconds_per_layer": slope, "seconds_at_none": start, "r2": self.r2}
        return asdict(self) | {"fit": fit}

    def __str__(self) -> str:
        slope, start = self.line
        rows = ["layers  compile s  kernels  steps  library MB  weights MB  arena MB  peak  error"]
        for n in self.nets:
            m = n.memory
            held = (
                f"{m.weights / 1e6:10.1f}  {m.arena / 1e6:8.1f}  {m.ratio:3.2f}x" if m else "-" * 27
            )
            rows.append(
                f"{n.layers:6}  {n.seconds:9.1f}  {n.kernels:7}  {n.steps:5}  "
                f"{n.library_bytes / 1e6:10.2f}  {held}  {n.error:.0e}"
            )
        rows.append(f"{start:.1f} s + {1e3 * slope:.0f} ms a layer, R2 {self.r2:.4f}")
        return "\n".join(rows)


def depths(
    layers: Sequence[int],
    plan: str = "resnet6x",
    progress: Callable[[str], None] = lambda text: None,
) -> Depths:
    """Compile a residual net of each depth for one thread, run it, and compare it with torch."""
    _measure(FIRST, plan)
    nets = []
    for depth in layers:
        progress(f"{depth} layers")
        nets.append(_measure(depth, plan))
    return Depths(machine(), plan, tuple(nets))


def _measure(layers: int, plan: str) -> Depth:
    net = deep_resnet(layers)
    pruned = prune(net.module, Plan.load(plan))
    start = _processor_seconds()
    artifact = compile(pruned, net.example_inputs, plan=plan, threads=1)
    seconds = _processor_seconds() - start
    with tempfile.TemporaryDirectory(prefix="sparsetvm-") as folder:
        memory = memory_of(artifact, Path(folder) / "net.stvm")
    with torch.inference_mode():
        expected = pruned(*net.example_inputs).numpy()
    found = Engine(artifact)(*net.example_inputs).numpy()
    manifest = artifact.manifest
    names = {layer.name for layer in manifest.layers}
    return Depth(
        layers=layers,
        seconds=seconds,
        kernels=len({step.kernel for step in manifest.steps if step.name in names}),
        steps=len(manifest.steps),
        library_bytes=len(artifact.library),
        memory=memory,
        error=float(np.abs(found - expected).max() / np.abs(expected).max()),
    )


def _processor_seconds() -> float:
    """Of this process and of those that it has waited for, the linker being one."""
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + ended.ru_utime + ended.ru_stime
