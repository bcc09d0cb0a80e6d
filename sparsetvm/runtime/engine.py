"""A compiled net that runs: numpy arrays or torch tensors in, the same kind out."""

import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from .._tvm import relax, tvm
from ..errors import FileError, InputError, TargetError
from ..targets.cpu import allowed_cpus, device_name, extensions, host
from .artifact import ALIGNMENT, Artifact, aligned
from .manifest import Manifest, TensorSpec
from .profile import Profile, StepTime, spread
from .threads import use_threads

LAUNCHES = 20
"""Of a GPU's kernel, to time it."""

BUILTIN = "vm.builtin."
"""What TVM's machine calls for allocation and the like."""


def load(artifact: str | Path | Artifact) -> "Engine":
    """An engine for an artifact, or for the file that holds one; a CoEngine where it holds several
    nets."""
    artifact = artifact if isinstance(artifact, Artifact) else Artifact.load(artifact)
    if not artifact.manifest.entries:
        return Engine(artifact)
    from .coexec import CoEngine  # which is an Engine

    return CoEngine(artifact)


class Loaded:
    """An artifact's library and weights in memory: what the engines of all its nets share."""

    def __init__(self, artifact: Artifact):
        _check_runs_here(artifact.manifest)
        self.place = tvm.device(artifact.manifest.device)
        self.library = _load_library(artifact.library)
        self._weights = artifact.weights
        self._tensors: dict[tuple, tvm.runtime.Tensor] = {}

    def weights(self, names: Sequence[str]) -> list[tvm.runtime.Tensor]:
        return [self._tensor(self._weights[name]) for name in names]

    def _tensor(self, array: np.ndarray) -> tvm.runtime.Tensor:
        """Equal parts of one memory are one tensor."""
        key = (array.ctypes.data, array.shape, array.dtype)
        if key not in self._tensors:
            (self._tensors[key],) = _to_device([array], self.place)
        return self._tensors[key]


