"""Engines timed against each other: shuffled, interleaved blocks of runs, one engine at a time."""

import logging
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from .machine import activity, cores
from .process import Block, PeerFailed, PeerProcess
from .timing import Timing, summarise

log = logging.getLogger(__name__)

BLOCK_SECONDS = 0.3
SETTLE_SECONDS = 0.05
"""Before a block: threads of the engine before it may still spin for work."""
RETRIES = 4
"""How often a disturbed block is tried again before it is given up."""
OTHERS = 0.12
"""Cores that others may use beyond those that we leave free."""
WAITED = 0.02
"""The part of a block that its threads may spend waiting for a core, or that other guests may take."""


def measure(
    processes: Mapping[str, PeerProcess],
    threads: int,
    seconds: float,
    seed: int = 0,
    progress: Callable[[str], None] = log.info,
) -> dict[str, Timing | PeerFailed]:
    """About `seconds` of quiet runs for each engine; an engine that fails on the way gets its failure."""
    rounds = max(1, round(seconds / BLOCK_SECONDS))
    order, shuffle = list(processes), random.Random(seed).shuffle
    runs: dict[str, int] = {}
    quiet: dict[str, list[tuple[float, ...]]] = {name: [] for name in processes}
    disturbed: dict[str, list[tuple[float, ...]]] = {name: [] for name in processes}
    failed: dict[str, PeerFailed] = {}
    for i in range(rounds):
        shuffle(order)
        for name in [name for name in order if name not in failed]:
            progress(f"round {i + 1} of {rounds}: {name}")
            try:
                if name not in runs:
                    runs[name] = _runs_per_block(processes[name])
                for _ in range(1 + RETRIES):
                    block, is_quiet = _block(processes[name], runs[name], threads)
                    (quiet if is_quiet else disturbed)[name].append(block.ms)
                    if is_quiet:
                        break
            except PeerFailed as failure:
                failed[name] = failure
    return {
        name: failed.get(name) or summarise(quiet[name], disturbed[name]) for name in processes
    }


def _runs_per_block(process: PeerProcess) -> int:
    (first,) = process.run(1).ms
    return max(1, round(BLOCK_SECONDS * 1e3 / first))


def _block(process: PeerProcess, runs: int, threads: int) -> tuple[Block, bool]:
    """A block, and whether it had the cores that it needs to itself."""
    time.sleep(SETTLE_SECONDS)
    before, ours = activity(), time.process_time()
    block = process.run(runs)
    after, ours = activity(), time.process_time() - ours
    if before is None or after is None:
        return block, True
    use = Use(
        seconds=after.clock - before.clock,
        others=after.busy - before.busy - block.cpu_seconds - ours,
        stolen=after.stolen - before.stolen,
        waited=block.waited_seconds,
    )
    return block, is_quiet(use, threads, free=cores() - threads)


@dataclass(frozen=True)
class Use:
    """How the machine spent a block: its length, and seconds over all cores."""

    seconds: float
    others: float
    """Used by processes that are not ours."""
    stolen: float
    """Taken by other guests of the host."""
    waited: float
    """Lost by the engine's threads to other processes."""


def is_quiet(use: Use, threads: int, free: int) -> bool:
    """Others may use the `free` cores, and next to nothing of those that the engine's threads need."""
    return (
        use.others <= (free + OTHERS) * use.seconds
        and use.stolen <= WAITED * use.seconds * threads
        and use.waited <= WAITED * use.seconds * threads
    )
