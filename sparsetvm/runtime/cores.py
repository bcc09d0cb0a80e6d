"""Who gets the cores: the most urgent runs first, on as few as it needs; the rest go to who gains.

Urgent is who has the higher priority, then who is due first (Liu and Layland 1973: no order of one
core misses fewer deadlines). A claim asks for cores, keeps them until it gives them back, and where
it may be interrupted, it gives way between two steps of its net.
"""

import threading
from collections.abc import Callable, Sequence

from .stream import now

GAIN = 0.9
"""A further core must save a tenth of the time to be worth taking."""


class Stopped(Exception):
    """The claim was withdrawn while its net ran."""


class Claim:
    """One run of a net: when it is due, and how long it takes on 1, 2, … cores."""

    def __init__(
        self,
        name: str,
        number: int,
        due: float,
        seconds: Sequence[float],
        priority: int = 0,
        gives_way: bool = False,
    ):
        self.name = name
        self.number = number
        self.urgency = (-priority, due)
        self.due = due
        self.seconds = seconds
        self.gives_way = gives_way
        self.cpus: tuple[int, ...] = ()
        self.wanted = 0
        """How many cores it should have by now."""
        self.is_stopped = False
        self.done = 0.0
        """The part of the run that lies behind, 0 .. 1."""
        self.since = 0.0
        """When `cpus` last changed."""
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
        if not self.cpus:
            return 1 - self.done
        return max(0.0, 1 - self.done - (at - self.since) / self.seconds[len(self.cpus) - 1])


def divide(claims: Sequence[Claim], cores: int, at: float) -> dict[Claim, int]:
    """How many cores each claim should have at that time."""
    shares = {claim: len(claim.cpus) for claim in claims if claim.cpus and not claim.gives_way}
    free = cores - sum(shares.values())
    others = sorted(
        (claim for claim in claims if claim not in shares), key=lambda claim: claim.urgency
    )
    for claim in others:
        shares[claim] = min(free, claim.needed(at))
        free -= shares[claim]
    for claim in others:
        while free and shares[claim] and claim.gains_from(shares[claim] + 1):
            shares[claim] += 1
            free -= 1
    return shares


class Cores:
    """The cores of a machine, handed from claim to claim.

    `note(name, number, cpu, start, end)` is told of each stretch of time that a claim had a core.
    """

    def __init__(self, cpus: Sequence[int], note: Callable[[str, int, int, float, float], None]):
        self._all = len(cpus)
        self._free = list(cpus)
        self._note = note
        self._claims: list[Claim] = []
        self._changed = threading.Condition()

    def take(self, claim: Claim) -> None:
        """Wait until the claim has cores: `claim.cpus`."""
        with self._changed:
            self._claims.append(claim)
            self._divide()
            self._wait(claim)

    def give_way(self, claim: Claim) -> None:
        """Between two steps: hand over what others need more, take what is free."""
        if claim.is_stopped:
            raise Stopped(claim.name)
        if claim.wanted == len(claim.cpus):
            return
        with self._changed:
            self._resize(claim, claim.wanted)
            self._divide()
            self._wait(claim)

    def leave(self, claim: Claim) -> None:
        """The run is over."""
        with self._changed:
            if claim.cpus and not claim.done:
                claim.whole = len(claim.cpus), now() - claim.since
            self._resize(claim, 0)
            self._claims.remove(claim)
            self._divide()

    def stop(self, claim: Claim) -> None:
        """End the claim's run where it stands: between two steps, if it gives way, or waiting."""
        with self._changed:
            claim.is_stopped = True
            self._changed.notify_all()

    def _wait(self, claim: Claim) -> None:
        while not claim.cpus:
            if claim.is_stopped:
                raise Stopped(claim.name)
            self._changed.wait()

    def _divide(self) -> None:
        """Say what each should have; whoever has nothing gets what is free of it at once."""
        shares = divide(self._claims, self._all, now())
        for claim, width in shares.items():
            claim.wanted = width
        for claim in sorted(self._claims, key=lambda claim: claim.urgency):
            if claim.wanted and not claim.cpus and self._free:
                self._resize(claim, min(claim.wanted, len(self._free)))
        self._changed.notify_all()

    def _resize(self, claim: Claim, width: int) -> None:
        """Give the claim so many cores, or as many as are free; it keeps those that it has."""
        at = now()
        claim.done = 1.0 - claim.rest_at(at)
        for cpu in claim.cpus:
            self._note(claim.name, claim.number, cpu, claim.since, at)
        cpus = list(claim.cpus)
        while len(cpus) > width:
            self._free.append(cpus.pop())
        while len(cpus) < width and self._free:
            cpus.append(self._free.pop())
        claim.cpus, claim.since = tuple(cpus), at