class Engine:
    """Runs one net; for one caller at a time, so give each thread an engine of its own.

    y = engine(x)                  # one input
    y = engine([a, b])             # several, in order
    y = engine({"a": a, "b": b})   # or by name
    """

    def __init__(self, artifact: Artifact, loaded: Loaded | None = None):
        """`loaded`: what engines of one artifact share."""
        self.manifest = manifest = artifact.manifest
        loaded = loaded or Loaded(artifact)
        self._place = loaded.place
        self._weights = loaded.weights(manifest.weights)
        self._machine = relax.VirtualMachine(loaded.library, self._place)
        self._function = self._machine[manifest.function]
        self._own: dict[str, np.ndarray] = {}
        self._watch: Callable | None = None
        self.threads = manifest.threads
        """That the next kernels run on."""
        self.cpus: Sequence[int] | None = None
        """Where they run, each thread on one if there are as many; None: wherever the system lets
        the caller."""

    def __call__(self, x: Any) -> Any:
        """One run. Contiguous inputs that lie at 64 bytes, as torch's do, are not copied."""
        arrays, is_torch = self._arrays(x)
        outputs = self._run(self._send(arrays))
        if is_torch:
            outputs = [sys.modules["torch"].from_numpy(output) for output in outputs]
        return outputs[0] if len(outputs) == 1 else tuple(outputs)

    def profile(self, x: Any, repeats: int = 20, warmup: int = 2) -> Profile:
        """The time of a whole run and of each of its steps, over so many runs of `x`."""
        if repeats < 1:
            raise InputError(f"repeats must be 1 or more; got {repeats}")
        inputs = self._send(self._arrays(x)[0])
        for _ in range(warmup):
            self._run(inputs)
        total = []
        for _ in range(repeats):
            start = time.perf_counter()
            self._run(inputs)
            total.append(time.perf_counter() - start)
        calls = [self._timed_calls(inputs) for _ in range(repeats)]
        layers = {layer.name: layer for layer in self.manifest.layers}
        return Profile(
            device=self._place.device_name if self._is_gpu else device_name(),
            threads=min(self.threads, len(allowed_cpus())),
            repeats=repeats,
            total=spread(total),
            steps=tuple(
                StepTime(step.name, step.kernel, spread(seconds), layers.get(step.name))
                for step, seconds in zip(self.manifest.steps, zip(*calls, strict=True), strict=True)
            ),
        )

    def watch(self, before_step: Callable[[], None] | None) -> None:
        """Have `before_step` called before each step of every run, or no longer.

        It may wait, and it may change `threads` and `cpus`; what it raises ends the run with a
        RuntimeError. A net pays for it with 1 us for each call of the machine: EfficientNet-Lite0
        0.3 ms of 2.7, HED under 1 ms of 50 (2-core EPYC).
        """

        def watch(_function, name, is_before, _result, *_arguments):
            if is_before and not name.startswith(BUILTIN):
                before_step()
                use_threads(self.threads, self.cpus)
            return relax.VMInstrumentReturnKind.NO_OP

        self._watch = watch if before_step else None
        self._machine.set_instrument(self._watch)

    def weight_bytes(self) -> dict[int, int]:
        """The bytes of each weight, by its address; equal ones of several nets may lie at one."""
        return {
            weight.data_ptr(): int(np.prod(weight.shape)) * np.dtype(weight.dtype).itemsize
            for weight in self._weights
        }

    def arena_bytes(self, x: Any) -> int:
        """The memory that a run of `x` plans for activations, reused along the net."""
        inputs = self._send(self._arrays(x)[0])
        sizes: list[int] = []

        def watch(_function, name, is_before, _result, *arguments):
            if is_before and name == "vm.builtin.alloc_storage":
                sizes.append(int(arguments[1][0]))
            return relax.VMInstrumentReturnKind.NO_OP

        self._instrumented(watch, inputs)
        return sum(sizes)

    @property
    def _is_gpu(self) -> bool:
        return self.manifest.device != "cpu"

    def _send(self, arrays: Sequence[np.ndarray]) -> list[tvm.runtime.Tensor]:
        """The arrays where the net runs."""
        return _to_device(arrays, self._place)

    def _run(self, inputs: Sequence[tvm.runtime.Tensor]) -> list[np.ndarray]:
        use_threads(self.threads, self.cpus)
        result = self._function(*inputs, *self._weights)
        outputs = [result] if isinstance(result, tvm.runtime.Tensor) else list(result)
        kept = {tensor.data_ptr() for tensor in (*inputs, *self._weights)}
        return [
            # numpy() copies: an output that is an input or a weight must not change with it
            output.numpy() if self._is_gpu or output.data_ptr() in kept else np.from_dlpack(output)
            for output in outputs
        ]

    def _timed_calls(self, inputs: Sequence[tvm.runtime.Tensor]) -> list[float]:
        """Seconds of each kernel call of one run; the clock itself adds less than 1 us to each."""
        kernels: list[str] = []
        seconds: list[float] = []
        start = 0.0

        def clock(function, name, is_before, _result, *arguments):
            nonlocal start
            if name.startswith(BUILTIN):
                return relax.VMInstrumentReturnKind.NO_OP
            if is_before:
                kernels.append(name)
                start = time.perf_counter()
            elif self._is_gpu:
                seconds.append(self._launched(function, arguments))
            else:
                seconds.append(time.perf_counter() - start)
            return relax.VMInstrumentReturnKind.NO_OP

        self._instrumented(clock, inputs)
        assert kernels == [step.kernel for step in self.manifest.steps], "the manifest's steps lie"
        return seconds

    def _launched(self, kernel: Callable, arguments: Sequence[Any]) -> float:
        """Seconds of one of many launches in a row: a single one takes longer to begin than to
        run. It writes what it wrote before."""
        self._place.sync()
        start = time.perf_counter()
        for _ in range(LAUNCHES):
            kernel(*arguments)
        self._place.sync()
        return (time.perf_counter() - start) / LAUNCHES

    def _instrumented(self, instrument: Callable, inputs: Sequence[tvm.runtime.Tensor]) -> None:
        """One run; the machine tells `instrument` of each call before and after it."""
        self._machine.set_instrument(instrument)
        try:
            self._run(inputs)
        finally:
            self._machine.set_instrument(self._watch)

    def _arrays(self, x: Any) -> tuple[list[np.ndarray], bool]:
        """The inputs in order, as arrays that TVM can take; and whether they came from torch."""
        values = self._in_order(x)
        specs = self.manifest.inputs
        kinds = {_is_torch(value, spec) for value, spec in zip(values, specs, strict=True)}
        if len(kinds) == 2:
            raise InputError("inputs are numpy arrays or torch tensors, all of one kind; got both")
        arrays = [_to_numpy(value, spec) for value, spec in zip(values, specs, strict=True)]
        ready = [self._ready(array, spec) for array, spec in zip(arrays, specs, strict=True)]
        return ready, kinds == {True}

    def _in_order(self, x: Any) -> list[Any]:
        names = [spec.name for spec in self.manifest.inputs]
        if isinstance(x, Mapping):
            if set(x) != set(names):
                raise InputError(
                    f"the engine's inputs are {', '.join(names)}; got {', '.join(map(str, x))}"
                )
            return [x[name] for name in names]
        values = list(x) if isinstance(x, list | tuple) else [x]
        if len(values) != len(names):
            raise InputError(
                f"the engine takes {len(names)} input{'s' if len(names) > 1 else ''}"
                f" ({', '.join(names)}); got {len(values)}"
            )
        return values

    def _ready(self, array: np.ndarray, spec: TensorSpec) -> np.ndarray:
        """The array itself where TVM can take it as it lies, else a copy in our own memory."""
        if _is_ready(array):
            return array
        if spec.name not in self._own:
            self._own[spec.name] = aligned(spec.shape, spec.dtype)
        np.copyto(self._own[spec.name], array)
        return self._own[spec.name]


