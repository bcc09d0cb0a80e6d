"""Scheduled code becomes an artifact: library, weights in call order, and what they are."""

import tempfile
from collections import defaultdict
from collections.abc import Mapping
from math import prod
from pathlib import Path

import numpy as np

from .. import __version__
from .._tvm import tvm
from ..frontends.imported import Imported
from ..ir.layer import Layer, LayerIR
from ..kernels.cut import tiles
from ..passes.form import DENSE, Form
from ..passes.kernel_calls import kernel_calls
from ..passes.schedule import RECORD
from ..targets.target import Target
from .artifact import Artifact
from .manifest import LayerFacts, Manifest, Step, TensorSpec

FLOAT = 4
"""Bytes of a float32, which all activations are."""


def build(
    program: Imported,
    ir: LayerIR,
    target: Target,
    forms: Mapping[str, Form],
    times: Mapping[str, Mapping[Form, float]],
) -> Artifact:
    """Compile `program`, the code of `ir`'s layers in their `forms`, for `target`; `times` are what
    tuning measured of them."""
    executable = tvm.compile(program.module, target=tvm.target.Target(dict(target.tvm)))
    with tempfile.TemporaryDirectory(prefix="sparsetvm-") as folder:
        path = Path(folder) / "library.so"
        executable.export_library(str(path), fcompile=target.linker)
        library = path.read_bytes()
    arrays, steps = program.arrays, steps_of(program, ir)
    packed: dict[str, dict[str, np.ndarray]] = defaultdict(dict)
    for name, array in arrays.items():
        layer, _, role = name.rpartition(".")
        packed[layer][role] = array
    records = {step.name: _record(program, step.kernel) for step in steps}
    manifest = Manifest(
        target=target.name,
        features=tuple(sorted(target.features)),
        threads=target.threads,
        inputs=tuple(TensorSpec(*spec) for spec in ir.inputs),
        outputs=tuple(TensorSpec(f"y{i}", *spec) for i, spec in enumerate(ir.outputs)),
        weights=program.parameters,
        steps=steps,
        layers=tuple(
            _facts(
                layer, packed[layer.name], forms, records.get(layer.name), times.get(layer.name, {})
            )
            for layer in ir.layers
        ),
        versions={"sparsetvm": __version__, "tvm": tvm.__version__},
        source=ir.source,
        device=target.open_device().type,
    )
    return Artifact(library, {name: arrays[name] for name in program.parameters}, manifest)


def steps_of(program: Imported, ir: LayerIR) -> tuple[Step, ...]:
    """The kernel calls of main in order; one that reads a layer's packed constants is its step."""
    layers, steps = {layer.name for layer in ir.layers}, []
    for call in kernel_calls(program):
        owner = next((name for name in call.owners if name in layers), None)
        steps.append(Step(call.kernel, owner or call.kernel.rstrip("0123456789")))
    return tuple(steps)


def _record(program: Imported, kernel: str) -> str | None:
    """The tuning record behind a kernel's schedule."""
    attrs = program.module[kernel].attrs
    return str(attrs[RECORD]) if RECORD in attrs else None


def _facts(
    layer: Layer,
    packed: Mapping[str, np.ndarray],
    forms: Mapping[str, Form],
    record: str | None,
    times: Mapping[Form, float],
) -> LayerFacts:
    if layer.is_recurrent:
        pixels = prod(layer.output_shape[:2])
    else:
        pixels = prod(layer.output_shape) // layer.weight_shape[0]
    form = forms.get(layer.name, DENSE)
    (values,) = (packed[role] for role in ("values", "weight") if role in packed)
    uses = pixels
    if form.outputs > 1:
        images, _, *size = layer.output_shape
        size = (1,) * (3 - len(size)) + tuple(size)
        uses = images * prod(tiles(form.domain(layer), size))
    tensors = [layer.input_shape] + [layer.output_shape] * (1 + layer.epilogue.count("add"))
    return LayerFacts(
        name=layer.name,
        kind=layer.kind,
        structure=str(layer.structure),
        rate=layer.rate,
        operations=2 * prod(layer.weight_shape) * pixels,
        bytes=values.nbytes,
        work=2 * values.size * uses,
        traffic=sum(array.nbytes for array in packed.values()) + FLOAT * sum(map(prod, tensors)),
        form=str(form),
        schedule=record or "default",
        forms_ms={str(form): ms for form, ms in times.items()},
    )
