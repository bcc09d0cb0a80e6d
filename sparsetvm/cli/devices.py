"""sparsetvm devices: who is behind an RPC tracker, and who is free."""

from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING

from . import options
from .output import progress, show_result

if TYPE_CHECKING:
    from ..runtime.roll_call import Presence

EXAMPLE = "sparsetvm devices --tracker 127.0.0.1:9190"


def command(tracker: options.Tracker = None, json: options.Json = False) -> None:
    """List the devices that a tracker knows: free, busy or broken, with chip and cores.

    RPC is remote code execution: keep trackers and servers where only you reach them.
    """
    from ..runtime.roll_call import roll_call
    from ..runtime.tracker import Tracker

    client = Tracker(tracker)
    with progress(f"asking the devices at {client.address}"):
        found = roll_call(tracker)
    text = "\n".join(_lines(found)) or f"the tracker at {client.address} knows no device yet"
    show_result({"tracker": client.address, "devices": [asdict(one) for one in found]}, text, json)


def _lines(found: "tuple[Presence, ...]") -> "Iterator[str]":
    width = max((len(one.key) for one in found), default=0)
    for one in found:
        cores = one.cores and f"{one.cores} cores"
        facts = [text for text in (one.chip, cores, one.fault) if text]
        yield f"{one.key:{width}}   {one.state:6}   {one.address}   {', '.join(facts)}".rstrip()
