"""Which layers run where, and why."""

from dataclasses import dataclass


@dataclass(frozen=True)
class LayerChoice:
    """How one layer runs on inputs of one shape."""

    name: str
    structure: str
    shape: tuple[int, ...]
    """Of the input."""
    sparse: bool
    """False: torch's dense code."""
    reason: str
    sparse_ms: float | None = None
    """Forward and both gradients on our kernels; None: they were not tried."""
    dense_ms: float | None = None
    """The same by torch."""

    def __str__(self) -> str:
        shape = "x".join(map(str, self.shape))
        where = "sparse" if self.sparse else "dense"
        return f"{self.name} ({self.structure}) on {shape}: {where}, {self.reason}"


@dataclass(frozen=True)
class AccelerateReport:
    """One line for each layer and shape that it has met so far."""

    layers: tuple[LayerChoice, ...]

    def __str__(self) -> str:
        return "\n".join(map(str, self.layers)) or "no layer has run yet"
