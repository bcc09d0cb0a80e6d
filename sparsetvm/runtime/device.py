"""A device behind a tracker, taken: what travels to it, each library and each weight once."""

import hashlib
import tempfile
import time
from contextlib import suppress
from pathlib import Path

import numpy as np

from .._tvm import tvm
from .tracker import Remote, Tracker, device_errors

COOL = "cache_flush_cpu_non_first_arg"
"""What a device does before a timed run of a kernel, by TVM's name: all of its arguments but the
first, which the layer before has just written, leave the caches."""

_FAST_CORES = 1
"""TVM's mode in which threads run on the fast cores of a phone that has slow ones too."""


class Device:
    """One device, ours until `close`; or for `limit` seconds, after which it ends the session by
    itself, whatever it does then. 0: no limit.
    """

    def __init__(self, remote: Remote, threads: int, wait: float = 60.0, limit: float = 0.0):
        """Waits for a free one, `wait` seconds at most; runs on it use so many threads."""
        self.key = remote.key
        self.session, self.address = Tracker(remote.tracker).session(remote.key, wait, limit)
        self._end = time.monotonic() + limit if limit else float("inf")
        self._sent: dict[str, tvm.runtime.Module | tvm.runtime.Tensor] = {}
        with device_errors(self.name):
            self.cpu = self.session.cpu(0)
            self.session.get_function("runtime.config_threadpool")(_FAST_CORES, threads)

    @property
    def name(self) -> str:
        """pixel6 at 192.168.0.17:9090"""
        return f"{self.key} at {self.address}"

    @property
    def left(self) -> float:
        """Seconds until the session ends."""
        return self._end - time.monotonic()

    def library(self, code: bytes) -> "tvm.runtime.Module":
        """A shared library, loaded there."""
        digest = hashlib.sha256(code).hexdigest()
        if digest not in self._sent:
            with tempfile.TemporaryDirectory(prefix="sparsetvm-") as folder:
                path = Path(folder) / f"{digest[:16]}.so"
                path.write_bytes(code)
                self.session.upload(str(path))
            self._sent[digest] = self.session.load_module(path.name)
        return self._sent[digest]

    def weight(self, array: np.ndarray) -> "tvm.runtime.Tensor":
        """An array that stays there, and that nobody writes to."""
        kind = f"{array.dtype} {array.shape}".encode()
        digest = hashlib.sha256(kind + np.ascontiguousarray(array).data).hexdigest()
        if digest not in self._sent:
            self._sent[digest] = self.send(array)
        return self._sent[digest]

    def send(self, array: np.ndarray) -> "tvm.runtime.Tensor":
        return tvm.runtime.tensor(array, device=self.cpu)

    def close(self) -> None:
        """Give it back, whoever still holds something of it; what lies there is gone."""
        self._sent.clear()
        with suppress(RuntimeError, tvm.error.InternalError):  # it is gone already
            self.session.get_function("CloseRPCConnection")()

    def __enter__(self) -> "Device":
        return self

    def __exit__(self, *_) -> None:
        self.close()
