"""Devices behind an RPC tracker: who is there, who is free, and a session on one of them.

Whoever reaches an RPC server runs code on it, and a tracker tells where servers are: keep both on
loopback, or in a network whose every machine you trust.
"""

import socket
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass

from tvm.rpc import base

from .._tvm import tvm
from ..errors import DeviceError

DEFAULT = "127.0.0.1:9190"
"""Where TVM's tracker listens unless it is told otherwise."""
ANSWER = 5.0
"""Seconds in which a tracker answers."""
POLL = 0.5
"""Seconds between two looks for a free device."""


@dataclass(frozen=True)
class Remote:
    """Where devices of one kind are found."""

    key: str
    """What the tracker knows them by."""
    tracker: str | None = None
    """host:port; None: DEFAULT."""


@dataclass(frozen=True)
class Devices:
    """All devices that a tracker knows by one key."""

    key: str
    addresses: tuple[str, ...]
    free: int

    @property
    def busy(self) -> int:
        return max(len(self.addresses) - self.free, 0)


@dataclass(frozen=True)
class Lent:
    """A device that the tracker gave to us; it waits a few seconds for our session."""

    address: str
    """host:port"""
    match: str
    """What it knows us by."""

    def session(self, limit: float = 0.0) -> "tvm.rpc.RPCSession":
        """The device itself ends it after `limit` seconds, whatever it does then; 0: never."""
        host, _, port = self.address.rpartition(":")
        with device_errors(self.address):
            return tvm.rpc.connect(host, int(port), self.match, session_timeout=limit)


class Tracker:
    """The tracker at `address`, host:port."""

    def __init__(self, address: str | None = None):
        self.address = address or DEFAULT
        host, _, port = self.address.rpartition(":")
        if not host or not port.isdecimal():
            raise DeviceError(
                f"{self.address!r} is no address of a tracker\n  write host:port, such as {DEFAULT}"
            )
        self._host, self._port = host, int(port)

    def devices(self) -> tuple[Devices, ...]:
        """By key; DeviceError where no tracker answers."""
        with self._client() as client:
            summary = client.summary()
        servers = [(one["key"].partition(":")[2], one["addr"]) for one in summary["server_info"]]
        there = Counter(key for key, _ in servers)
        queues = summary["queue_info"]
        return tuple(
            Devices(
                key=key,
                addresses=tuple(":".join(map(str, at)) for name, at in servers if name == key),
                free=queues.get(key, {}).get("free", 0),
            )
            for key in sorted(there)
        )

    def known(self, key: str) -> Devices:
        """The devices of `key`, free or not; DeviceError where there is none."""
        devices = self.devices()
        for one in devices:
            if one.key == key:
                return one
        raise DeviceError(self._none_free(key, devices, 0))

    def lend(self, key: str, wait: float = 0.0) -> Lent:
        """A device of `key` for us alone, once one is free; for `wait` seconds at most."""
        end = time.monotonic() + wait
        while True:
            devices = self.devices()
            if any(one.key == key and one.free for one in devices):
                return self._request(key)
            if time.monotonic() >= end:
                raise DeviceError(self._none_free(key, devices, wait))
            time.sleep(POLL)

    def _request(self, key: str) -> Lent:
        """TVM's own request would wait for ever where another has just taken the device."""
        with self._client() as client:
            base.sendjson(client._sock, [base.TrackerCode.REQUEST, key, "", 1])
            _, (host, port, match) = base.recvjson(client._sock)
        return Lent(f"{host}:{port}", match)

    @contextmanager
    def _client(self) -> "Iterator[tvm.rpc.TrackerSession]":
        """A line to the tracker; DeviceError where it does not answer, at whatever point."""
        try:
            # TVM's own connection would try for a minute
            socket.create_connection((self._host, self._port), ANSWER).close()
            with closing(tvm.rpc.connect_tracker(self._host, self._port)) as client:
                client._sock.settimeout(ANSWER)
                yield client
        except (OSError, RuntimeError) as err:
            raise DeviceError(
                f"no tracker answers at {self.address}: {err}\n"
                f"  start one: python -m tvm.exec.rpc_tracker --host {self._host} "
                f"--port {self._port} --port-end {self._port + 1}"
            ) from err

    def _none_free(self, key: str, devices: tuple[Devices, ...], wait: float) -> str:
        known = {one.key: one for one in devices}
        if key in known:
            said = f"all {len(known[key].addresses)} devices {key!r} were busy for {wait:.0f} s"
            return f"{said}\n  wait for whoever uses them, or add one"
        there = ", ".join(known) or "none"
        return (
            f"the tracker at {self.address} knows no device {key!r}; it knows: {there}\n"
            f"  start its RPC server with --key={key} and this tracker's address"
        )


@contextmanager
def device_errors(key: str) -> Iterator[None]:
    """What TVM says when a device fails, in one sentence."""
    try:
        yield
    except (RuntimeError, OSError, tvm.error.InternalError) as err:
        said = str(err).strip().splitlines()[-1] if str(err).strip() else type(err).__name__
        steps = (step for sign, step in _NEXT_STEPS.items() if sign in said)
        raise DeviceError(
            f"device {key!r} failed or went away: {said}\n  {next(steps, _LOOK)}"
        ) from err


_LOOK = "see whether it is there: sparsetvm devices"
_NEXT_STEPS = {
    "Failed to load dynamic shared library": "compile for its system: linux-arm64 is Linux, also "
    "in Termux; android-cpu is Android itself",
    "pending_request_bytes_": "its RPC server is of another TVM; start the one that runs here",
}
"""By what TVM says."""
