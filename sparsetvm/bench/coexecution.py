"""Nets as streams of one process, against one process for each net, in turns."""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from ..errors import SparseTVMError
from ..runtime.engine import Engine
from ..runtime.inputs import random_inputs
from ..runtime.interference import NetTimes
from ..runtime.pace import pace
from ..runtime.sharing import Saved
from ..runtime.stream import Stream, now
from ..runtime.streams import Streams
from ..runtime.threads import in_words
from ..runtime.timeline import Span, StreamSummary, Tally
from .environments import package_root
from .machine import Machine, activity, machine

BLOCK_SECONDS = 2.5
"""How long one side runs before it is the other's turn."""
OURS = "one process, SparseTVM's streams"
AHEAD = 0.1
"""Seconds from telling the processes to begin until they do."""


@dataclass(frozen=True)
class Side:
    """How the streams fared on one side."""

    name: str
    streams: tuple[StreamSummary, ...]
    others: float
    """Cores that processes of others used meanwhile; NaN: the system does not tell."""

    @property
    def missed(self) -> float:
        """Of all that was asked, the part that came late or not at all."""
        asked = sum(stream.asked for stream in self.streams)
        return sum(stream.missed * stream.asked for stream in self.streams) / max(asked, 1)


@dataclass(frozen=True)
class Coexecution:
    """Streams on one machine."""

    machine: Machine
    cpus: tuple[int, ...]
    seconds: float
    """Of each side."""
    threads: dict[str, int]
    """That each net was compiled for."""
    times: dict[str, NetTimes]
    behind: tuple[str, ...]
    """The streams that gave way to the others."""
    saved: Saved
    spans: tuple[Span, ...]
    sides: tuple[Side, ...]
    """Ours, then the processes if they were asked for: each with as many threads as its net was
    compiled for, and with its share of the cores."""

    def to_json(self) -> dict[str, Any]:
        sides = [
            {
                "name": side.name,
                "missed": side.missed,
                "others": side.others,
                "streams": [stream.to_json() for stream in side.streams],
            }
            for side in self.sides
        ]
        table = asdict(self)
        del table["spans"]
        return table | {"sides": sides}

    def __str__(self) -> str:
        lines = [
            f"{self.machine.cpu}, {len(self.cpus)} cores, {self.seconds:g} s, ms from request to "
            "answer",
            "                      rate  deadline   p50     p90     p99     max   missed  dropped",
        ]
        for side in self.sides:
            lines.append(
                f"{side.name}: {side.missed:.1%} missed (others used {side.others:.2f} cores)"
            )
            lines += [_row(stream) for stream in side.streams]
        lines.append(str(self.saved))
        return "\n".join(lines)


def _row(stream: StreamSummary) -> str:
    return (
        f"  {stream.name:18} {stream.rate:5.4g}  {stream.deadline_ms:8.2f} {stream.p50_ms:7.2f} "
        f"{stream.p90_ms:7.2f} {stream.p99_ms:7.2f} {stream.max_ms:7.2f}  {stream.missed:6.1%} "
        f"{stream.dropped:8}"
    )