def _is_torch(value: Any, spec: TensorSpec) -> bool:
    if isinstance(value, np.ndarray):
        return False
    torch = sys.modules.get("torch")  # whoever has a tensor has imported it
    if torch is not None and isinstance(value, torch.Tensor):
        return True
    raise InputError(
        f"input {spec.name} is a {type(value).__name__}; give a numpy array or a torch tensor"
    )


def _to_numpy(value: Any, spec: TensorSpec) -> np.ndarray:
    """The same numbers in the same memory, once shape and dtype are right."""
    shape, dtype = tuple(value.shape), str(value.dtype).removeprefix("torch.")
    if shape != spec.shape:
        raise InputError(
            f"input {spec.name} is {list(shape)}; the engine was compiled for {list(spec.shape)}\n"
            f"  give it that shape, compile again with example inputs of the new one, or let"
            f" sparsetvm.Engines compile for each shape that it meets"
        )
    if dtype != spec.dtype:
        raise InputError(
            f"input {spec.name} is {dtype}; the engine was compiled for {spec.dtype}\n"
            f"  convert it first, or compile again with example inputs of {dtype}"
        )
    if isinstance(value, np.ndarray):
        return value
    if value.device.type != "cpu":
        raise InputError(f"input {spec.name} is on {value.device}; move it: {spec.name}.cpu()")
    return value.detach().numpy()


def _to_device(arrays: Sequence[np.ndarray], place: tvm.runtime.Device) -> list[tvm.runtime.Tensor]:
    if place.type != "cpu":
        return [tvm.runtime.tensor(array, place) for array in arrays]
    return [_to_tvm(array) for array in arrays]


def _to_tvm(array: np.ndarray) -> tvm.runtime.Tensor:
    """The same memory where TVM can take it as it lies, else a copy."""
    return tvm.runtime.from_dlpack(array) if _is_ready(array) else tvm.runtime.tensor(array)


def _is_ready(array: np.ndarray) -> bool:
    flags = array.flags
    return flags.c_contiguous and flags.writeable and array.ctypes.data % ALIGNMENT == 0


def _load_library(library: bytes):
    """The library has a name only while it is opened; then the file is gone."""
    with tempfile.TemporaryDirectory(prefix="sparsetvm-") as folder:
        path = Path(folder) / "library.so"
        try:
            path.write_bytes(library)
            return tvm.runtime.load_module(str(path))
        except (OSError, RuntimeError) as err:
            raise FileError(
                f"the artifact's library cannot be opened: {str(err).strip().splitlines()[-1]}\n"
                f"  compile the net on this machine, or set TMPDIR to a folder that may hold code"
            ) from err


def _check_runs_here(manifest: Manifest) -> None:
    """Foreign instructions kill the process."""
    missing = set(manifest.features) - extensions(host())
    if missing:
        raise TargetError(
            f"the artifact was compiled for {manifest.target} with {', '.join(sorted(missing))},"
            f" which {device_name()} lacks\n"
            f"  compile the net on this machine, or with --target cpu:{host()['mcpu']} on the other"
        )
    if not tvm.device(manifest.device).exist:
        raise TargetError(
            f"the artifact was compiled for {manifest.target}; TVM finds no such GPU here\n"
            f"  compile the net again, for one of the targets that sparsetvm targets lists"
        )
    check_version(manifest)


def check_version(manifest: Manifest) -> None:
    """Another TVM's bytecode is misread."""
    version = manifest.versions["tvm"]
    if version != tvm.__version__:
        raise FileError(
            f"the artifact was compiled by TVM {version}; this is {tvm.__version__}\n"
            f"  compile the net again"
        )
