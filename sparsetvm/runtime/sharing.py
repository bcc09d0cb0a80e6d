"""What nets side by side have in common: equal weights in memory once, and what that saves."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from weakref import WeakValueDictionary

import numpy as np

from .artifact import Artifact
from .coexec import CoEngine
from .engine import Engine


class WeightPool:
    """Equal weights of several artifacts, in memory once.

    It knows the weights of the artifacts that it has seen, for as long as an engine uses them."""

    def __init__(self) -> None:
        self._known: WeakValueDictionary[tuple, np.ndarray] = WeakValueDictionary()

    def share(self, artifact: Artifact) -> Artifact:
        """The same artifact, with those of its weights that are known already in their place.

        Nets that were compiled into one artifact share theirs as they are.
        """
        if artifact.manifest.entries:
            return artifact
        weights = {
            name: self._known.setdefault(_key(array), array)
            for name, array in artifact.weights.items()
        }
        return replace(artifact, weights=weights)


def _key(array: np.ndarray) -> tuple:
    """Equal for arrays of equal shape, type and bytes."""
    return array.shape, str(array.dtype), hashlib.sha256(array.reshape(-1).view(np.uint8)).digest()


@dataclass(frozen=True)
class Saved:
    """Bytes."""

    weights: int
    """Of weights that are in memory once for several nets, beyond the first."""
    activations: int
    """Of activations that the nets of one engine read once in a run of all, summed over runs."""

    def __str__(self) -> str:
        return (
            f"saved: {self.weights / 1e6:.2f} MB of weights, in memory once for several nets; "
            f"{self.activations / 1e6:.2f} MB of activations, read once for several"
        )


def saved(engines: Mapping[str, Engine], runs: Mapping[str, int]) -> Saved:
    """What these engines save after so many runs of each."""
    nets: list[Engine] = []
    activations = 0
    for name, engine in engines.items():
        if isinstance(engine, CoEngine):
            nets += [engine[net] for net in engine.nets]
            sharing = engine.manifest.sharing
            activations += runs[name] * (sharing.read_apart - sharing.read)
        else:
            nets.append(engine)
    held = {address: size for net in nets for address, size in net.weight_bytes().items()}
    apart = sum(sum(net.weight_bytes().values()) for net in nets)
    return Saved(apart - sum(held.values()), activations)
