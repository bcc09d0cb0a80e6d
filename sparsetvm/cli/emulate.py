"""sparsetvm emulate: a 64-bit ARM device on this machine, behind a tracker."""

from typing import Annotated

import typer

from . import options
from .output import progress, say_more

EXAMPLE = "sparsetvm emulate --key arm64 --tracker 127.0.0.1:9190"


def command(
    key: Annotated[str, typer.Option(help="What the tracker is to know it by.")] = "arm64",
    tracker: options.Tracker = None,
) -> None:
    """Emulate a 64-bit ARM device with Linux, until stopped: its results are right, its times
    mean nothing.

    The first time, what it runs in is made in the user's cache, from Debian's packages and wheels.
    """
    from ..bench.emulated_device import EmulatedDevice
    from ..runtime.tracker import DEFAULT

    with progress("starting an emulated device"):
        device = EmulatedDevice(key, tracker or DEFAULT)
    with device:
        say_more(f"{key} is there; stop it with Ctrl-C")
        device.join()
