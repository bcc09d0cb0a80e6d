"""Several nets on one machine, each asked at its own rate, all in time as far as the cores go.

    streams = st.Streams(
        [
            st.Stream("edges", "hed.stvm", rate=15),
            st.Stream("words", "gru.stvm", rate=100, deadline=0.005, priority=1),
        ]
    )
    with streams:
        future = streams.submit("edges", frame)      # a Future: the answer, or what went wrong
        streams.reload("edges", "better.stvm")       # the others do not notice
        print(streams.summary())

Each stream has a thread. Cores go to whoever is due first, and a long run gives way (`cores.py`).
What a run takes on so many cores, beside the other nets, is measured at the start and followed from
then on. Equal weights of several nets are in memory once. Nets that read the same input belong into
one engine (`st.coexecute`), which is one stream: a request is a run of all of them.
"""

import gc
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from math import inf
from pathlib import Path
from typing import Any

from ..errors import InputError
from ..targets.cpu import allowed_cpus
from .artifact import Artifact
from .cores import Claim, Cores
from .engine import Engine, load
from .inputs import random_inputs
from .interference import NetTimes, measure
from .sharing import Saved, WeightPool, saved
from .stream import Stream, now
from .stream_worker import StreamWorker, run
from .threads import go_last, may_go_first, sleep_when_idle
from .timeline import StreamSummary, Timeline


class Streams:
    """Streams that share the cores of this machine; use it in a `with`."""

    def __init__(self, streams: Iterable[Stream], cores: int | None = None):
        sleep_when_idle()
        streams = list(streams)
        self.streams = {stream.name: stream for stream in streams}
        if len(self.streams) < len(streams):
            raise InputError("two streams have one name; give each its own")
        self.cpus = tuple(allowed_cpus()[:cores])
        self.timeline = Timeline()
        self.times: dict[str, NetTimes] = {}
        """What was measured at the start."""
        self._weights = WeightPool()
        self._engines = {name: self._engine(stream.net) for name, stream in self.streams.items()}
        self._cores = Cores(self.cpus, self.timeline.note, not may_go_first())
        self._workers: dict[str, StreamWorker] = {}

    def __enter__(self) -> "Streams":
        self.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self.stop()

    def __contains__(self, name: str) -> bool:
        return name in self._workers

    def start(self) -> None:
        """Measure the nets, alone and beside each other, and take requests from then on."""
        self.times = measure(self._engines, self.cpus)
        for name, stream in self.streams.items():
            self._workers[name] = StreamWorker(
                stream, self._engines[name], self._cores, self.times[name].beside
            )
        self._part()
        gc.collect()
        gc.freeze()  # what is there by now stays; collections that visit it all would stop all nets
        for worker in self._workers.values():
            worker.start()

    def stop(self) -> None:
        """End all runs where they stand; what waits is dropped."""
        for worker in self._workers.values():
            worker.stop()
        gc.unfreeze()

    def submit(self, name: str, x: Any, asked: float | None = None) -> Future:
        """The answer to come. Its deadline counts from now, or from `asked` (runtime.stream.now);
        a request that is dropped is cancelled."""
        return self._worker(name).ask(x, now() if asked is None else asked).answer

    def reload(self, name: str, net: Engine | Artifact | str | Path) -> None:
        """Give the stream another net; it answers with the old one until the new one is warm."""
        worker, engine = self._worker(name), self._engine(net)
        claim = Claim(name, -1, inf, worker.seconds, gives_way=True)
        inputs = random_inputs(engine.manifest)
        # not in the caller's thread, which would be tied to the cores of this run
        with ThreadPoolExecutor(1, initializer=go_last) as warm:
            warm.submit(run, engine, inputs, claim, self._cores).result()
        worker.engine = engine

    def remove(self, name: str) -> None:
        """End a stream where it stands."""
        self._worker(name).stop()
        del self._workers[name]

    def engines(self) -> dict[str, Engine]:
        """The net of each stream that runs."""
        return {name: worker.engine for name, worker in self._workers.items()}

    def behind(self) -> list[str]:
        """The streams whose runs are long and give way to the others'."""
        return [name for name, worker in self._workers.items() if worker.gives_way]

    def summary(self) -> list[StreamSummary]:
        """How each stream fared so far."""
        return [
            worker.tally.summary(name, worker.stream.rate, worker.stream.seconds)
            for name, worker in self._workers.items()
        ]

    def saved(self) -> Saved:
        """What the nets have in common, in bytes."""
        runs = {summary.name: summary.answered for summary in self.summary()}
        return saved(self.engines(), runs)

    def _worker(self, name: str) -> StreamWorker:
        if name not in self._workers:
            known = ", ".join(self._workers) or "none: start it first"
            raise InputError(f"there is no stream {name!r}; running: {known}")
        return self._workers[name]

    def _part(self) -> None:
        """A net gives way if its run is longer than the time that another stream has, unless that
        one's priority is lower."""
        workers = self._workers.values()
        for worker in workers:
            others = [
                other.stream.seconds
                for other in workers
                if other is not worker and other.stream.priority >= worker.stream.priority
            ]
            worker.gives_way = worker.seconds[0] > min(others, default=inf)
        for worker in workers:
            alike = [other for other in workers if other.gives_way is worker.gives_way]
            worker.has_rivals = len(alike) > 1

    def _engine(self, net: Engine | Artifact | str | Path) -> Engine:
        if isinstance(net, Engine):
            return net
        artifact = net if isinstance(net, Artifact) else Artifact.load(net)
        return load(self._weights.share(artifact))
