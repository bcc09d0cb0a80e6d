"""Scheduled code becomes an artifact: library, weights in call order, and what they are."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import replace
from math import prod

import numpy as np

from .. import __version__
from .._tvm import tvm
from ..ir.layer import Layer, LayerIR
from ..kernels.cut import tiles
from ..passes.form import DENSE, Form
from ..passes.kernel_calls import kernel_calls
from ..passes.lower import FLOAT, EntryCode, Lowered
from ..passes.schedule import RECORD
from ..targets.target import Target
from .artifact import Artifact
from .manifest import Entry, LayerFacts, Manifest, Sharing, Step, TensorSpec


def build(
    program: Lowered,
    ir: LayerIR,
    target: Target,
    forms: Mapping[str, Form],
    times: Mapping[str, Mapping[Form, float]],
    nets: Mapping[str, LayerIR] | None = None,
    once: Mapping[str, tuple[str, ...]] | None = None,
) -> Artifact:
    """Compile `program`, the code of `ir`'s layers in their `forms`, for `target`; `times` are what
    tuning measured of them. Where `ir` unites several `nets`: these, and the layers that run
    `once`."""
    executable = tvm.compile(program.module, target=tvm.target.Target(dict(target.tvm)))
    library = target.linker.library(executable)
    arrays, steps = program.arrays, steps_of(program, ir)
    entries = tuple(_entry(program, one, ir, nets[one.entry.name]) for one in program.entries)
    packed: dict[str, dict[str, np.ndarray]] = defaultdict(dict)
    for name, array in arrays.items():
        layer, _, role = name.rpartition(".")
        packed[layer][role] = array
    every = [*steps, *(step for entry in entries for step in entry.steps)]
    records = {step.name: _record(program, step.kernel) for step in every}
    manifest = Manifest(
        target=target.name,
        features=tuple(sorted(target.features)),
        threads=target.threads,
        inputs=tuple(TensorSpec(*spec) for spec in ir.inputs),
        outputs=_outputs(ir) if nets is None else _outputs_of_all(nets),
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
        entries=entries,
        sharing=_sharing(program, once) if entries else None,
    )
    names = [*program.parameters, *(name for entry in entries for name in entry.weights)]
    return Artifact(library, {name: arrays[name] for name in names}, manifest)


def _outputs(ir: LayerIR) -> tuple[TensorSpec, ...]:
    return tuple(TensorSpec(f"y{i}", *spec) for i, spec in enumerate(ir.outputs))


def _outputs_of_all(nets: Mapping[str, LayerIR]) -> tuple[TensorSpec, ...]:
    return tuple(
        replace(spec, name=f"{net}/{spec.name}")
        for net, ir in nets.items()
        for spec in _outputs(ir)
    )


def _entry(program: Lowered, code: EntryCode, all_nets: LayerIR, ir: LayerIR) -> Entry:
    return Entry(
        name=code.entry.name,
        function=code.function,
        inputs=tuple(TensorSpec(*spec) for spec in ir.inputs),
        outputs=_outputs(ir),
        weights=code.parameters,
        steps=steps_of(program, all_nets, code),
        source=ir.source,
    )


def _sharing(program: Lowered, once: Mapping[str, tuple[str, ...]]) -> Sharing:
    return Sharing(
        once=once,
        beside=program.beside,
        read=program.read,
        read_apart=sum(code.read for code in program.entries),
        ms={},
    )


def steps_of(program: Lowered, ir: LayerIR, entry: EntryCode | None = None) -> tuple[Step, ...]:
    """The kernel calls of main, or of one entry, in order; one that reads a layer's packed
    constants is its step."""
    layers, steps = {layer.name for layer in ir.layers}, []
    layers |= {" + ".join(names) for names in program.beside}
    for call in kernel_calls(program, entry):
        owner = next((name for name in call.owners if name in layers), None)
        steps.append(Step(call.kernel, owner or call.kernel.rstrip("0123456789")))
    return tuple(steps)


def _record(program: Lowered, kernel: str) -> str | None:
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
