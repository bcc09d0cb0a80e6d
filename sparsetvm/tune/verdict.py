"""Which form of each layer is fastest: measured in the real net, where caches are as full as in
use."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict

import numpy as np

from ..ir.layer import Layer, LayerIR
from ..passes.form import Form, FormTimes, choose, forms_of
from ..passes.pipeline import program_of, to_code
from ..passes.schedule import TraceOf
from ..runtime.build import build
from ..runtime.engine import Engine
from ..targets.target import Target

ROUNDS, REPEATS = 5, 3
"""Each net is profiled so often, in turn with the others; the lowest median counts."""
SEED = 0


def layer_key(layer: Layer) -> str:
    """What a layer's times depend on: the same for another net's layer of this shape and plan."""
    facts = {
        "kind": layer.kind,
        "shapes": (layer.input_shape, layer.output_shape, layer.weight_shape),
        "window": (layer.stride, layer.padding, layer.dilation),
        "epilogue": layer.epilogue,
        "structure": (str(layer.structure), asdict(layer.structure), layer.parameters),
    }
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:32]


def variants(ir: LayerIR, target: Target) -> dict[Form, dict[str, Form]]:
    """One net for each form that any layer has: layers without it run in their default form."""
    default = choose(ir.layers, ir.arrays, target, {})
    layers = [layer for layer in ir.layers if layer.name in default]
    forms = sorted({form for layer in layers for form in forms_of(layer)})
    return {
        form: {
            layer.name: form if form in forms_of(layer) else default[layer.name] for layer in layers
        }
        for form in forms
    }


def measure_forms(
    ir: LayerIR, target: Target, trace_of: TraceOf, say: Callable[[str], None]
) -> FormTimes:
    """Run the net once for each form of its layers, all kernels scheduled as `trace_of` says."""
    nets = variants(ir, target)
    engines = {}
    for form, forms in nets.items():
        say(f"compiling the net {form}")
        code = to_code(program_of(ir), ir.layers, target, forms, trace_of)
        engines[form] = Engine(build(code, ir, target, forms, {}))
    rng = np.random.default_rng(SEED)
    x = [rng.standard_normal(shape).astype(dtype) for _, shape, dtype in ir.inputs]
    times: dict[str, dict[Form, float]] = {}
    for number in range(1, ROUNDS + 1):
        say(f"measuring {len(nets)} forms in the net, round {number} of {ROUNDS}")
        for form, engine in engines.items():
            for layer in engine.profile(x, repeats=REPEATS).layers:
                if nets[form].get(layer.facts.name) == form:
                    known = times.setdefault(layer.facts.name, {})
                    known[form] = min(layer.ms, known.get(form, layer.ms))
    return times
