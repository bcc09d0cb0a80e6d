"""Several nets in one engine, beside an engine for each: one after the other, and at once."""

import logging
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from torch import nn

from ..compiler import coexecute, compile, export
from ..prune import prune
from ..runtime.artifact import Artifact
from ..runtime.manifest import Sharing
from .contest import relative_error
from .machine import Machine, machine
from .measure import measure
from .memory import Memory, memory_of
from .model_files import write_inputs
from .nets import Net, net as net_of
from .nets.initialise import initialise
from .nets.named import SEED
from .peers import peers
from .process import Block, PeerProcess
from .timing import Timing

log = logging.getLogger(__name__)

TOGETHER, IN_TURN, AT_ONCE = "one engine", "engines in turn", "processes at once"
SECONDS = 3.0
LEAST_RUNS = 8
"""Of processes at once, so that they do run at the same time."""
MAPS, LABELS = 21, 100
"""What heads give: maps of so many classes, or so many labels."""


@dataclass(frozen=True)
class TogetherResult:
    """Milliseconds of all nets once, in three ways, all interleaved.

    one engine          all in one run
    engines in turn     an engine for each, in one process, with all threads
    processes at once   an engine for each, in processes that run at the same time and share the
                        threads
    """

    net: str
    plan: str
    nets: int
    heads: bool
    threads: int
    machine: Machine
    timings: dict[str, Timing]
    difference: float
    """Of the outputs from those of the nets alone, of the largest value; 0: equal to the bit."""
    sharing: Sharing
    weights: int
    weights_apart: int
    """Bytes, of one engine and of all others together."""
    memory: Memory | None
    memory_apart: tuple[Memory, ...]
    """Of a process with one engine, and of one for each; None where the system does not tell."""

    def speedup(self, over: str) -> float:
        return self.timings[over].ms / self.timings[TOGETHER].ms

    @property
    def memory_ratio(self) -> float | None:
        """What one engine takes at most, of what one for each does."""
        if self.memory is None:
            return None
        return self.memory.peak / sum(memory.peak for memory in self.memory_apart)

    def to_json(self) -> dict[str, Any]:
        speedups = {f"over {way}": self.speedup(way) for way in (IN_TURN, AT_ONCE)}
        return asdict(self) | {"speedup": speedups, "memory_ratio": self.memory_ratio}


def together(
    net: str,
    plan: str,
    nets: int = 2,
    heads: bool = False,
    threads: int = 2,
    seconds: float = SECONDS,
    progress: Callable[[str], None] = log.info,
) -> TogetherResult:
    """Time `nets` of this kind on one input, each with weights of its own; with `heads`, one
    backbone with as many heads."""
    base = net_of(net)
    found = _headed(base, nets) if heads else _seeded(net, nets)
    progress(f"pruning {nets} nets")
    irs = {
        name: export(prune(module, plan), base.example_inputs, plan)
        for name, module in zip("abcdefghijklmnopqrstuvwxyz", found)
    }
    progress("compiling them together and apart")
    engine = coexecute(irs, threads=threads)
    alone = {name: compile(ir, threads=threads) for name, ir in irs.items()}
    shared = {name: compile(ir, threads=max(threads // nets, 1)) for name, ir in irs.items()}
    with TemporaryDirectory(prefix="sparsetvm-together-") as place, ExitStack() as running:
        folder = Path(place)
        inputs = write_inputs(base, folder)
        _save({"together": engine.artifact}, folder)
        _save(alone, folder / "alone")
        _save(shared, folder / "shared")

        def start(name: str, model: Path, threads: int) -> PeerProcess:
            process = PeerProcess(name, peers["sparsetvm"], model, inputs, threads)
            return running.enter_context(process)

        one = start("together", folder / "together.stvm", threads)
        turn = start("alone", folder / "alone", threads)
        at_once = [
            start(f"shared-{name}", folder / "shared" / f"{name}.stvm", max(threads // nets, 1))
            for name in shared
        ]
        difference = relative_error(one.outputs(), turn.outputs())
        ways = {TOGETHER: one, IN_TURN: turn, AT_ONCE: _AtOnce(at_once)}
        timings = measure(ways, threads, seconds, SEED, progress)
        progress("measuring memory")
        memory = memory_of(engine.artifact, folder / "memory.stvm")
        apart = [memory_of(one, folder / "memory.stvm") for one in alone.values()]
    return TogetherResult(
        net=net,
        plan=plan,
        nets=nets,
        heads=heads,
        threads=threads,
        machine=machine(),
        timings=timings,
        difference=difference,
        sharing=engine.manifest.sharing,
        weights=engine.artifact.weight_bytes,
        weights_apart=sum(artifact.weight_bytes for artifact in alone.values()),
        memory=memory,
        memory_apart=tuple(one for one in apart if one is not None),
    )


class _AtOnce:
    """Processes that run at the same time; a run is one of each."""

    def __init__(self, processes: Sequence[PeerProcess]):
        self._processes = processes
        self._threads = ThreadPoolExecutor(len(processes))

    def run(self, runs: int) -> Block:
        """By the clock until the last is ready, their first runs included: they may wait for each
        other's cores."""
        runs = max(runs, LEAST_RUNS)
        start = time.perf_counter()
        blocks = list(self._threads.map(lambda process: process.run(runs), self._processes))
        each = 1e3 * (time.perf_counter() - start) / (runs + 1)
        return Block(
            (each,),
            sum(block.cpu_seconds for block in blocks),
            sum(block.waited_seconds for block in blocks),
        )


def _save(artifacts: dict[str, Artifact], folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    for name, artifact in artifacts.items():
        artifact.save(folder / f"{name}.stvm")


def _seeded(net: str, count: int) -> list[nn.Module]:
    """Nets of one architecture, their weights drawn from seeds of their own."""
    found = [net_of(net) for _ in range(count)]
    return [
        initialise(one.module, *one.example_inputs, seed=SEED + i) for i, one in enumerate(found)
    ]


def _headed(base: Net, count: int) -> list[nn.Module]:
    """One backbone with heads in turn for labels and for maps, their weights drawn apart."""
    with torch.inference_mode():
        channels = base.module(*base.example_inputs).shape[1]
    return [_Headed(base.module, _head(channels, i)).eval() for i in range(count)]


class _Headed(nn.Module):
    def __init__(self, backbone: nn.Module, head: nn.Module):
        super().__init__()
        self.backbone, self.head = backbone, head

    def forward(self, *inputs: torch.Tensor) -> torch.Tensor:
        return self.head(self.backbone(*inputs))


def _head(channels: int, number: int) -> nn.Module:
    if number % 2:
        maps = nn.Sequential(
            nn.Conv2d(channels, 64, 3, padding=1), nn.ReLU(), nn.Conv2d(64, MAPS, 1)
        )
        return initialise(maps, seed=SEED + number)
    labels = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, LABELS))
    return initialise(labels, seed=SEED + number)
