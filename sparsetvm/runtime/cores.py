"""Who gets the cores: the most urgent runs first, on as few as it needs; the rest go to who gains.

Urgent is who has the higher priority, then who is due first (Liu and Layland 1973: no order of one
core misses fewer deadlines). Short runs keep their cores until they end. Long ones give way: to the
short ones the system makes them, within microseconds and wherever they are, so these are dealt all
cores as if the long ones were not there; among each other they give way between two steps of their
nets.
"""

import threading
from collections.abc import Callable, Sequence

from .stream import now
from .threads import current_cpu

GAIN = 0.9
"""A further core must save a tenth of the time to be worth taking."""


class Stopped(Exception):
    """The claim was withdrawn while its net ran."""


class Claim:
    """One run of a net: when it is due, and how long it takes on 1, 2, … cores.

    One that gives way is long; one that leaves room takes no core that it does not need, since
    another short one may come while it runs.
    """

    def __init__(
        self,
        name: str,
        number: int,
        due: float,
        seconds: Sequence[float],
        priority: int = 0,
        gives_way: bool = False,
        leaves_room: bool = False,
    ):
        self.name = name
        self.number = number
        self.urgency = (-priority, due)
        self.due = due
        self.seconds = seconds
        self.gives_way = gives_way
        self.leaves_room = leaves_room
        self.cores: tuple[int, ...] = ()
        """Those it has; of what gives way, only how many they are."""
        self.at = -1
        """The core on which its thread was when it asked."""
        self.is_stopped = False
        self.changed: threading.Condition | None = None
        """Who waits for cores is told by it."""
        self.done = 0.0
        """The part of the run that lies behind, 0 .. 1."""
        self.since = 0.0
        """When `cores` last changed."""
        self.whole: tuple[int, float] | None = None
        """Cores and seconds of the run, once it is over and had the same cores throughout."""

    def needed(self, at: float) -> int:
        """The fewest cores on which it is in time; one where even all of them come too late."""
        rest = self.rest_at(at)
        widths = range(1, len(self.seconds) + 1)
        return next((w for w in widths if at + rest * self.seconds[w - 1] <= self.due), 1)

    def gains_from(self, width: int) -> bool:
        """Whether it is worth having so many cores rather than one fewer."""
        return (
            width <= len(self.seconds) and self.seconds[width - 1] < GAIN * self.seconds[width - 2]
        )

    def rest_at(self, at: float) -> float:
        """The part of the run that lies ahead."""
        if not self.cores:
            return 1 - self.done
        return max(0.0, 1 - self.done - (at - self.since) / self.seconds[len(self.cores) - 1])


def divide(claims: Sequence[Claim], cores: int, at: float) -> dict[Claim, int]:
    """How many cores each claim should have at that time."""
    shares = {claim: len(claim.cores) for claim in claims if claim.cores and not claim.gives_way}
    free = cores - sum(shares.values())
    others = sorted(
        (claim for claim in claims if claim not in shares), key=lambda claim: claim.urgency
    )
    for claim in others:
        shares[claim] = min(free, claim.needed(at))
        free -= shares[claim]
    for claim in others:
        while (
            not claim.leaves_room and free and shares[claim] and claim.gains_from(shares[claim] + 1)
        ):
            shares[claim] += 1
            free -= 1
    return shares


class Cores:
    """The cores of a machine, dealt out anew whenever a claim comes or goes: all of them to the
    short runs, and all of them to the long ones, which have what the short ones leave.

    Where short runs go first (`threads.go_first`), the system finds room for them. Elsewhere
    `are_pinned`: each short run keeps to its cores, and the long ones go last (`threads.go_last`).

    `note(name, number, core, start, end)` is told of each stretch of time that a claim had a core.
    """

    def __init__(
        self,
        cores: Sequence[int],
        note: Callable[[str, int, int, float, float], None],
        are_pinned: bool = False,
    ):
        self.all = tuple(cores)
        self.are_pinned = are_pinned
        self._note = note
        self._claims: list[Claim] = []
        self._lock = threading.Lock()

    def take(self, claim: Claim) -> None:
        """Wait until the claim has cores: `claim.cores`."""
        claim.at = current_cpu()
        with self._lock:
            claim.changed = threading.Condition(self._lock)
            self._claims.append(claim)
            self._deal()
            self._wait(claim)

    def give_way(self, claim: Claim) -> None:
        """Between two steps of a long run: wait while other long ones are more urgent."""
        if claim.is_stopped or not claim.cores:
            with self._lock:
                self._wait(claim)

    def leave(self, claim: Claim) -> None:
        """The run is over."""
        with self._lock:
            if claim.cores and not claim.done:
                claim.whole = len(claim.cores), now() - claim.since
            self._claims.remove(claim)
            self._hand(claim, ())
            self._deal()

    def stop(self, claim: Claim) -> None:
        """End the claim's run where it stands: between two steps, if it gives way, or waiting."""
        with self._lock:
            claim.is_stopped = True
            if claim.changed is not None:
                claim.changed.notify()

    def _wait(self, claim: Claim) -> None:
        while not claim.cores and not claim.is_stopped:
            claim.changed.wait()
        if claim.is_stopped:
            raise Stopped(claim.name)

    def _deal(self) -> None:
        for gives_way in (False, True):
            self._deal_to([claim for claim in self._claims if claim.gives_way is gives_way])

    def _deal_to(self, claims: Sequence[Claim]) -> None:
        """Everybody's share: the cores that it has, or else that on which its thread is."""
        shares = divide(claims, len(self.all), now())
        kept = {claim: claim.cores[: shares[claim]] for claim in claims}
        held = {core for cores in kept.values() for core in cores}
        free = [core for core in self.all if core not in held]
        for claim, cores in kept.items():
            free.sort(key=lambda core: core != claim.at)
            more = shares[claim] - len(cores)
            self._hand(claim, cores + tuple(free[:more]))
            free = free[more:]

    def _hand(self, claim: Claim, cores: tuple[int, ...]) -> None:
        if cores == claim.cores:
            return
        at = now()
        claim.done = 1.0 - claim.rest_at(at)
        for core in claim.cores:
            self._note(claim.name, claim.number, core, claim.since, at)
        had, claim.cores, claim.since = claim.cores, cores, at
        if cores and not had:
            claim.changed.notify()
