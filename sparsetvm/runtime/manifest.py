"""What an artifact says of itself: what it is for, what it takes and gives, and its steps."""

import json
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from ..errors import FileError, InputError

FORMAT = "sparsetvm artifact"
VERSION = 3


@dataclass(frozen=True)
class TensorSpec:
    """One input or output."""

    name: str
    shape: tuple[int, ...]
    dtype: str


@dataclass(frozen=True, slots=True)
class Step:
    """One kernel call of a run."""

    kernel: str
    """The function that is called; layers of one shape share it."""
    name: str
    """The layer's dotted name, or the operator's where no layer is behind it."""


@dataclass(frozen=True, slots=True)
class LayerFacts:
    """One layer, as it was compiled."""

    name: str
    kind: str
    structure: str
    """In a reader's words: 'pattern(4 of 9, set of 8)'."""
    rate: float
    """How many times fewer operations than dense."""
    operations: int
    """Of the dense layer, an addition and a multiplication for each weight used."""
    bytes: int
    """Of the packed weights."""
    work: int
    """Operations that its form does: without the zeros, in the Winograd domain those of its
    gather-GEMMs."""
    traffic: int
    """Bytes that it must move: packed weights and their index, input and output, each once."""
    form: str
    """What runs: 'sparse direct', 'sparse F(4x4)', or a dense one where that was faster."""
    schedule: str
    """'default', or the tuning record behind it."""
    forms_ms: Mapping[str, float] = field(default_factory=dict, hash=False)
    """What each form took in the net when it was tuned on this device."""

    @property
    def dense_ms(self) -> float | None:
        """Our own dense direct form, which does all operations; None: not measured."""
        return self.forms_ms.get("dense direct")

    @property
    def fastest_dense(self) -> tuple[str, float] | None:
        """The fastest of our dense forms and its milliseconds; None: not measured."""
        dense = [(form, ms) for form, ms in self.forms_ms.items() if form.startswith("dense")]
        return min(dense, key=lambda pair: pair[1], default=None)

    @property
    def is_winograd(self) -> bool:
        return "F(" in self.form


@dataclass(frozen=True)
class Entry:
    """One net of several: the function of the library that runs it alone."""

    name: str
    function: str
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    weights: tuple[str, ...]
    steps: tuple[Step, ...]
    source: str


@dataclass(frozen=True)
class Sharing:
    """What several nets have in common in a run of all."""

    once: Mapping[str, tuple[str, ...]] = field(hash=False)
    """Each layer that runs for several nets, and what the others call it."""
    beside: tuple[tuple[str, ...], ...]
    """Layers of one kernel call, side by side."""
    read: int
    """Bytes of activations that kernels read in a run of all."""
    read_apart: int
    """The same of the nets one after the other."""
    ms: Mapping[str, float] = field(hash=False)
    """Of a run of all in each way that was measured: apart, some layers side by side, all."""


@dataclass(frozen=True)
class Manifest:
    """All that an engine needs to know besides the library and the weights."""

    target: str
    features: tuple[str, ...]
    """Vector extensions that the library may use; Target.features."""
    threads: int
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    weights: tuple[str, ...]
    """In the order in which the library's main takes them, after the inputs."""
    steps: tuple[Step, ...]
    """Every kernel call of one run, in order."""
    layers: tuple[LayerFacts, ...]
    versions: dict[str, str]
    """Of sparsetvm and tvm, which wrote this."""
    source: str = ""
    """The net, for people: 'torch VGG', 'model.onnx'."""
    device: str = "cpu"
    """What runs the kernels and holds the weights, by TVM's name."""
    function: str = "main"
    """Of the library; it does what stands here."""
    entries: tuple[Entry, ...] = ()
    """Where it is several nets: each alone."""
    sharing: Sharing | None = None

    def of(self, name: str) -> "Manifest":
        """The manifest of one entry."""
        entry = next((entry for entry in self.entries if entry.name == name), None)
        if entry is None:
            known = ", ".join(entry.name for entry in self.entries) or "none"
            raise InputError(f"there is no net {name!r} in this engine; its nets are {known}")
        steps = {step.name for step in entry.steps}
        return replace(
            self,
            inputs=entry.inputs,
            outputs=entry.outputs,
            weights=entry.weights,
            steps=entry.steps,
            layers=tuple(layer for layer in self.layers if layer.name in steps),
            source=entry.source,
            function=entry.function,
            entries=(),
            sharing=None,
        )

    def to_json(self) -> str:
        return json.dumps({"format": FORMAT, "version": VERSION} | asdict(self), indent=1)

    @classmethod
    def from_json(cls, text: str | bytes, where: str) -> "Manifest":
        """The manifest that to_json wrote; `where` names its file in messages."""
        try:
            table = json.loads(text)
            form, version = table.pop("format"), table.pop("version")
            if (form, version) == (FORMAT, VERSION):
                return cls(**{key: _read(key, value) for key, value in table.items()})
        except (AttributeError, KeyError, TypeError, ValueError) as err:
            raise FileError(f"{where}: its manifest cannot be read ({err})\n  {AGAIN}") from err
        raise FileError(
            f"{where} is {form} version {version}; this SparseTVM reads version {VERSION}\n"
            f"  compile the net again, or use the SparseTVM that wrote it"
        )


AGAIN = "copy it again from where it was written, or compile the net again"

_PARTS = {
    "inputs": TensorSpec,
    "outputs": TensorSpec,
    "steps": Step,
    "layers": LayerFacts,
    "entries": Entry,
}


def _read(key: str, value: Any) -> Any:
    """JSON knows lists and tables only; what is frozen holds tuples and records."""
    if key in _PARTS:
        parts = ({k: _read(k, v) for k, v in part.items()} for part in value)
        return tuple(_PARTS[key](**part) for part in parts)
    if key == "sharing" and value is not None:
        once = {name: tuple(others) for name, others in value.pop("once").items()}
        return Sharing(once, **{k: _read(k, v) for k, v in value.items()})
    return _frozen(value)


def _frozen(value: Any) -> Any:
    if isinstance(value, str):
        return sys.intern(value)  # a thousand layers say the same few words
    return tuple(map(_frozen, value)) if isinstance(value, list) else value
