"""A compiled net that runs on a device behind an RPC tracker."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from .._tvm import relax, tvm
from ..errors import InputError
from .artifact import Artifact
from .device import Device
from .engine import Engine, check_version
from .profile import Profile, spread
from .tracker import device_errors


class RemoteEngine(Engine):
    """Like an Engine; the net and its weights lie on the device, inputs and outputs travel."""

    def __init__(self, artifact: Artifact, device: Device):
        check_version(artifact.manifest)
        self.manifest, self._device = artifact.manifest, device
        self._own: dict[str, np.ndarray] = {}
        with device_errors(device.name):
            self._place = device.session.device(self.manifest.device)
            self._machine = relax.VirtualMachine(device.library(artifact.library), self._place)
            weights = [artifact.weights[name] for name in self.manifest.weights]
            self._weights = [device.weight(weight, self._place) for weight in weights]

    def profile(self, x: Any, repeats: int = 20, warmup: int = 2) -> Profile:
        """The time of a whole run by the device's own clock; its steps are not told apart."""
        if repeats < 1:
            raise InputError(f"repeats must be 1 or more; got {repeats}")
        seconds = self.seconds(x, repeats, warmup)
        return Profile(self._device.key, self.manifest.threads, repeats, spread(seconds), ())

    def seconds(self, x: Any, repeats: int, warmup: int = 0) -> tuple[float, ...]:
        """Of each of `repeats` runs, after one and `warmup` more."""
        with device_errors(self._device.name):
            self._set(self._send(self._arrays(x)[0]))
            for _ in range(warmup):
                self._machine.invoke_stateful("main")
            time = self._machine.time_evaluator(
                "invoke_stateful", self._place, number=1, repeat=repeats
            )
            return tuple(time("main").results)

    def _send(self, arrays: Sequence[np.ndarray]) -> list[tvm.runtime.Tensor]:
        with device_errors(self._device.name):
            return [self._device.send(array) for array in arrays]

    def _run(self, inputs: Sequence[tvm.runtime.Tensor]) -> list[np.ndarray]:
        with device_errors(self._device.name):
            self._set(inputs)
            self._machine.invoke_stateful("main")
            result = self._machine.get_outputs("main")
            outputs = [result] if isinstance(result, tvm.runtime.Tensor) else list(result)
            return [output.numpy() for output in outputs]

    def _set(self, inputs: Sequence[tvm.runtime.Tensor]) -> None:
        self._machine.set_input("main", *inputs, *self._weights)
