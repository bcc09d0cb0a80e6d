"""Streams fed at their rates, by the clock, as a camera or a microphone would."""

import heapq
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from typing import Any

from .stream import now
from .streams import Streams
from .threads import go_along, go_first


def pace(
    streams: Streams,
    sources: Mapping[str, Callable[[], Any]],
    seconds: float,
    given: Callable[[str, Any, Future], None] = lambda name, x, answer: None,
) -> None:
    """Give each stream what its source says, at its rate, for so many seconds.

    The k-th request of a stream belongs to the start + k / rate, and its deadline counts from
    there, however late it is given. A stream that ends on the way is fed no more. `given` is told
    of each request. Meanwhile the caller goes first of all, as an interrupt would.
    """
    go_first(before=1)
    try:
        _pace(streams, sources, seconds, given)
    finally:
        go_along()


def _pace(
    streams: Streams,
    sources: Mapping[str, Callable[[], Any]],
    seconds: float,
    given: Callable[[str, Any, Future], None],
) -> None:
    start = now()
    due = [(start, name, 0) for name in sources]
    heapq.heapify(due)
    while due and due[0][0] < start + seconds:
        at, name, count = due[0]
        time.sleep(max(0.0, at - now()))
        if name not in streams:
            heapq.heappop(due)
            continue
        x = sources[name]()
        given(name, x, streams.submit(name, x, at))
        following = start + (count + 1) / streams.streams[name].rate
        heapq.heapreplace(due, (following, name, count + 1))
