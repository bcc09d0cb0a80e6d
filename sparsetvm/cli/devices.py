"""sparsetvm devices: who is behind an RPC tracker, and who is free."""

from dataclasses import asdict

from . import options
from .output import show_result

EXAMPLE = "sparsetvm devices --tracker 127.0.0.1:9190"


def command(tracker: options.Tracker = None, json: options.Json = False) -> None:
    """List the devices that a tracker knows.

    RPC is remote code execution: keep trackers and servers where only you reach them.
    """
    from ..runtime.tracker import Tracker

    client = Tracker(tracker)
    found = client.devices()
    rows = [asdict(one) | {"busy": one.busy} for one in found]
    width = max((len(one.key) for one in found), default=0)
    lines = [
        f"{one.key:{width}}   {one.free} free, {one.busy} busy, {one.waiting} waiting"
        f"   {', '.join(one.addresses)}"
        for one in found
    ]
    text = "\n".join(lines) or f"the tracker at {client.address} knows no device yet"
    show_result({"tracker": client.address, "devices": rows}, text, json)
