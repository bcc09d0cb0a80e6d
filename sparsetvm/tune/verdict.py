"""Which form of each layer is fastest: measured in the real net, where caches are as full as in
use."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict

from ..ir.layer import Layer, LayerIR
from ..passes.form import Form, FormTimes, choose, forms_of
from ..passes.pipeline import program_of, to_code
from ..passes.schedule import TraceOf
from ..runtime.build import build
from ..runtime.device import Device
from ..runtime.engine import Engine
from ..runtime.inputs import random_inputs
from ..runtime.tracker import Remote
from ..runtime.turns import lowest_steps, profile_in_turns
from ..targets.target import Target
from .patience import patiently
from .steps import Steps

ROUNDS, REPEATS = 5, 3
"""Each net is profiled so often, in turn with the others; the lowest median counts."""


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


def measure_forms_there(
    ir: LayerIR,
    target: Target,
    trace_of: TraceOf,
    say: Callable[[str], None],
    remote: Remote,
    happened: Callable[[str], None],
) -> FormTimes:
    """As measure_forms, on a device and each kernel by itself; `happened` hears of its failures."""
    nets, steps = variants(ir, target), {}
    for form, forms in nets.items():
        say(f"compiling the net {form}")
        steps[form] = Steps(to_code(program_of(ir), ir.layers, target, forms, trace_of), ir, target)

    def measured() -> FormTimes:
        times: dict[str, dict[Form, float]] = {}
        with Device(remote, target.threads) as device:
            for number in range(1, ROUNDS + 1):
                say(f"measuring {len(steps)} nets, round {number} of {ROUNDS}")
                for form, each in steps.items():
                    for name, ms in each.milliseconds(device, REPEATS).items():
                        if nets[form].get(name) == form:
                            known = times.setdefault(name, {})
                            known[form] = min(ms, known.get(form, ms))
        return times

    return patiently(measured, happened)


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
    inputs = random_inputs(next(iter(engines.values())).manifest)
    profiles = profile_in_turns(engines, inputs, ROUNDS, REPEATS, say)
    times: dict[str, dict[Form, float]] = {}
    for form, rounds in profiles.items():
        for name, ms in lowest_steps(rounds).items():
            if nets[form].get(name) == form:
                times.setdefault(name, {})[form] = ms
    return times
