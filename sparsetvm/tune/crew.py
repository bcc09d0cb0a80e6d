"""Several workers that share one search: each takes the next candidate as soon as it is free."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace

from ..errors import DeviceError
from .evolve import Candidate
from .job import Measured, reason_of
from .worker import Worker


@dataclass(frozen=True)
class Work:
    """A candidate that is being measured; `before` is how it failed the first time, where the
    device may have been to blame."""

    candidate: Candidate
    program: str
    before: str | None = None


class Crew:
    """One worker for each device, or one for this machine.

    A failure that may be the device's is tried once more, on whichever device is free first; a
    device that fails is waited for while the others go on.
    """

    def __init__(self, workers: Sequence[Worker], say: Callable[[str], None]):
        """`say` hears what the user should know of the devices."""
        self._workers, self._say = workers, say
        self._pool = ThreadPoolExecutor(len(workers))
        self._idle: list[Worker] = []
        self._busy: dict[Future, tuple[Worker, Work | None]] = {}
        for worker in workers:
            self._await(worker)

    def measure(self, candidates: Iterator[Candidate]) -> Iterator[tuple[Candidate, Measured]]:
        """What comes out of each, in the order in which they are done; a candidate is drawn only
        when there is a worker for it."""
        again: list[Work] = []
        while True:
            while self._idle and (work := again.pop() if again else self._next(candidates)):
                worker = self._idle.pop()
                self._busy[self._pool.submit(worker.measure, work.program)] = worker, work
            if self._idle and not any(work for _, work in self._busy.values()):
                return
            done, _ = wait(self._busy, return_when=FIRST_COMPLETED)
            for future in done:
                worker, work = self._busy.pop(future)
                if work is None:
                    self._arrived(worker, future)
                    continue
                measured = future.result()
                self._await(worker)
                if measured.doubtful and work.before is None:
                    again.append(replace(work, before=measured.failure))
                else:
                    if work.before is not None:
                        end = measured.failure or "all was well"
                        self._say(f"{work.before}; the candidate was tried again: {end}")
                    yield work.candidate, measured

    def __enter__(self) -> "Crew":
        return self

    def __exit__(self, *_) -> None:
        for worker in self._workers:
            worker.close()
        self._pool.shutdown(cancel_futures=True)

    def _next(self, candidates: Iterator[Candidate]) -> Work | None:
        candidate = next(candidates, None)
        if candidate is None:
            return None
        return Work(candidate, self._workers[0].program(candidate.schedule.mod))

    def _await(self, worker: Worker) -> None:
        self._busy[self._pool.submit(worker.be_ready)] = worker, None

    def _arrived(self, worker: Worker, future: Future) -> None:
        """The worker has its device again; one that waited in vain leaves, but for the last."""
        try:
            future.result()
            self._idle.append(worker)
        except DeviceError as err:
            if not self._idle and not self._busy:
                raise
            self._say(f"one device less: {reason_of(err)}")
