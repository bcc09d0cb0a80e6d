"""How long nets take on 1, 2, … cores while the others run on the cores that are left: measured."""

import statistics
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .engine import Engine
from .inputs import random_inputs

SECONDS, RUNS = 0.15, 3
"""Each time is the median of so many seconds of runs, or of so many runs."""


@dataclass(frozen=True)
class NetTimes:
    """Seconds of a run on 1, 2, … cores."""

    alone: tuple[float, ...]
    beside: tuple[float, ...]
    """While the other nets run on the cores that are left; on all cores there are none."""


def measure(engines: Mapping[str, Engine], cpus: Sequence[int]) -> dict[str, NetTimes]:
    """Every net's times on 1, 2, … of these CPUs, of random inputs."""
    inputs = {name: random_inputs(engine.manifest) for name, engine in engines.items()}
    times: dict[str, NetTimes] = {}
    for name, engine in engines.items():
        others = [(other, inputs[key]) for key, other in engines.items() if key != name]
        widths = range(1, min(engine.manifest.threads, len(cpus)) + 1)
        alone = tuple(_median(engine, inputs[name], cpus[:width], [], []) for width in widths)
        beside = tuple(
            _median(engine, inputs[name], cpus[:width], others, cpus[width:])
            if others and width < len(cpus)
            else alone[width - 1]
            for width in widths
        )
        times[name] = NetTimes(alone, beside)
    return times


def _median(
    engine: Engine,
    x: Any,
    cpus: Sequence[int],
    others: Sequence[tuple[Engine, Any]],
    left: Sequence[int],
) -> float:
    """Seconds of a run on `cpus`, the `others` taking turns on those that are left."""
    stop, seconds = threading.Event(), []
    # each net belongs to one thread: the others are dealt out to the cores that are left
    hands = [(others[i :: len(left)], cpu) for i, cpu in enumerate(left[: len(others)])]
    threads = [threading.Thread(target=_loop, args=(nets, cpu, stop)) for nets, cpu in hands]
    threads.append(threading.Thread(target=_time, args=(engine, x, cpus, seconds, stop)))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return statistics.median(seconds)


def _loop(nets: Sequence[tuple[Engine, Any]], cpu: int, stop: threading.Event) -> None:
    while not stop.is_set():
        for engine, x in nets:
            engine.cpus = (cpu,)
            engine(x)


def _time(
    engine: Engine, x: Any, cpus: Sequence[int], seconds: list[float], stop: threading.Event
) -> None:
    try:
        engine.cpus = tuple(cpus)
        engine(x)
        end = time.perf_counter() + SECONDS
        while len(seconds) < RUNS or time.perf_counter() < end:
            start = time.perf_counter()
            engine(x)
            seconds.append(time.perf_counter() - start)
    finally:
        stop.set()
