"""Waiting for a device that failed: it may be rebooting, or somebody will mend it."""

import time
from collections.abc import Callable
from typing import TypeVar

from ..errors import DeviceError
from .job import reason_of

T = TypeVar("T")

PATIENCE = 600.0
"""Seconds that a device may stay away before tuning without it ends."""
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 30.0
"""Seconds between two looks at it."""


def patiently(
    work: Callable[[], T],
    say: Callable[[str], None],
    pause: Callable[[float], object] = time.sleep,
) -> T:
    """What `work` gives, once no device fails in it; DeviceError after PATIENCE.

    `say` hears what the trouble was, when it is over.
    """
    start, seconds, reason = time.monotonic(), FIRST_PAUSE, None
    while True:
        try:
            result = work()
            break
        except DeviceError as err:
            if time.monotonic() - start > PATIENCE:
                raise
            reason = reason_of(err)
        pause(seconds)
        seconds = min(2 * seconds, LONGEST_PAUSE)
    if reason is not None:
        say(f"{reason}; it went on after {time.monotonic() - start:.0f} s")
    return result
