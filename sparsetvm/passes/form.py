"""How a layer may run: its zeros left out or not, directly or in the Winograd domain."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ..ir.layer import Layer
from ..kernels.cut import Work, best_cut
from ..kernels.frame import round_up
from ..kernels.tile import dense_group
from ..kernels.transforms import Transform
from ..sparsity.dense import Dense
from ..targets.target import Target

WINOGRAD = {3: (4, 2), 5: (2,)}
"""Kernel size r -> the m of F(m x m, r x r) that are accurate in float32."""
LEAD = 1.05
"""A form that is a digit less accurate has to be so many times as fast; less is within what two
measurements of one net differ by."""
CYCLE = 0.9
"""Of the multiply-adds that a core could start, those that direct gather-GEMM does."""


@dataclass(frozen=True)
class Form:
    """`outputs` is the m of F(m x m, r x r); 1: direct. The most accurate form is the least."""

    sparse: bool
    outputs: int = 1

    def __lt__(self, other: "Form") -> bool:
        return (self.outputs, not self.sparse) < (other.outputs, not other.sparse)

    def __str__(self) -> str:
        domain = "direct" if self.outputs == 1 else f"F({self.outputs}x{self.outputs})"
        return f"{'sparse' if self.sparse else 'dense'} {domain}"

    @classmethod
    def parse(cls, text: str) -> "Form":
        """The inverse of str."""
        zeros, domain = text.split()
        return cls(zeros == "sparse", 1 if domain == "direct" else int(domain[2]))

    def transform(self, layer: Layer) -> Transform:
        return Transform(self.outputs, layer.kernel[0])


FormTimes = Mapping[str, Mapping[Form, float]]
"""Milliseconds of each layer, by its name, in each of its forms."""

DENSE = Form(False)
"""What others are compared with: it does all operations."""


def forms_of(layer: Layer) -> tuple[Form, ...]:
    """All forms of a layer; the direct one with its zeros left out comes first."""
    outputs = (1, *WINOGRAD.get(layer.kernel[0], ())) if _has_tiles(layer) else (1,)
    sparse = (False,) if isinstance(layer.structure, Dense) else (True, False)
    return tuple(sorted(Form(s, m) for s in sparse for m in outputs))


def choose(
    layers: tuple[Layer, ...],
    arrays: Mapping[str, np.ndarray],
    target: Target,
    times: FormTimes,
    winograd: bool = True,
) -> dict[str, Form]:
    """Each layer's form: the fastest as measured, else that which should take the fewest cycles."""
    chosen = {}
    for layer in layers:
        if layer.is_depthwise:
            continue
        forms = [form for form in forms_of(layer) if winograd or form.outputs == 1]
        known = times.get(layer.name, {})
        if known.keys() >= set(forms):
            chosen[layer.name] = fastest({form: known[form] for form in forms})
        else:
            chosen[layer.name] = _by_cycles(layer, forms, arrays[layer.weight], target)
    return chosen


def fastest(times: Mapping[Form, float]) -> Form:
    """The form to run, by the milliseconds of each; of nearly equal ones the most accurate."""
    limit = LEAD * min(times.values())
    return min(form for form, ms in times.items() if ms <= limit)


def _has_tiles(layer: Layer) -> bool:
    """A convolution in two dimensions, with a square kernel that moves pixel by pixel."""
    return (
        layer.kind == "conv2d"
        and len(set(layer.kernel)) == 1
        and set(layer.stride + layer.dilation) == {1}
    )


def _by_cycles(layer: Layer, forms: list[Form], weight: np.ndarray, target: Target) -> Form:
    first, *others = [form for form in forms if form.sparse == forms[0].sparse]
    if not others:
        return first
    filters, channels = layer.weight_shape[:2]
    batch, (height, width) = layer.output_shape[0], layer.output_shape[2:]
    group = min(
        layer.structure.group if first.sparse else dense_group(width, target.lanes), filters
    )
    positions = round_up(batch * (height + 1) * (width + 1), target.lanes)
    direct = positions * weight.size / layer.rate / (2 * target.lanes) / CYCLE / target.threads
    kept = np.mean(np.any(weight != 0, axis=(2, 3))) if first.sparse else 1
    cycles = {first: direct}
    for form in others:
        work = Work(
            transform=form.transform(layer),
            groups=-(-filters // group),
            filters=group,
            columns=max(1, round(channels * kept)),
            channels=channels,
            batch=batch,
            size=(height, width),
        )
        cycles[form] = best_cut(work, target)[1]
    return min(cycles, key=cycles.get)
