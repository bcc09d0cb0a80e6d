"""The weights that stay are fitted to what the dense net computes: no labels, no training.

One pass of the dense net records each layer's outputs (before any activation) at some positions.
One pass of the pruned net follows; as it reaches a layer, ridge least squares finds the weights and
the bias that give those outputs best from the inputs that arrive, through the layers pruned and
fitted already. One Gram matrix serves all filters, whatever columns they keep.
"""

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from copy import deepcopy
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import nn

from ..errors import InputError, ModelError
from ..sparsity import Structure
from .layers import find_layers, find_weights
from .refit_recurrent import fit_steps, record_steps, recurrent_modules, weight_names
from .selection import select
from .statistics import Statistics, input_rows, output_rows, summarise

log = logging.getLogger(__name__)

Samples = torch.Tensor | np.ndarray | tuple[torch.Tensor | np.ndarray, ...]
"""The net's input, or inputs, with several samples along the first axis."""

POSITIONS = 1000
"""Of each layer's output, for each sample."""
RIDGE = 1e-3
"""Added to the Gram matrix's diagonal, of its mean."""


def refit(
    dense: nn.Module,
    pruned: nn.Module,
    samples: Samples,
    seed: int = 0,
    progress: Callable[[str], None] = log.info,
) -> nn.Module:
    """A copy of `pruned` with its weights fitted to give the dense net's outputs; zeros stay zeros.

    The pruned net has the dense one's layers by name. A dozen samples are enough for VGG-16.
    """
    fitted = deepcopy(pruned)
    fit_layers(dense, fitted, samples, {}, seed, progress)
    return fitted


def fit_layers(
    dense: nn.Module,
    pruned: nn.Module,
    samples: Samples,
    structures: Mapping[str, Structure],
    seed: int = 0,
    progress: Callable[[str], None] = log.info,
) -> dict[str, float]:
    """Fit every layer that has zeros, in place, in the order of the run; its error on the samples.

    A layer in `structures` gets its zeros anew, where they cost least.
    """
    samples = check_samples(samples)
    weights = {name: weight.parameter for name, weight in find_weights(pruned).items()}
    names = [n for n, weight in weights.items() if n in structures or bool((weight == 0).any())]
    layers = {name: layer for name, layer in find_layers(pruned).items() if name in names}
    recurrent = {
        name: module
        for name, module in recurrent_modules(pruned).items()
        if not set(names).isdisjoint(weight_names(name, module))
    }
    errors: dict[str, float] = {}

    def fit(
        name: str, weight: nn.Parameter, bias: nn.Parameter | None, statistics: Statistics
    ) -> None:
        if name in names:
            progress(f"fitting {name}")
            errors[name] = _fit(weight, bias, statistics, structures.get(name))

    def fit_layer(name: str, layer: nn.Module, inputs: tuple[torch.Tensor, ...]) -> None:
        if name in wanted:  # the first of several calls counts
            outputs = wanted.pop(name)
            rows = input_rows(layer, inputs[0], outputs.places, outputs.size)
            statistics = summarise(rows, outputs.values, layer.bias is not None)
            fit(name, layer.weight, layer.bias, statistics)

    def fit_recurrent(name: str, module: nn.Module, inputs: tuple) -> None:
        if name in wanted:
            fit_steps(name, module, inputs, wanted.pop(name), fit)

    with torch.no_grad(), in_eval_mode(dense), in_eval_mode(pruned):
        progress("running the dense net")
        wanted = _record(dense, layers, recurrent, samples, seed)
        with ExitStack() as hooks:
            for modules, fitting in ((layers, fit_layer), (recurrent, fit_recurrent)):
                for name, module in modules.items():
                    hook = module.register_forward_pre_hook(partial(fitting, name))
                    hooks.enter_context(hook)
            pruned(*samples)
    if idle := sorted(set(names) - set(errors)):
        log.warning("not fitted, for the net does not call them as modules: %s", ", ".join(idle))
    return errors


@dataclass(frozen=True)
class _Outputs:
    """What the dense net's layer gives at some places of its output, whose maps have this size."""

    places: torch.Tensor
    size: tuple[int, ...]
    values: np.ndarray


