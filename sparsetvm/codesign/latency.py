"""What each layer takes under each structure, measured in the net itself, where caches are as full
as in use: one net for each structure, in all layers at once."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from itertools import zip_longest
from pathlib import Path

from .. import __version__
from .._tvm import tvm
from ..ir.layer import Layer, LayerIR
from ..ir.prune import prune
from ..runtime.inputs import random_inputs
from ..runtime.turns import lowest_steps, profile_in_turns
from ..sparsity import Dense, Structure
from ..targets import Target
from ..tune.lookup import Records
from .known import Known
from .trial import engine_of, plan_name, plan_of

ROUNDS, REPEATS = 7, 3

Wanted = Mapping[str, Sequence[Structure]]
"""The structures to measure of each layer, by its name in plans."""
Numbers = dict[str, dict[Structure, float]]
"""One number for each layer and structure."""


def measure_layers(
    ir: LayerIR,
    wanted: Wanted,
    target: Target,
    database: str | Path | None,
    say: Callable[[str], None],
) -> Numbers:
    """Milliseconds under all wanted structures and Dense; layers that share a weight are added.

    What is known is not measured again, unless tuning or another version changed the code since.
    """
    known = Known()
    place = (
        target.device,
        target.threads,
        tuple(sorted(target.features)),
        Records(target, database).stamp,
        (__version__, tvm.__version__),
    )
    layers = [layer for layer in ir.layers if plan_name(layer) in wanted]

    def facts(layer: Layer, structure: Structure) -> tuple:
        shapes = (layer.input_shape, layer.output_shape, layer.weight_shape)
        window = (layer.stride, layer.padding, layer.dilation)
        return ("ms", layer.kind, shapes, window, layer.epilogue, structure, place)

    nets = [
        net
        for net in _nets(wanted)
        if any(known.get(facts(layer, net[plan_name(layer)])) is None for layer in layers)
    ]
    if nets:
        found: dict[tuple, list[float]] = defaultdict(list)
        for net, ms in zip(nets, _measure(ir, nets, target, database, say), strict=True):
            for layer in layers:
                found[facts(layer, net[plan_name(layer)])].append(ms[layer.name])
        known.add(found)
    times: Numbers = {name: {} for name in wanted}
    for layer in layers:
        of_layer = times[plan_name(layer)]
        for structure in (Dense(), *wanted[plan_name(layer)]):
            ms = known.get(facts(layer, structure))
            of_layer[structure] = of_layer.get(structure, 0.0) + ms
    return times


def _nets(wanted: Wanted) -> list[dict[str, Structure]]:
    """The dense net, then one for each wanted structure of the layer that has most of them."""
    columns = zip_longest(*([Dense(), *each] for each in wanted.values()), fillvalue=Dense())
    return [dict(zip(wanted, column, strict=True)) for column in columns]


def _measure(
    ir: LayerIR,
    nets: Sequence[Mapping[str, Structure]],
    target: Target,
    database: str | Path | None,
    say: Callable[[str], None],
) -> list[dict[str, float]]:
    """Milliseconds of each step of each net, its layers pruned as said, all measured in turns."""
    engines = {}
    for number, net in enumerate(nets):
        say(f"compiling net {number + 1} of {len(nets)} that measure layers")
        engines[number] = engine_of(prune(ir, plan_of(net)), target, database)
    inputs = random_inputs(engines[0].manifest)
    profiles = profile_in_turns(engines, inputs, ROUNDS, REPEATS, say)
    return [lowest_steps(profiles[number]) for number in engines]
