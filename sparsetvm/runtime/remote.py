"""A compiled net that runs on a device behind an RPC tracker."""

import hashlib
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from .._tvm import relax, tvm
from ..errors import InputError
from .artifact import Artifact
from .engine import Engine, check_version
from .profile import Profile, spread
from .tracker import Tracker, device_errors

_FAST_CORES = 1
"""TVM's mode in which threads run on the fast cores of a phone that has slow ones too."""


class RemoteEngine(Engine):
    """Like an Engine; the net and its weights lie on the device, inputs and outputs travel.

    `key` is what the tracker knows the device by. The device is taken until `close`.
    """

    def __init__(
        self, artifact: Artifact, key: str, tracker: str | None = None, wait: float = 60.0
    ):
        check_version(artifact.manifest)
        self.manifest, self.key = artifact.manifest, key
        self._own: dict[str, np.ndarray] = {}
        self._session = Tracker(tracker).session(key, wait)
        with device_errors(key):
            configure = self._session.get_function("runtime.config_threadpool")
            configure(_FAST_CORES, self.manifest.threads)
            self._device = self._session.cpu(0)
            self._machine = relax.VirtualMachine(self._upload(artifact.library), self._device)
            self._weights = [self._send(artifact.weights[n]) for n in self.manifest.weights]

    def profile(self, x: Any, repeats: int = 20, warmup: int = 2) -> Profile:
        """The time of a whole run by the device's own clock; its steps are not told apart."""
        if repeats < 1:
            raise InputError(f"repeats must be 1 or more; got {repeats}")
        with device_errors(self.key):
            self._set([self._send(array) for array in self._arrays(x)[0]])
            for _ in range(warmup):
                self._machine.invoke_stateful("main")
            time = self._machine.time_evaluator(
                "invoke_stateful", self._device, number=1, repeat=repeats
            )
            seconds = time("main").results
        return Profile(self.key, self.manifest.threads, repeats, spread(seconds), ())

    def close(self) -> None:
        """Give the device back."""
        del self._machine, self._weights, self._device, self._session

    def __enter__(self) -> "RemoteEngine":
        return self

    def __exit__(self, *_) -> None:
        self.close()

    def _run(self, inputs: Sequence[tvm.runtime.Tensor]) -> list[np.ndarray]:
        with device_errors(self.key):
            self._set([self._send(tensor.numpy()) for tensor in inputs])
            self._machine.invoke_stateful("main")
            result = self._machine.get_outputs("main")
            outputs = [result] if isinstance(result, tvm.runtime.Tensor) else list(result)
            return [output.numpy() for output in outputs]

    def _set(self, inputs: Sequence[tvm.runtime.Tensor]) -> None:
        self._machine.set_input("main", *inputs, *self._weights)

    def _send(self, array: np.ndarray) -> tvm.runtime.Tensor:
        return tvm.runtime.tensor(array, device=self._device)

    def _upload(self, library: bytes) -> tvm.runtime.Module:
        with tempfile.TemporaryDirectory(prefix="sparsetvm-") as folder:
            path = Path(folder) / f"{hashlib.sha256(library).hexdigest()[:16]}.so"
            path.write_bytes(library)
            self._session.upload(str(path))
        return self._session.load_module(path.name)
