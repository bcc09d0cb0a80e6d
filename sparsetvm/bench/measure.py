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
PATIENCE = 4
"""An engine gets no further block once it took this many times the seconds that were asked for."""
OTHERS = 0.12
"""Cores that others may use beyond those that we leave free."""
WAITED = 0.02
"""The part of a block that its threads may wait for a core, or that other guests may take."""


def measure(
    processes: Mapping[str, PeerProcess],
    threads: int,
    seconds: float,
    seed: int = 0,
    progress: Callable[[str], None] = log.info,
) -> dict[str, Timing | PeerFailed]:
    """About `seconds` of quiet runs for each engine; for one that fails on the way, its failure."""
    engines = {name: _Engine(process, threads) for name, process in processes.items()}
    failed: dict[str, PeerFailed] = {}
    order, shuffle = list(engines), random.Random(seed).shuffle
    rounds = max(1, round(seconds / BLOCK_SECONDS))
    for i in range(rounds):
        shuffle(order)
        for name in [name for name in order if name not in failed]:
            progress(f"round {i + 1} of {rounds}: {name}")
            try:
                engines[name].take_block(PATIENCE * seconds)
            except PeerFailed as failure:
                failed[name] = failure
    return {name: failed.get(name) or engine.timing() for name, engine in engines.items()}


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
    """Others may use the `free` cores, and next to nothing of those that the engine needs."""
    return (
        use.others <= (free + OTHERS) * use.seconds
        and use.stolen <= WAITED * use.seconds * threads
        and use.waited <= WAITED * use.seconds * threads
    )


class _Engine:
    """One engine's blocks so far, and the seconds that it took for them."""

    def __init__(self, process: PeerProcess, threads: int):
        self._process = process
        self._threads = threads
        self._runs: int | None = None
        self._quiet: list[tuple[float, ...]] = []
        self._disturbed: list[tuple[float, ...]] = []
        self._spent = 0.0

    def take_block(self, patience: float) -> None:
        """One quiet block, or as many disturbed ones as retries and `patience` seconds allow."""
        for _ in range(1 + RETRIES):
            if self._spent > patience:
                return
            start = time.perf_counter()
            block, quiet = self._block()
            self._spent += time.perf_counter() - start
            (self._quiet if quiet else self._disturbed).append(block.ms)
            if quiet:
                return

    def timing(self) -> Timing:
        return summarise(self._quiet, self._disturbed)

    def _block(self) -> tuple[Block, bool]:
        """A block, and whether it had the cores that it needs to itself."""
        if self._runs is None:
            (first,) = self._process.run(1).ms
            self._runs = max(1, round(BLOCK_SECONDS * 1e3 / first))
        time.sleep(SETTLE_SECONDS)
        before, ours = activity(), time.process_time()
        block = self._process.run(self._runs)
        after, ours = activity(), time.process_time() - ours
        if before is None or after is None:
            return block, True
        use = Use(
            seconds=after.clock - before.clock,
            others=after.busy - before.busy - block.cpu_seconds - ours,
            stolen=after.stolen - before.stolen,
            waited=block.waited_seconds,
        )
        return block, is_quiet(use, self._threads, free=max(cores() - self._threads, 0))
