"""A plan for a time: measure what structures take and cost, choose, and try it in the whole net."""

import logging
from collections.abc import Callable, Mapping, Sequence
from math import log as ln
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..compiler import export
from ..errors import InputError, ModelError
from ..ir import LayerIR
from ..sparsity import Dense, Structure
from ..targets import resolve
from .candidates import Family, families
from .design import Design, Goal
from .knapsack import cheapest
from .latency import measure_layers
from .sensitivity import lost_energy
from .trial import Trial, plan_name

if TYPE_CHECKING:
    from ..prune.refit import Samples

log = logging.getLogger(__name__)

ROUNDS = 4
"""Plans that are chosen and measured, each by times corrected by the one before."""
CLOSE = 0.04
"""No further round once the time is so near to the goal, of the goal."""
LEAST = 1e-6
"""Of a layer, stays at least: logarithms want something."""

ENERGY = "the part of a layer's squared weights that zeros take; no samples were given"
FITTED = "squared error of a layer's outputs on the samples after a refit, of their variance"


def plan_for(
    model: LayerIR | Any,
    example_inputs: Any = None,
    speedup: float | None = None,
    ms: float | None = None,
    target: str = "cpu",
    threads: int | None = None,
    samples: "Samples | None" = None,
    database: str | Path | None = None,
    progress: Callable[[str], None] = log.info,
) -> Design:
    """Structure, rate and B of each layer, so that the net takes `ms` milliseconds on this device,
    or 1 / `speedup` of what our own dense net takes, at the least error.

    `model` is what `export` takes, dense. Errors are those of a refit on `samples`, a few of a
    torch net's inputs; without them, the energy of the weights that go. Layers' times are measured
    once and kept; then plans are chosen, compiled and measured beside the dense net until one is as
    fast as asked. Where none is, the fastest is returned, and says so.
    """
    goal = Goal(speedup, ms)
    if samples is not None and not hasattr(model, "named_modules"):
        raise InputError("samples run through a torch module; give it, or plan without samples")
    ir = model if isinstance(model, LayerIR) else export(model, example_inputs)
    offered = _offered(ir)
    device = resolve(target, threads)
    trial = Trial(ir, goal, ENERGY if samples is None else FITTED, device, database, progress)
    measured = {
        name: [family.at(rate) for family in each for rate in family.measured]
        for name, each in offered.items()
    }
    if samples is None:
        errors = lost_energy(ir, measured, progress)
    else:
        from ..prune.sensitivity import refit_errors  # brings torch, which nets in files do without

        errors = refit_errors(model, samples, measured, progress=progress)
    times = measure_layers(ir, measured, device, database, progress)
    options = {name: _options(each, times[name], errors[name]) for name, each in offered.items()}
    return _search(trial, options, goal)


Options = dict[Structure, tuple[float, float]]
"""What a layer may take, with milliseconds and error."""


def _offered(ir: LayerIR) -> dict[str, tuple[Family, ...]]:
    """The families of each layer that may be pruned, by its name in plans."""
    if pruned := [layer.name for layer in ir.layers if not isinstance(layer.structure, Dense)]:
        raise ModelError(f"{ir.source}: {pruned[0]} is pruned already\n  plan from the dense net")
    offered = {plan_name(layer): families(layer) for layer in ir.layers if families(layer)}
    if not offered:
        raise ModelError(
            f"{ir.source} has no layer to prune: all are depthwise or have few input channels"
        )
    return offered


def _options(
    offered: Sequence[Family], times: Mapping[Structure, float], errors: Mapping[Structure, float]
) -> Options:
    """Dense, and each family at its measured rates and between them.

    Between, time grows with the weights that stay, and what stays of the layer, 1 - error, falls
    with a power of the rate: 4x1 blocks of random weights keep 0.79, 0.51, 0.32, 0.19 of their
    energy at 2x, 4x, 8x, 16x.
    """
    options: Options = {Dense(): (times[Dense()], 0.0)}
    for family in offered:
        known = [family.at(rate) for rate in family.measured]
        ms = [times[structure] for structure in known]
        stays = np.log([max(1 - errors[structure], LEAST) for structure in known])
        for rate in family.rates():
            time = np.interp(-1 / rate, [-1 / one for one in family.measured], ms)
            error = 1 - np.exp(np.interp(np.log(rate), np.log(family.measured), stays))
            options[family.at(rate)] = float(time), float(error)
    return options


def _search(trial: Trial, options: Mapping[str, Options], goal: Goal) -> Design:
    """The plan of all that were tried whose time is nearest to the goal.

    A net takes `rest` and what its layers take by the tables, times `scale`; each trial says anew
    what these two are. What stays of a signal that runs through all layers is the product of what
    each leaves of it, 1 - error; so the logarithms of these are added up.
    """
    costs = [
        [(ms, -ln(max(1 - error, LEAST))) for ms, error in each.values()]
        for each in options.values()
    ]
    tried: dict[tuple[Structure, ...], Design] = {}
    dense_ms, layers_ms = trial.dense(options)
    rest = dense_ms - layers_ms
    scale = layers_ms / sum(each[Dense()][0] for each in options.values())
    for _ in range(ROUNDS):
        budget = (goal.milliseconds(dense_ms) - rest) / scale
        picked = cheapest(costs, budget)
        chosen = {
            name: list(each)[i] for (name, each), i in zip(options.items(), picked, strict=True)
        }
        key = tuple(chosen.values())
        if key in tried:
            break
        errors = {name: options[name][structure][1] for name, structure in chosen.items()}
        is_fastest = picked == cheapest(costs, 0.0)
        tried[key] = design = trial.measure(chosen, errors, is_fastest)
        if design.distance <= CLOSE:
            break
        layers_ms = sum(layer.ms for layer in design.layers)
        dense_ms, rest = design.dense_ms, design.ms - layers_ms
        scale = layers_ms / sum(options[name][structure][0] for name, structure in chosen.items())
    return min(tried.values(), key=lambda design: design.distance)
