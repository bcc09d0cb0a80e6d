"""The thread of one stream: it takes requests one by one and runs them on the cores it is given."""

import threading
from collections import deque
from collections.abc import Sequence
from typing import Any

from .cores import Claim, Cores, Stopped
from .engine import Engine
from .stream import LATEST, Request, Stream, now
from .threads import go_before_most, go_first, go_last, use_threads
from .timeline import Tally

LEARN = 0.1
"""How much of what a run took goes into what the next is expected to take."""


class StreamWorker:
    """One stream's net, what waits for it, and the thread that runs it."""

    def __init__(self, stream: Stream, engine: Engine, cores: Cores, seconds: Sequence[float]):
        self.stream = stream
        self.engine = engine
        """The net of the next request; another may be put in its place at any time."""
        self.tally = Tally()
        self.seconds = list(seconds)
        """What a run takes on 1, 2, … cores; they follow what runs take, in one proportion."""
        self.gives_way = False
        """Whether its runs are long, and the short ones of others go first."""
        self.has_rivals = False
        """Whether there are other streams of its kind: of those that give way, or of the rest."""
        self._cores = cores
        self._waiting: deque[Request] = deque()
        self._changed = threading.Condition()
        self._claim: Claim | None = None
        self._numbers = 0
        self._is_stopped = False
        self._thread = threading.Thread(target=self._serve, name=stream.name, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def ask(self, x: Any, asked: float) -> Request:
        """A request that waits, or is dropped at once; its deadline counts from `asked`."""
        self.tally.count("asked")
        with self._changed:
            request = Request(self._numbers, x, asked, asked + self.stream.seconds)
            self._numbers += 1
            dropped = self._make_room(request)
            self._changed.notify()
        for each in dropped:
            self._drop(each)
        return request

    def stop(self) -> None:
        """End the run where it stands and drop what waits."""
        with self._changed:
            self._is_stopped = True
            if self._claim is not None:
                self._cores.stop(self._claim)
            self._changed.notify()
        self._thread.join()

    def _make_room(self, request: Request) -> list[Request]:
        """Let it wait if it may; those that are dropped for it, or itself."""
        running = self._claim is not None
        if self._is_stopped:
            return [request]
        if len(self._waiting) + running <= self.stream.waiting:
            self._waiting.append(request)
            return []
        if self.stream.when_busy != LATEST:
            return [request]
        dropped = list(self._waiting)
        self._waiting.clear()
        self._waiting.append(request)
        return dropped

    def _serve(self) -> None:
        if not self.gives_way:
            go_first()
        elif self._cores.are_pinned:
            go_last()
        else:
            go_before_most()
        while (request := self._next()) is not None:
            if request.answer.set_running_or_notify_cancel():
                self._answer(request)
            with self._changed:
                self._claim = None
        for request in self._waiting:
            self._drop(request)

    def _drop(self, request: Request) -> None:
        self.tally.count("dropped")
        if request.answer.cancel():
            request.answer.set_running_or_notify_cancel()  # who waits for several is told too

    def _next(self) -> Request | None:
        """The next request, with its claim; None: the stream has ended."""
        with self._changed:
            while not (self._waiting or self._is_stopped):
                self._changed.wait()
            if self._is_stopped:
                return None
            request = self._waiting.popleft()
            self._claim = Claim(
                self.stream.name,
                request.number,
                request.due,
                self.seconds,
                self.stream.priority,
                self.gives_way,
                leaves_room=self.has_rivals and not self.gives_way,
            )
            return request

    def _answer(self, request: Request) -> None:
        """Whatever goes wrong is this request's answer, and nobody else's."""
        try:
            answer = run(self.engine, request.x, self._claim, self._cores, self.has_rivals)
        except Exception as err:
            self.tally.count("failed")
            request.answer.set_exception(err)
            return
        if (whole := self._claim.whole) is not None:
            width, seconds = whole
            slower = 1 + LEARN * (seconds / self.seconds[width - 1] - 1)
            self.seconds[:] = [slower * each for each in self.seconds]
        answered = now()
        self.tally.answer(answered - request.asked, answered > request.due)
        request.answer.set_result(answer)


def run(engine: Engine, x: Any, claim: Claim, cores: Cores, has_rivals: bool = False) -> Any:
    """One run on the cores that the claim is given; with rivals step by step, if it gives way."""

    def settle() -> None:
        engine.threads = max(len(claim.cores), 1)  # none: it lost them just now, the next step sees
        engine.cpus = claim.cores if cores.are_pinned and not claim.gives_way else cores.all

    def before_step() -> None:
        cores.give_way(claim)
        settle()

    try:
        cores.take(claim)
        settle()
        engine.watch(before_step if claim.gives_way and has_rivals else None)
        return engine(x)
    except RuntimeError as err:
        if claim.is_stopped:  # TVM hands on what `before_step` raised under its own name
            raise Stopped(claim.name) from err
        raise
    finally:
        # who waits may be woken on any core; its last one may be another's by then
        use_threads(engine.threads, cores.all)
        cores.leave(claim)
