"""Who is behind a tracker: free, busy or broken; a free one says its chip and cores."""

import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace

from .._tvm import tvm
from ..errors import DeviceError
from .device import close
from .tracker import Devices, Lent, Tracker, device_errors

FREE, BUSY, BROKEN = "free", "busy", "broken"

ANSWER = 20.0
"""Seconds in which a device that is free says what it is."""


@dataclass(frozen=True)
class Presence:
    """One device."""

    key: str
    address: str
    state: str
    """free, busy, or broken: it calls itself free and does not answer."""
    chip: str | None = None
    cores: int | None = None
    """Those that TVM would use."""
    fault: str | None = None


def roll_call(tracker: str | None = None, answer: float = ANSWER) -> tuple[Presence, ...]:
    """Every device that the tracker knows; the free ones are taken for a moment and asked."""
    there = Tracker(tracker)
    found: dict[str, Presence] = {}
    asking: list[threading.Thread] = []
    for devices in there.devices():
        for address in devices.addresses:
            found[address] = Presence(devices.key, address, BUSY)
        for lent in _lent(there, devices):
            silent = Presence(devices.key, lent.address, BROKEN, fault=f"silent for {answer:.0f} s")
            found[lent.address] = silent
            asking.append(threading.Thread(target=_ask, args=(lent, found, answer), daemon=True))
    for thread in asking:
        thread.start()
    end = time.monotonic() + answer
    for thread in asking:
        thread.join(max(end - time.monotonic(), 0))
    return tuple(found.values())


def _lent(there: Tracker, devices: Devices) -> Iterator[Lent]:
    """Those that are free."""
    with suppress(DeviceError):  # somebody else was faster
        for _ in range(devices.free):
            yield there.lend(devices.key)


def _ask(lent: Lent, found: dict[str, Presence], answer: float) -> None:
    presence = replace(found[lent.address], state=FREE, fault=None)
    try:
        session = lent.session(answer)
        with device_errors(lent.address):
            cores = int(session.get_function("runtime.NumThreads")())
            found[lent.address] = replace(presence, chip=_chip(session), cores=cores)
        close(session)
    except DeviceError as err:
        fault = str(err).splitlines()[0]
        found[lent.address] = replace(presence, state=BROKEN, fault=fault)


def _chip(session: "tvm.rpc.RPCSession") -> str | None:
    """By LLVM's name; None where the server has TVM's runtime only."""
    try:
        return str(session.get_function("target.llvm_get_system_cpu")())
    except (AttributeError, RuntimeError, tvm.error.InternalError):
        return None
