"""Plans tried in a whole net: compiled, and measured in turns with the dense net."""

from collections.abc import Callable, Container, Mapping
from glob import escape
from pathlib import Path

from ..compiler import compile
from ..ir.layer import Layer, LayerIR
from ..ir.prune import prune
from ..runtime.engine import Engine
from ..runtime.inputs import random_inputs
from ..runtime.turns import lowest_steps, profile_in_turns
from ..sparsity import Plan, Structure
from ..sparsity.plan import Rule
from ..targets import Target
from .design import Design, Goal, LayerChoice

ROUNDS, REPEATS = 9, 3


def plan_name(layer: Layer) -> str:
    """What plans call a layer: one that shares its weight, features.0@2, has the first one's."""
    return layer.name.partition("@")[0]


def plan_of(structures: Mapping[str, Structure]) -> Plan:
    """The plan that gives each layer its structure by name."""
    rules = (Rule(structure, match=escape(name)) for name, structure in structures.items())
    return Plan(tuple(rules))


def engine_of(ir: LayerIR, target: Target, database: str | Path | None) -> Engine:
    """The net as `compile` makes it for the target: what is measured is what a user gets."""
    return Engine(compile(ir, target=target.name, threads=target.threads, database=database))


class Trial:
    """One net with its goal; `error` says what the errors of its layers are."""

    def __init__(
        self,
        ir: LayerIR,
        goal: Goal,
        error: str,
        target: Target,
        database: str | Path | None,
        say: Callable[[str], None],
    ):
        self._ir, self._goal, self._error = ir, goal, error
        self._target, self._database, self._say = target, database, say
        self._count = 0
        say("compiling the dense net")
        self._dense = engine_of(ir, target, database)
        self._inputs = random_inputs(self._dense.manifest)

    def dense(self, names: Container[str]) -> tuple[float, float]:
        """Milliseconds of the dense net, and of these layers in it."""
        ms = self._measure({"dense": self._dense})["dense"]
        own = (layer.name for layer in self._ir.layers if plan_name(layer) in names)
        return sum(ms.values()), sum(ms[name] for name in own)

    def measure(
        self, chosen: Mapping[str, Structure], errors: Mapping[str, float], is_fastest: bool
    ) -> Design:
        """The net under these structures, measured in turns with its dense self."""
        self._count += 1
        self._say(f"compiling plan {self._count}")
        plan = plan_of(chosen)
        ir = prune(self._ir, plan)
        sparse = engine_of(ir, self._target, self._database)
        ms = self._measure({"sparse": sparse, "dense": self._dense})
        layers = tuple(
            LayerChoice(
                name=name,
                structure=structure,
                rate=own[0].rate,
                ms=sum(ms["sparse"][layer.name] for layer in own),
                dense_ms=sum(ms["dense"][layer.name] for layer in own),
                error=errors[name],
            )
            for name, structure in chosen.items()
            if (own := [layer for layer in ir.layers if plan_name(layer) == name])
        )
        dense_ms = sum(ms["dense"].values())
        return Design(
            plan=plan,
            layers=layers,
            net=ir.source,
            device=self._target.device,
            threads=self._target.threads,
            goal=self._goal,
            dense_ms=dense_ms,
            ms=sum(ms["sparse"].values()),
            rest_ms=dense_ms - sum(layer.dense_ms for layer in layers),
            error=self._error,
            rounds=self._count,
            is_fastest=is_fastest,
        )

    def _measure(self, engines: Mapping[str, Engine]) -> dict[str, dict[str, float]]:
        profiles = profile_in_turns(engines, self._inputs, ROUNDS, REPEATS, self._say)
        return {name: lowest_steps(rounds) for name, rounds in profiles.items()}
