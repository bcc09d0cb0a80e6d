"""Candidates that run on a device behind a tracker."""

import signal
import time
from collections.abc import Callable

import numpy as np

from .._tvm import tvm
from ..errors import DeviceError
from ..runtime.device import COOL, Device
from ..runtime.tracker import device_errors
from .job import Job, Measured, believed
from .patience import patiently

WAIT = 10.0
"""Seconds in which a device that others use is no trouble to speak of."""
SESSION = 2
"""Candidates that a session has the time for, if each takes all of its own. One that hangs holds
the device until the session ends."""
GRACE = 5.0
"""Seconds in which a device that ends a session says so."""
REPEATS = 3
"""Runs that are timed in one go."""


class There:
    """Runs candidates on a device; the arguments travel once for each session.

    Every session begins with the default schedule, whose result must be right: a device that errs
    there is left alone for a while. `say` hears of each time that it was away.
    """

    def __init__(self, job: Job, say: Callable[[str], None], pause: Callable[[float], object]):
        """`pause` waits so many seconds, or less where the tuner is gone."""
        self._job, self._say, self._pause, self._device = job, say, pause, None
        self._target = tvm.target.Target(dict(job.target))
        self._default = self.build(job.default)
        self._cool = COOL if job.between > job.cache else ""

    def be_ready(self) -> None:
        """As `begin`, and wait for a device that works; DeviceError where none comes."""
        patiently(self.begin, self._say, self._pause)

    def begin(self) -> None:
        """Have a session that lasts for one more candidate, with all arguments there and the
        default schedule's result found right; DeviceError if the device does not let us."""
        job = self._job
        if self._device is not None and self._device.left > job.limit:
            return
        self.let_go()
        self._device = Device(job.remote, job.threads, WAIT, SESSION * job.limit)
        signal.setitimer(signal.ITIMER_REAL, job.limit)
        try:
            if wrong := self._checked(self._device):
                said = "does not compute the default schedule as numpy does"
                raise DeviceError(f"device {self._device.name} {said}: {wrong}")
        except DeviceError:
            self.let_go()
            raise
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)

    def build(self, module: str) -> bytes:
        """A library for the device."""
        built = tvm.compile(tvm.ir.load_json(module), target=self._target)
        return self._job.linker.library(built)

    @property
    def limit(self) -> float:
        """Seconds after which nothing more will come: the device should have ended the session."""
        return self._device.left + GRACE

    def measure(self, library: bytes) -> Measured:
        start = time.monotonic()
        try:
            return self._measure(library)
        except DeviceError:
            if time.monotonic() - start < self._job.limit:
                raise
            return Measured(failure=f"it ran longer than {self._job.limit:.0f} s")

    def _measure(self, library: bytes) -> Measured:
        with device_errors(self._device.name):
            run = self._device.library(library)
            if wrong := self._wrong(run):
                return Measured(failure=wrong)
            timer = run.time_evaluator(
                "main", self._device.cpu, number=1, repeat=REPEATS, f_preproc=self._cool
            )
            end = time.monotonic() + self._job.limit / 3
            return Measured(believed(lambda: timer(*self._tensors).results, end))

    def let_go(self) -> None:
        """Give the device back."""
        if self._device is not None:
            self._device.close()
            self._device = None

    def _checked(self, device: Device) -> str | None:
        """Send the arguments; what is wrong with the default schedule's result."""
        with device_errors(device.name):
            self._blank = device.send(_nothing(self._job.outputs[0]))
            outputs = [device.send(_nothing(shape)) for shape in self._job.outputs]
            inputs = [device.weight(array) for array in self._job.arguments]
            self._tensors, self._output = [*inputs, *outputs], outputs[0]
            return self._wrong(device.library(self._default))

    def _wrong(self, run: tvm.runtime.Module) -> str | None:
        self._blank.copyto(self._output)  # or the last one's result might stand for this one's
        run["main"](*self._tensors)
        return self._job.wrong(self._output.numpy())


def _nothing(shape: tuple[int, ...]) -> np.ndarray:
    return np.full(shape, np.nan, np.float32)
