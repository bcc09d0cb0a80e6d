"""Engines on the same net: started, checked against what torch computes, then timed together."""

import logging
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .measure import measure
from .peers import Peer
from .process import PeerFailed, PeerProcess
from .timing import Timing

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Contender:
    """A peer with the model file it gets, and the outputs that this model has to give."""

    name: str
    peer: Peer
    model: Path
    expected: tuple[np.ndarray, ...]


@dataclass(frozen=True)
class Outcome:
    """What became of a contender: a timing, or the reason why there is none."""

    timing: Timing | None = None
    error: float | None = None
    """The largest difference from the expected outputs, of the largest value expected."""
    version: str | None = None
    skipped: str | None = None


def contest(
    contenders: Sequence[Contender],
    inputs: Path,
    threads: int,
    seconds: float,
    seed: int = 0,
    progress: Callable[[str], None] = log.info,
) -> dict[str, Outcome]:
    """Time every contender that starts and agrees, about `seconds` each, all interleaved."""
    outcomes: dict[str, Outcome] = {}
    with ExitStack() as running:
        processes: dict[str, PeerProcess] = {}
        for contender in contenders:
            progress(f"loading {contender.name}")
            try:
                process = running.enter_context(
                    PeerProcess(contender.name, contender.peer, contender.model, inputs, threads)
                )
            except PeerFailed as reason:
                outcomes[contender.name] = Outcome(skipped=str(reason))
                continue
            outcome = _agreement(contender, process)
            outcomes[contender.name] = outcome
            if outcome.skipped:
                process.close()
            else:
                processes[contender.name] = process
        timings = measure(processes, threads, seconds, seed, progress)
    for name, timing in timings.items():
        checked = outcomes[name]
        outcomes[name] = (
            Outcome(None, checked.error, checked.version, skipped=str(timing))
            if isinstance(timing, PeerFailed)
            else Outcome(timing, checked.error, checked.version)
        )
    return outcomes


def relative_error(outputs: Sequence[np.ndarray], expected: Sequence[np.ndarray]) -> float:
    """max |y - expected| / max |expected| of the worst output; infinite for other shapes or NaN."""
    if [y.shape for y in outputs] != [e.shape for e in expected]:
        return float("inf")
    errors = [
        np.abs(y - e).max() / max(np.abs(e).max(), np.finfo(np.float32).tiny)
        for y, e in zip(outputs, expected, strict=True)
    ]
    worst = float(np.max(errors))
    return float("inf") if np.isnan(worst) else worst


def _agreement(contender: Contender, process: PeerProcess) -> Outcome:
    error, allowed = relative_error(process.outputs(), contender.expected), contender.peer.tolerance
    if error == float("inf"):
        skipped = "its outputs have other shapes or are no numbers"
        return Outcome(None, None, process.version, skipped)
    if error > allowed:
        skipped = (
            f"its outputs are off by {error:.1e} of the largest value; {allowed:.0e} is allowed"
        )
        return Outcome(None, error, process.version, skipped)
    return Outcome(None, error, process.version)
