"""Streams that run for long while nets are reloaded, fed garbage and ended; all answers checked."""

import itertools
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import Future, wait
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import InputError
from ..runtime.engine import load
from ..runtime.inputs import random_inputs
from ..runtime.pace import pace
from ..runtime.stream import Stream
from ..runtime.streams import Streams
from .memory import status

GARBAGE, ENDED = "garbage", "ended"
"""Streams beside the given ones: one is fed NaN and wrong shapes, one is ended on the way."""
SETTLE = 0.2
"""The part of the time after which that one ends, and memory counts: by then pools are full."""
PATIENCE = 60
"""Seconds that the last answers may take."""


@dataclass(frozen=True)
class Soak:
    """What became of the streams."""

    seconds: float
    answers: dict[str, int]
    """Of each stream, compared bit by bit with what its net answers alone."""
    wrong: int
    refused: int
    """Of the stream that is fed garbage: requests of a wrong shape, each refused."""
    accepted: int
    """Of these, those that were not."""
    reloads: int
    megabytes: tuple[float, ...]
    """That the process held at most in the second before each reload, once it had settled."""

    @property
    def growth(self) -> float:
        """The largest departure from the median, a part of it; 0: too short to tell."""
        if not self.megabytes:
            return 0.0
        middle = float(np.median(self.megabytes))
        return float(np.abs(np.array(self.megabytes) / middle - 1).max())

    @property
    def is_good(self) -> bool:
        return not self.wrong and not self.accepted and self.refused > 0 and self.growth <= 0.02

    def to_json(self) -> dict[str, Any]:
        return asdict(self) | {"growth": self.growth, "is_good": self.is_good}

    def __str__(self) -> str:
        answers = ", ".join(f"{name} {count}" for name, count in self.answers.items())
        held = "too short to tell of memory"
        if len(self.megabytes) > 1:
            least, most = min(self.megabytes), max(self.megabytes)
            held = f"memory {least:.1f} to {most:.1f} MB, {self.growth:.1%} from its median"
        return (
            f"{self.seconds:g} s, {self.reloads} reloads; answers: {answers}; {self.wrong} wrong\n"
            f"{self.refused} inputs of a wrong shape refused, {self.accepted} not; {GARBAGE} was "
            f"fed NaN too, {ENDED} was ended on the way\n"
            f"{held}: {'good' if self.is_good else 'BAD'}"
        )


def soak(
    streams: Sequence[Stream],
    seconds: float,
    reload_seconds: float = 60,
    progress: Callable[[str], None] = lambda text: None,
) -> Soak:
    """Run the streams of these artifacts, of which the last is reloaded again and again.

    Beside them run a copy of the first that is fed garbage, and one that is ended on the way.
    """
    first, last = streams[0], streams[-1]
    copies = [Stream(name, first.net, first.rate) for name in (GARBAGE, ENDED)]
    expected = {stream.name: _expected(stream.net) for stream in streams}
    turns = {name: itertools.cycle(range(len(pairs))) for name, pairs in expected.items()}
    counts: Counter[str] = Counter()
    last_of: dict[str, Future] = {}
    lock = threading.Lock()
    good, wrong_inputs = expected[first.name][0][0], _garbage(expected[first.name][0][0])

    def check(name: str, x: Any, answer: Future) -> None:
        with lock:
            if answer.cancelled():
                counts["dropped"] += 1
            elif name == GARBAGE:
                refused = isinstance(answer.exception(), InputError)
                counts["refused" if refused else "accepted"] += _is_wrong_shape(x, good)
            elif name in expected:
                right = next(y for given, y in expected[name] if given is x)
                counts[name] += 1
                counts["wrong"] += answer.exception() is not None or not _equal(
                    answer.result(), right
                )

    def given(name: str, x: Any, answer: Future) -> None:
        last_of[name] = answer
        answer.add_done_callback(lambda answer: check(name, x, answer))

    sources = {name: lambda name=name: expected[name][next(turns[name])][0] for name in expected}
    sources |= {GARBAGE: lambda: next(wrong_inputs), ENDED: lambda: good}
    megabytes: list[float] = []
    with Streams([*streams, *copies]) as running:
        feed = threading.Thread(target=pace, args=(running, sources, seconds, given))
        feed.start()
        reloads = 0
        while feed.is_alive():
            feed.join(reload_seconds)
            if not feed.is_alive():
                break
            reloads += 1
            passed = reloads * reload_seconds
            if passed >= SETTLE * seconds:
                if ENDED in running:
                    running.remove(ENDED)
                megabytes.append(_held() / 1e6)
            running.reload(last.name, last.net)
            progress(f"{passed:.0f} of {seconds:.0f} s, {sum(counts.values())} answers")
        wait(last_of.values(), PATIENCE)
    answers = {name: counts[name] for name in expected}
    return Soak(
        seconds,
        answers,
        counts["wrong"],
        counts["refused"],
        counts["accepted"],
        reloads,
        tuple(megabytes),
    )


def _held() -> int:
    """Bytes that the process holds at most within a second, while all nets run: what the system has
    moved out of memory too, and not what it maps from files."""
    held = []
    for _ in range(50):
        held.append(status("RssAnon") + status("VmSwap"))
        time.sleep(0.02)
    return max(held)


def _expected(net: str | Path) -> list[tuple[Any, Any]]:
    """Two inputs, and what the net alone answers."""
    engine = load(net)
    x = random_inputs(engine.manifest)
    other = {name: array[..., ::-1].copy() for name, array in x.items()}
    return [(each, engine(each)) for each in (x, other)]


def _garbage(good: dict[str, np.ndarray]) -> itertools.cycle:
    """NaN, a wrong shape, and a good input, in turns."""
    nan = {
        name: np.full_like(array, np.nan) if array.dtype.kind == "f" else array
        for name, array in good.items()
    }
    short = {name: array[..., :-1] for name, array in good.items()}
    return itertools.cycle([nan, short, good])


def _is_wrong_shape(x: dict[str, np.ndarray], good: dict[str, np.ndarray]) -> bool:
    return any(x[name].shape != good[name].shape for name in good)


def _equal(found: Any, expected: Any) -> bool:
    if isinstance(expected, dict):  # of several nets
        return all(_equal(found[net], expected[net]) for net in expected)
    if isinstance(expected, tuple):
        return all(map(np.array_equal, found, expected))
    return np.array_equal(found, expected)