def coexecute_streams(
    streams: Sequence[Stream],
    seconds: float,
    against_processes: bool = False,
    cores: int | None = None,
    started: Callable[[Streams], None] = lambda streams: None,
) -> Coexecution:
    """Random inputs at the streams' rates, for so many seconds on each side.

    `started` is handed the streams once they run.
    """
    with ExitStack() as stack:
        ours = stack.enter_context(Streams(streams, cores))
        started(ours)
        engines = ours.engines()
        peers = {
            f"a process for each net, {in_words(threads)}": [
                stack.enter_context(_Process(stream, threads)) for stream in streams
            ]
            for threads in _widths(engines, ours.cpus)
            if against_processes
        }
        inputs = {name: random_inputs(engine.manifest) for name, engine in engines.items()}
        sources = {name: lambda x=x: x for name, x in inputs.items()}
        blocks = max(1, round(seconds / BLOCK_SECONDS)) if peers else 1
        others = []
        for _ in range(blocks):
            use = [_others(lambda: _ours(ours, sources, seconds / blocks))]
            for processes in peers.values():
                use.append(_others(lambda p=processes: _theirs(p, seconds / blocks)))
            others.append(use)
        use = np.mean(np.array(others, float), axis=0)
        fared = {OURS: ours.summary()}
        fared |= {name: [peer.summary() for peer in side] for name, side in peers.items()}
        sides = [
            Side(name, tuple(streams), use)
            for (name, streams), use in zip(fared.items(), use, strict=True)
        ]
        return Coexecution(
            machine=machine(),
            cpus=ours.cpus,
            seconds=seconds,
            threads={name: engine.manifest.threads for name, engine in engines.items()},
            times=ours.times,
            behind=tuple(ours.behind()),
            saved=ours.saved(),
            spans=tuple(ours.timeline.spans()),
            sides=tuple(sides),
        )


def _widths(engines: Mapping[str, Engine], cpus: Sequence[int]) -> list[int]:
    """Threads of a process: as many as its net was compiled for, or a fair share of the cores."""
    most = max(min(engine.manifest.threads, len(cpus)) for engine in engines.values())
    return sorted({most, min(most, max(1, len(cpus) // len(engines)))}, reverse=True)


def _ours(streams: Streams, sources: Mapping[str, Callable], seconds: float) -> float:
    """One block; the seconds of processor time that it took."""
    before = time.process_time()
    pace(streams, sources, seconds)
    time.sleep(max(stream.seconds for stream in streams.streams.values()))  # the last answers
    return time.process_time() - before


def _theirs(peers: Sequence["_Process"], seconds: float) -> float:
    """The same by the processes, which begin at one time."""
    start = now() + AHEAD
    for peer in peers:
        peer.begin(start, seconds)
    return sum(peer.end() for peer in peers)


def _others(block: Callable[[], float]) -> float:
    """Cores that others used during a block, which gives its own processor time."""
    before = activity()
    own = block()
    after = activity()
    if before is None or after is None:
        return float("nan")
    return max(0.0, after.busy - before.busy - own) / (after.clock - before.clock)


class _Process:
    """A stream's net in a process of its own; use it in a `with`."""

    def __init__(self, stream: Stream, threads: int):
        self._stream = stream
        self._tally = Tally()
        options = {"--rate": stream.rate, "--when-busy": stream.when_busy, "--threads": threads}
        self._process = subprocess.Popen(
            [
                *(sys.executable, "-m", f"{__package__}.stream_process", str(stream.net)),
                *(str(word) for option in options.items() for word in option),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=package_root(),
        )

    def __enter__(self) -> "_Process":
        self._read()
        return self

    def __exit__(self, *_error: object) -> None:
        self._process.kill()
        self._process.wait()
        self._process.stdin.close()
        self._process.stdout.close()

    def begin(self, start: float, seconds: float) -> None:
        self._process.stdin.write(json.dumps({"start": start, "seconds": seconds}) + "\n")
        self._process.stdin.flush()

    def end(self) -> float:
        """Wait for the answers; the seconds of processor time that they took."""
        said = self._read()
        for latency in said["latencies"]:
            self._tally.count("asked")
            self._tally.answer(latency, latency > self._stream.seconds)
        for _ in range(said["dropped"]):
            self._tally.count("asked")
            self._tally.count("dropped")
        return said["cpu_seconds"]

    def summary(self) -> StreamSummary:
        return self._tally.summary(self._stream.name, self._stream.rate, self._stream.seconds)

    def _read(self) -> dict[str, Any]:
        line = self._process.stdout.readline()
        if not line:
            raise SparseTVMError(
                f"the process of stream {self._stream.name} ended with code {self._process.wait()}"
                f"\n  what it said stands above"
            )
        return json.loads(line)
