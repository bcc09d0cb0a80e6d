"""What a layer takes beside our own dense forms of it: the row that profile, inspect and report
show."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from .manifest import LayerFacts

HEAD = (
    "layer",
    "ms",
    "form",
    "dense direct ms",
    "fastest dense ms",
    "realised",
    "fewer operations",
    "structure",
)
NUMBERS = frozenset({"ms", "dense direct ms", "fastest dense ms", "realised", "fewer operations"})
"""The columns that are aligned at their end."""
UNKNOWN = "-"

DENSE_NOTE = "dense: our own dense forms of the layer, as measured in the net when it was tuned"
REALISED_NOTE = (
    "realised: how much of the fewer operations became speed "
    "(dense direct ms / ms / fewer operations)"
)
WINOGRAD_NOTE = (
    "more than 100 % realised: a Winograd form multiplies less than the dense direct one even "
    "without zeros (F(4x4) 36 times instead of 144 for 4x4 outputs of a 3x3 kernel)"
)


@dataclass(frozen=True)
class LayerTime:
    """One layer, all of its kernel calls together."""

    facts: LayerFacts
    ms: float | None
    """None: not measured."""

    @property
    def realised(self) -> float | None:
        """Speed-up over our own dense direct form, of the reduction of operations; None: not
        measured."""
        dense_ms = self.facts.dense_ms
        if dense_ms is None or self.ms is None:
            return None
        return dense_ms / self.ms / self.facts.rate

    def cells(self) -> tuple[str, ...]:
        """What stands under HEAD."""
        facts, fastest = self.facts, self.facts.fastest_dense
        return (
            facts.name,
            _or_unknown(self.ms, "{:.3f}"),
            facts.form,
            _or_unknown(facts.dense_ms, "{:.3f}"),
            UNKNOWN if fastest is None else f"{fastest[1]:.3f} {fastest[0].split()[1]}",
            _or_unknown(self.realised, "{:.0%}"),
            f"{facts.rate:.1f}x",
            facts.structure,
        )


def notes(layers: Iterable[LayerTime]) -> list[str]:
    """What the reader of such rows has to know."""
    measured = [layer for layer in layers if layer.realised is not None]
    exceeds = any(layer.realised > 1 and layer.facts.is_winograd for layer in measured)
    return [DENSE_NOTE, REALISED_NOTE][: 2 * bool(measured)] + [WINOGRAD_NOTE][:exceeds]


def aligned(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """A head and its rows as lines of text; numbers end below each other."""
    lines = [head, *rows]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return [
        "  ".join(
            cell.rjust(width) if name in NUMBERS else cell.ljust(width)
            for name, cell, width in zip(head, line, widths, strict=True)
        ).rstrip()
        for line in lines
    ]


def _or_unknown(value: float | None, form: str) -> str:
    return UNKNOWN if value is None else form.format(value)
