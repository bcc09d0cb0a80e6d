"""Several nets in one engine: all in one run, and each alone."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from .artifact import Artifact
from .engine import Engine, Loaded
from .turns import milliseconds_in_turns

ROUNDS, TURN_SECONDS = 9, 0.02
"""How long each way to run nets together is measured."""


class CoEngine(Engine):
    """Runs nets that share inputs, layers and memory; for one caller at a time.

    results = engine(x)               # {net: what its own engine gives}; several inputs as always
    y       = engine["digits"](x)     # one net alone, on an engine of its own
    """

    def __init__(self, artifact: Artifact):
        loaded = Loaded(artifact)
        super().__init__(artifact, loaded)
        self.artifact = artifact
        self._engines = {
            entry.name: Engine(replace(artifact, manifest=artifact.manifest.of(entry.name)), loaded)
            for entry in artifact.manifest.entries
        }

    @property
    def nets(self) -> tuple[str, ...]:
        return tuple(self._engines)

    def __getitem__(self, net: str) -> Engine:
        """One net's own engine; different ones may run at the same time."""
        self.manifest.of(net)  # says which nets there are
        return self._engines[net]

    def __call__(self, x: Any) -> dict[str, Any]:
        """One run of all nets."""
        outputs = super().__call__(x)
        outputs = iter(outputs if isinstance(outputs, tuple) else (outputs,))
        results = {}
        for entry in self.manifest.entries:
            own = tuple(next(outputs) for _ in entry.outputs)
            results[entry.name] = own[0] if len(own) == 1 else own
        return results

    def save(self, path: str | Path, overwrite: bool = False) -> None:
        """Write all nets to one file, which `load` reads."""
        self.artifact.save(path, overwrite)


def fastest(ways: Mapping[str, Artifact]) -> CoEngine:
    """The engine of the artifact whose runs of all nets are fastest, as measured in turns."""
    engines = {way: CoEngine(artifact) for way, artifact in ways.items()}
    if len(engines) == 1:
        return next(iter(engines.values()))
    ms = milliseconds_in_turns(engines, ROUNDS, TURN_SECONDS)
    chosen = ways[min(ms, key=ms.get)]
    sharing = replace(chosen.manifest.sharing, ms=ms)
    return CoEngine(replace(chosen, manifest=replace(chosen.manifest, sharing=sharing)))