def _record(
    dense: nn.Module,
    layers: Mapping[str, nn.Module],
    recurrent: Mapping[str, nn.Module],
    samples: tuple[torch.Tensor, ...],
    seed: int,
) -> dict[str, Any]:
    """What the dense net gives where the pruned one is to give the same, by name of the module."""
    own = {name: module for name, module in dense.named_modules()}
    if missing := [name for name in (*layers, *recurrent) if name not in own]:
        raise ModelError(
            f"the dense net has no layer {missing[0]}\n  give the net as it was before pruning"
        )
    generator = torch.Generator().manual_seed(seed)
    count = POSITIONS * len(samples[0])
    recorded: dict[str, Any] = {}

    def record(name: str, layer: nn.Module, inputs: tuple, output: torch.Tensor) -> None:
        if name in recorded:
            return
        if name in recurrent:
            recorded[name] = record_steps(layer, inputs, count, generator)
            return
        places, values = output_rows(layer, output, count, generator)
        recorded[name] = _Outputs(places, tuple(output.shape[2:]), values)

    with ExitStack() as hooks:
        for name in (*layers, *recurrent):
            hooks.enter_context(own[name].register_forward_hook(partial(record, name)))
        dense(*samples)
    return recorded


def _fit(
    weight: nn.Parameter,
    bias: nn.Parameter | None,
    statistics: Statistics,
    structure: Structure | None,
) -> float:
    matrix = fitted(weight.cpu().numpy(), statistics, structure)
    weight.copy_(torch.from_numpy(matrix.reshape(weight.shape)))
    if bias is not None:
        bias.copy_(torch.from_numpy(statistics.output_mean - matrix @ statistics.input_mean))
    return statistics.error(matrix)


def fitted(weight: np.ndarray, statistics: Statistics, structure: Structure | None) -> np.ndarray:
    """The matrix [filters, columns] that fits best, with `structure`'s zeros, or `weight`'s own."""
    diagonal = statistics.gram.diagonal()
    ridge = max(RIDGE * float(diagonal.mean()), float(np.finfo(diagonal.dtype).tiny))
    mask = select(structure, weight, statistics, ridge) if structure else weight != 0
    return _least_squares(statistics, mask.reshape(len(weight), -1), ridge)


def _least_squares(statistics: Statistics, mask: np.ndarray, ridge: float) -> np.ndarray:
    """The matrix [filters, columns] that fits best where `mask` holds; 0 elsewhere.

    Filters with one mask, as all of a group have, are solved for together.
    """
    gram, cross = torch.from_numpy(statistics.gram), torch.from_numpy(statistics.cross)
    matrix = np.zeros(mask.shape, statistics.gram.dtype)
    together: dict[bytes, list[int]] = {}
    for filter, row in enumerate(np.packbits(mask, axis=1)):
        together.setdefault(row.tobytes(), []).append(filter)
    for filters in together.values():
        columns = np.flatnonzero(mask[filters[0]])
        own = gram[columns[:, None], columns].double()
        own.diagonal().add_(ridge)
        wanted = cross[columns[:, None], filters].double()
        solved = torch.cholesky_solve(wanted, torch.linalg.cholesky(own))
        matrix[np.ix_(filters, columns)] = solved.T.numpy()
    return matrix


def check_samples(samples: Samples) -> tuple[torch.Tensor, ...]:
    """The samples as a tuple; InputError where one holds numbers that are not finite."""
    given = samples if isinstance(samples, tuple) else (samples,)
    samples = tuple(map(torch.as_tensor, given))
    for sample in samples:
        if sample.is_floating_point() and not sample.isfinite().all():
            raise InputError(
                "the samples to refit on hold numbers that are not finite\n"
                "  leave those samples out"
            )
    return samples


@contextmanager
def in_eval_mode(model: nn.Module) -> Iterator[None]:
    """Eval mode for a while, then each module's own."""
    modes = {module: module.training for module in model.modules()}
    model.eval()
    try:
        yield
    finally:
        for module, training in modes.items():
            module.training = training
