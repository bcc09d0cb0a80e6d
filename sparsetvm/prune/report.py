"""What pruning did to each layer: structure, rate, and how much of the layer is left."""

from dataclasses import dataclass
from typing import Any

from ..sparsity import Structure


@dataclass(frozen=True)
class PrunedLayer:
    """One layer before and after."""

    name: str
    kind: str
    structure: Structure
    weights: int
    kept: int
    """Weights that stay, of `weights`."""
    kept_energy: float
    """The part of the squared weights that stays."""
    error: float | None
    """Squared error of the outputs on the samples, of their variance; None: not refitted."""

    @property
    def rate(self) -> float:
        """How many times fewer weights."""
        return self.weights / max(self.kept, 1)


@dataclass(frozen=True)
class PruneReport:
    """Every layer that a plan may prune, in the model's order."""

    layers: tuple[PrunedLayer, ...]

    @property
    def rate(self) -> float:
        """How many times fewer weights in all layers together."""
        return sum(layer.weights for layer in self.layers) / max(
            sum(layer.kept for layer in self.layers), 1
        )

    def to_json(self) -> dict[str, Any]:
        """What json.dumps takes."""
        return {
            "rate": self.rate,
            "layers": [
                {
                    "name": layer.name,
                    "kind": layer.kind,
                    "structure": str(layer.structure),
                    "rate": layer.rate,
                    "kept_energy": layer.kept_energy,
                    "error": layer.error,
                }
                for layer in self.layers
            ],
        }

    def __str__(self) -> str:
        """A line for each layer, then the whole: 'features.10   8.1x   energy 36.2 %   …'."""
        width = max((len(layer.name) for layer in self.layers), default=0)
        return "\n".join(
            [*(_line(layer, width) for layer in self.layers), f"{self.rate:.1f}x fewer weights"]
        )


def _line(layer: PrunedLayer, width: int) -> str:
    error = "" if layer.error is None else f"   error {layer.error:6.1%}"
    return (
        f"{layer.name:{width}}   {layer.rate:4.1f}x   energy {layer.kept_energy:6.1%}{error}"
        f"   {layer.structure}"
    )
