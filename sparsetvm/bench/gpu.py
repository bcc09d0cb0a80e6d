"""A net's layers on an NVIDIA GPU: ours, sparse and dense, beside cuDNN's dense convolutions."""

import logging
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import cache
from statistics import median
from typing import Any

import torch
from torch.nn import functional as F

from .. import compiler
from ..ir.layer import Layer
from ..prune import prune
from ..runtime.engine import load
from ..runtime.layer_time import aligned
from ..sparsity.plan import Plan
from ..targets import resolve
from .nets import net as net_of

log = logging.getLogger(__name__)

OURS, OURS_DENSE = "sparse", "dense"
CUDNN = ("cuDNN fp32", "cuDNN tf32", "cuDNN fp16")
COLUMNS = (OURS, OURS_DENSE, *CUDNN)
REPEATS = 20
LAUNCHES = 20
"""In a row, between two looks at the clock."""
NOT_MEASURED = "not measured"


@dataclass(frozen=True)
class LayerRow:
    """One layer; milliseconds are medians, None where nothing was measured."""

    name: str
    shape: str
    structure: str
    rate: float
    ms: dict[str, float | None]


@dataclass(frozen=True)
class GpuTable:
    """All convolutions of a net under a plan."""

    net: str
    plan: str
    device: str
    gpu: str | None
    missing: str | None
    """Why there are no times; None: there are."""
    rows: tuple[LayerRow, ...]

    def to_json(self) -> dict[str, Any]:
        return asdict(self) | {"repeats": REPEATS, "launches": LAUNCHES}

    def __str__(self) -> str:
        head = f"{self.net}; plan {self.plan}; {self.device}"
        said = f"medians of {REPEATS} times {LAUNCHES} launches on {self.gpu}, ms, batch 1"
        cells = [
            (row.name, row.shape, row.structure, f"{row.rate:.1f}x", *map(_cell, row.ms.values()))
            for row in self.rows
        ]
        table = aligned(("layer", "shape", "structure", "fewer operations", *COLUMNS), cells)
        return "\n".join(
            [head, f"{NOT_MEASURED}: {self.missing}" if self.missing else said, *table]
        )


def gpu_table(
    net: str, plan: str, target: str = "cuda", progress: Callable[[str], None] = log.info
) -> GpuTable:
    """Prune by magnitude, compile sparse and dense, and time each convolution beside cuDNN's.

    cuDNN's are convolutions with bias, in float32, with its multiplications in tf32, and in
    float16, channels last; ours are float32, with all that the layer's epilogue does.
    """
    whole, rules, device = net_of(net), Plan.load(plan), resolve(target)
    progress(f"pruning {net}")
    pruned = compiler.export(prune(whole.module, rules), whole.example_inputs, rules)
    layers = [one for one in pruned.layers if one.kind.startswith("conv")]
    ms: dict[str, dict[str, float]] = {}
    gpu, missing = None, None
    if not device.open_device().exist:
        missing = "no GPU"
    else:
        gpu = device.open_device().device_name
        dense = compiler.export(whole.module, whole.example_inputs)
        for column, ir in ((OURS, pruned), (OURS_DENSE, dense)):
            progress(f"timing our layers, {column}")
            engine = load(compiler.compile(ir, target=target))
            profile = engine.profile([x.numpy() for x in whole.example_inputs], REPEATS)
            ms[column] = {layer.facts.name: layer.ms for layer in profile.layers}
        if torch.cuda.is_available():
            progress("timing cuDNN")
            for column in CUDNN:
                ms[column] = {one.name: _cudnn(column, _shape(one)) for one in layers}
    rows = tuple(
        LayerRow(
            one.name,
            _in_words(one),
            str(one.structure),
            one.rate,
            {column: ms.get(column, {}).get(one.name) for column in COLUMNS},
        )
        for one in layers
    )
    return GpuTable(net, str(plan), device.device, gpu, missing, rows)


def _shape(layer: Layer) -> tuple:
    return layer.input_shape, layer.weight_shape, layer.stride, layer.padding, layer.dilation


@cache
def _cudnn(column: str, shape: tuple) -> float:
    """Milliseconds of a dense convolution; layers of one shape are timed once."""
    x_shape, weight_shape, stride, padding, dilation = shape
    half = column.endswith("fp16")
    dtype = torch.float16 if half else torch.float32
    layout = torch.channels_last if half and len(x_shape) == 4 else torch.contiguous_format
    torch.backends.cudnn.benchmark = True
    torch.backends.cudnn.allow_tf32 = column.endswith("tf32")
    wide = [n + max(0, after - before) for n, (before, after) in zip(x_shape[2:], padding)]
    x, weight = (
        torch.randn(n, device="cuda", dtype=dtype).to(memory_format=layout)
        for n in ((*x_shape[:2], *wide), weight_shape)
    )
    bias = torch.zeros(weight_shape[0], device="cuda", dtype=dtype)
    convolve = (F.conv1d, F.conv2d, F.conv3d)[len(stride) - 1]
    sides = [before for before, _ in padding]

    def launch() -> None:
        convolve(x, weight, bias, stride, sides, dilation)

    with torch.inference_mode():
        _time(launch)  # cuDNN tries its algorithms
        return median(_time(launch) for _ in range(REPEATS))


def _time(launch: Callable[[], None]) -> float:
    """Milliseconds of one of many launches in a row."""
    start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    start.record()
    for _ in range(LAUNCHES):
        launch()
    end.record()
    end.synchronize()
    return start.elapsed_time(end) / LAUNCHES


def _in_words(layer: Layer) -> str:
    """256->256 3x3/1 56x56: channels, kernel and stride, output."""
    filters, channels = layer.weight_shape[:2]
    kernel, output = ("x".join(map(str, n)) for n in (layer.kernel, layer.output_shape[2:]))
    return f"{channels}->{filters} {kernel}/{layer.stride[0]} {output}"


def _cell(ms: float | None) -> str:
    return NOT_MEASURED if ms is None else f"{ms:.4f}"
