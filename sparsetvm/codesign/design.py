"""A plan that was found for a time: what was asked, what was measured, and why each layer is as it
is."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ..errors import InputError
from ..files import write_whole
from ..sparsity import Plan, Structure

NEAR = 0.1
"""A plan reaches its goal if its time is at most so far from it, of that time."""


@dataclass(frozen=True)
class Goal:
    """How fast a net shall be; one of the two."""

    speedup: float | None = None
    """Over our own dense net."""
    ms: float | None = None

    def __post_init__(self) -> None:
        if (self.speedup is None) == (self.ms is None):
            raise InputError("say one of the two: speedup, as 3, or ms, as 12")
        for name, value in asdict(self).items():
            if value is not None and not 0 < value < float("inf"):
                raise InputError(f"{name} must be a number above 0; got {value!r}")

    def milliseconds(self, dense_ms: float) -> float:
        """What a run shall take where the dense net takes `dense_ms`."""
        return self.ms if self.speedup is None else dense_ms / self.speedup

    def __str__(self) -> str:
        return f"{self.ms:.3g} ms" if self.speedup is None else f"{self.speedup:.3g}x"


@dataclass(frozen=True)
class LayerChoice:
    """One layer that a plan may prune; a weight that several layers share counts once."""

    name: str
    structure: Structure
    rate: float
    """How many times fewer weights."""
    ms: float
    """In the net under the plan."""
    dense_ms: float
    """In the dense net."""
    error: float
    """What the zeros cost the layer; Design.error says in what."""

    @property
    def reason(self) -> str:
        """Why the layer is as it is, for people."""
        return (
            f"{self.ms:.3f} ms, dense {self.dense_ms:.3f} ms; "
            f"{self.rate:.1f}x fewer weights, error {self.error:.1%}"
        )


@dataclass(frozen=True)
class Design:
    """A plan and what it was measured to give, in turns with our own dense net."""

    plan: Plan
    layers: tuple[LayerChoice, ...]
    """In the order of the plan's rules."""
    net: str
    device: str
    threads: int
    goal: Goal
    dense_ms: float
    """Our own dense net, compiled the same way: Winograd where that should be faster."""
    ms: float
    rest_ms: float
    """Of the dense net, the steps that no plan changes: depthwise layers, pools, conversions."""
    error: str
    """What a layer's error is, in a reader's words."""
    rounds: int
    """How many plans were compiled and measured."""
    is_fastest: bool
    """Whether every layer is in its fastest structure, so that no plan can take less."""

    @property
    def speedup(self) -> float:
        return self.dense_ms / self.ms

    @property
    def distance(self) -> float:
        """How far the time is from the goal, of the goal: 0.1 is 10 %."""
        return abs(self.ms / self.goal.milliseconds(self.dense_ms) - 1)

    @property
    def is_reached(self) -> bool:
        return self.distance <= NEAR

    def to_json(self) -> dict[str, Any]:
        """What json.dumps takes."""
        return {
            "net": self.net,
            "device": self.device,
            "threads": self.threads,
            "goal": asdict(self.goal),
            "is_reached": self.is_reached,
            "speedup": self.speedup,
            "ms": self.ms,
            "dense_ms": self.dense_ms,
            "rest_ms": self.rest_ms,
            "rounds": self.rounds,
            "error": self.error,
            "layers": [
                {
                    "name": layer.name,
                    "structure": str(layer.structure),
                    "group": layer.structure.group,
                    "rate": layer.rate,
                    "ms": layer.ms,
                    "dense_ms": layer.dense_ms,
                    "error": layer.error,
                }
                for layer in self.layers
            ],
        }

    def to_toml(self) -> str:
        """The plan as Plan.load reads it, each layer with its reason."""
        default, *rules = self.plan.to_toml().split("\n[[layers]]\n")
        head = [f"# {self}", f"# error: {self.error}; times are those in the net", default]
        named = [
            f"# {layer.reason}\n[[layers]]\n{rule}"
            for layer, rule in zip(self.layers, rules, strict=True)
        ]
        return "\n".join(["\n".join(head), *named])

    def save(self, path: str | Path, overwrite: bool = False) -> None:
        """Write the plan to a TOML file, whole or not at all."""
        text = self.to_toml()
        write_whole(path, lambda new: new.write_text(text, encoding="utf-8"), overwrite)

    def __str__(self) -> str:
        """'3x asked, 3.05x measured: 1.42 ms, our own dense net 4.33 ms (cpu znver5, …)'."""
        where = f"{self.device}, {self.threads} thread{'s' if self.threads > 1 else ''}, in turns"
        times = f"{self.ms:.3f} ms, our own dense net {self.dense_ms:.3f} ms ({where})"
        if self.is_fastest and not self.is_reached:
            return (
                f"{self.net}: {self.goal} cannot be reached, {self.speedup:.2f}x is the most: "
                f"{times}, of which {self.rest_ms:.3f} ms are steps that no plan changes"
            )
        near = "" if self.is_reached else f" (the nearest of {self.rounds} plans)"
        return f"{self.net}: {self.goal} asked, {self.speedup:.2f}x measured{near}: {times}"
