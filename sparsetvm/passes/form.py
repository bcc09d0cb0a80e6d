"""How a layer may run: its zeros left out or not, directly or in the Winograd domain."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product
from math import prod

import numpy as np

from ..ir.layer import Layer
from ..kernels.cut import Work, best_cut
from ..kernels.frame import round_up
from ..kernels.tile import dense_group
from ..kernels.transforms import Domain, Transform
from ..sparsity.dense import Dense
from ..targets.target import Target
from .pack import kernels

WINOGRAD = {3: (4, 2), 5: (2,)}
"""Kernel size r -> the m of F(m x m, r x r) that are accurate in float32."""
LEAD = 1.05
"""A form that is a digit less accurate has to be so many times as fast; less is within what two
measurements of one net differ by."""
IN_DEPTH = {1: (1,), 3: (4, 2, 1)}
"""Kernel size t from plane to plane -> the m of F(m, t) to nest with them; at 1 the kernel's planes
stay apart, each with zeros of its own."""
CYCLE = 0.9
"""Of the multiply-adds that a core could start, those that direct gather-GEMM does."""


@dataclass(frozen=True)
class Form:
    """`outputs` is the m of F(m x m, r x r); 1: direct. `depth` is that from plane to plane; 1:
    planes stay apart. The most accurate form is the least."""

    sparse: bool
    outputs: int = 1
    depth: int = 1

    def __lt__(self, other: "Form") -> bool:
        mine, others = ((f.outputs, f.depth, not f.sparse) for f in (self, other))
        return mine < others

    def __str__(self) -> str:
        sides = [self.depth] * (self.depth > 1) + [self.outputs] * 2
        domain = "direct" if self.outputs == 1 else f"F({'x'.join(map(str, sides))})"
        return f"{'sparse' if self.sparse else 'dense'} {domain}"

    @classmethod
    def parse(cls, text: str) -> "Form":
        """The inverse of str."""
        zeros, domain = text.split()
        if domain == "direct":
            return cls(zeros == "sparse")
        *depth, _, outputs = map(int, domain[2:-1].split("x"))
        return cls(zeros == "sparse", outputs, *depth)

    def domain(self, layer: Layer) -> Domain:
        planes, _, taps = (1, *layer.kernel)[-3:]
        plane = Transform(self.outputs, taps)
        if self.depth == 1:
            return Domain(plane, slices=planes)
        return Domain(plane, Transform(self.depth, planes))


FormTimes = Mapping[str, Mapping[Form, float]]
"""Milliseconds of each layer, by its name, in each of its forms."""

DENSE = Form(False)
"""What others are compared with: it does all operations."""


def forms_of(layer: Layer) -> tuple[Form, ...]:
    """All forms of a layer; the direct one with its zeros left out comes first."""
    sparse = (False,) if isinstance(layer.structure, Dense) else (True, False)
    return tuple(
        sorted(Form(s, *outputs) for s in sparse for outputs in [(1, 1), *_tiles_of(layer, s)])
    )


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


def _tiles_of(layer: Layer, sparse: bool) -> list[tuple[int, int]]:
    """(outputs, depth) of a convolution in two dimensions or three, with kernels that are square
    in the plane and move pixel by pixel. Planes that hold no zeros need not stay apart."""
    if layer.kind not in ("conv2d", "conv3d") or set(layer.stride + layer.dilation) != {1}:
        return []
    depth, height, width = (1, *layer.kernel)[-3:]
    if height != width:
        return []
    depths = [m for m in IN_DEPTH.get(depth, ()) if sparse or m > 1 or depth == 1]
    return list(product(WINOGRAD.get(width, ()), depths))


def _by_cycles(layer: Layer, forms: list[Form], weight: np.ndarray, target: Target) -> Form:
    first, *others = [form for form in forms if form.sparse == forms[0].sparse]
    if not others:
        return first
    filters, channels = layer.weight_shape[:2]
    batch, size = layer.output_shape[0], (1, *layer.output_shape[2:])[-3:]
    group = min(
        layer.structure.group if first.sparse else dense_group(size[-1], target.lanes), filters
    )
    frame = [n + (k > 1) for n, k in zip(size, (1, *layer.kernel)[-3:], strict=True)]
    positions = round_up(batch * prod(frame), target.lanes)
    direct = positions * weight.size / layer.rate / (2 * target.lanes) / CYCLE / target.threads
    cycles = {first: direct}
    for form in others:
        domain = form.domain(layer)
        kept = np.mean(kernels(weight, domain).any((2, 3, 4))) if first.sparse else 1
        work = Work(
            domain=domain,
            groups=-(-filters // group),
            filters=group,
            columns=max(1, round(channels * domain.slices * kept)),
            channels=channels,
            batch=batch,
            size=size,
        )
        cycles[form] = best_cut(work, target)[1]
    return min(cycles, key=cycles.get)
