"""A 64-bit ARM device emulated on this machine: TVM's own RPC server under qemu, and a tracker.

Its results are those of a phone's instructions; its times mean nothing.
"""

import logging
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable

from ..errors import DeviceError
from ..runtime.tracker import Tracker
from .emulated_machine import arm_python

log = logging.getLogger(__name__)

START = 600.0
"""Seconds in which tracker and server are there; 20 on a quiet machine."""
POLL = 0.3
"""Seconds between two looks."""

_WHILE_WE_LIVE = ("sh", "-c", '("$@"; kill -9 0) & read -r _; kill -9 0', "while-we-live")
"""Runs a command, and ends it with all it started when our end of its standard input closes."""


class EmulatedDevice:
    """A device of that `key`, for as long as the `with` lasts.

        with EmulatedDevice("arm64") as device:
            st.tune(ir, target="linux-arm64", device=device.key, tracker=device.tracker)

    Without the address of a tracker it has one of its own. Both listen on loopback only. The first
    device ever takes a minute more: what it runs in is made (`emulated_machine`).
    """

    def __init__(self, key: str = "arm64", tracker: str | None = None):
        self.key = key
        self._processes: list[subprocess.Popen] = []
        python = str(arm_python())
        self._log = tempfile.TemporaryFile()  # noqa: SIM115  close() does
        try:
            self.tracker = tracker or self._own_tracker()
            self._free()  # or DeviceError: no tracker answers
            where = self._start(python, "rpc_server", f"--tracker={self.tracker}", f"--key={key}")
            self._await(lambda: where in self._free())
        except BaseException:
            self.close()
            raise

    def join(self) -> None:
        """Wait until it dies, which it does not by itself; then DeviceError says of what."""
        self._processes[-1].wait()
        raise DeviceError(f"the emulated device {self.key!r} died: {self._last_words()}")

    def close(self) -> None:
        """End it."""
        for process in self._processes:
            process.stdin.close()
            process.wait()
        self._processes.clear()
        self._log.close()

    def __enter__(self) -> "EmulatedDevice":
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def _own_tracker(self) -> str:
        self.tracker = self._start(sys.executable, "rpc_tracker")
        self._await(self._tracker_answers)
        return self.tracker

    def _start(self, python: str, program: str, *options: str) -> str:
        """Its address."""
        port = _free_port()
        command = [python, "-m", f"tvm.exec.{program}", "--host=127.0.0.1", *options]
        command += [f"--port={port}", f"--port-end={port + 1}"]
        log.debug("%s", " ".join(command))
        process = subprocess.Popen(
            [*_WHILE_WE_LIVE, *command],
            stdin=subprocess.PIPE,
            stdout=self._log,
            stderr=self._log,
            start_new_session=True,
        )
        self._processes.append(process)
        return f"127.0.0.1:{port}"

    def _await(self, there: Callable[[], bool]) -> None:
        """Until what was started last is there."""
        end = time.monotonic() + START
        while not there():
            if self._processes[-1].poll() is not None or time.monotonic() > end:
                raise DeviceError(f"the emulated device did not start: {self._last_words()}")
            time.sleep(POLL)

    def _tracker_answers(self) -> bool:
        try:
            Tracker(self.tracker).devices()
        except DeviceError:
            return False
        return True

    def _free(self) -> list[str]:
        """Addresses of devices of our key, if one of them is free."""
        found = Tracker(self.tracker).devices()
        return [at for one in found if one.key == self.key and one.free for at in one.addresses]

    def _last_words(self) -> str:
        self._log.seek(0)
        said = self._log.read().decode(errors="replace").strip()
        return said.splitlines()[-1] if said else f"it said nothing in {START:.0f} s"


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]
