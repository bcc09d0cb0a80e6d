"""One-shot pruning: the plan's zeros where they cost least, in a copy of the model."""

import logging
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path

import numpy as np
import torch
from torch import nn

from ..sparsity import Dense, Plan, Structure
from .layers import Weight, find_weights, read_weights, structures_for
from .refit import Samples, fit_layers
from .report import PrunedLayer, PruneReport

log = logging.getLogger(__name__)


def prune(model: nn.Module, plan: Plan | str | Path, refit_on: Samples | None = None) -> nn.Module:
    """A copy of the model with zeros where the plan wants them, by magnitude.

    Convolutions, linear and recurrent layers get zeros; batch-norm is left alone: folding it in
    keeps them. `refit_on`, a few of the net's inputs, makes much of what is lost good again: zeros
    are then chosen by what they cost in a layer's outputs, and the weights that stay are fitted to
    these.
    """
    return prune_with_report(model, plan, refit_on)[0]


def prune_with_report(
    model: nn.Module,
    plan: Plan | str | Path,
    refit_on: Samples | None = None,
    seed: int = 0,
    progress: Callable[[str], None] = log.info,
) -> tuple[nn.Module, PruneReport]:
    """Like `prune`, and what it did layer by layer; `seed` draws the positions to fit on."""
    plan = plan if isinstance(plan, Plan) else Plan.load(plan)
    pruned = deepcopy(model)
    weights = find_weights(pruned)
    structures = structures_for(weights, plan)
    dense = {name: values.copy() for name, values in read_weights(weights).items()}
    with torch.no_grad():
        for name, values in dense.items():
            mask = torch.from_numpy(structures[name].mask(values))
            weights[name].parameter.mul_(mask.to(weights[name].parameter.device))
    errors: dict[str, float] = {}
    if refit_on is not None:
        chosen = {name: s for name, s in structures.items() if not isinstance(s, Dense)}
        errors = fit_layers(model, pruned, refit_on, chosen, seed=seed, progress=progress)
    report = PruneReport(
        tuple(
            _compare(weight, structures[name], dense[name], errors.get(name))
            for name, weight in weights.items()
        )
    )
    return pruned, report


def _compare(
    weight: Weight, structure: Structure, dense: np.ndarray, error: float | None
) -> PrunedLayer:
    kept = weight.parameter.detach().cpu().numpy() != 0
    energy = np.square(dense, dtype=float)
    return PrunedLayer(
        name=weight.name,
        kind=weight.kind,
        structure=structure,
        weights=dense.size,
        kept=int(kept.sum()),
        kept_energy=float(energy[kept].sum() / max(energy.sum(), np.finfo(float).tiny)),
        error=error,
    )
