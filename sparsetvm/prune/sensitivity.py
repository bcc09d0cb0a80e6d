"""What structures would cost each layer: the error that a refit leaves, layer by layer, no labels.

Each layer is looked at alone, on the dense net's own inputs: its zeros are chosen by second order,
what stays is fitted, and the error follows from the Gram matrix, without another run of the net.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from functools import partial

import torch
from torch import nn

from ..errors import ModelError
from ..sparsity import Structure
from .layers import find_layers, find_weights, read_weights
from .refit import POSITIONS, Samples, check_samples, fitted, in_eval_mode
from .statistics import input_rows, output_rows, summarise

log = logging.getLogger(__name__)


def refit_errors(
    model: nn.Module,
    samples: Samples,
    structures: Mapping[str, Sequence[Structure]],
    seed: int = 0,
    progress: Callable[[str], None] = log.info,
) -> dict[str, dict[Structure, float]]:
    """The squared error of a layer's outputs under each of its structures, of their variance.

    One pass of the dense net over the samples; `seed` draws the positions that are looked at.
    """
    samples = check_samples(samples)
    layers = find_layers(model)
    if missing := [name for name in structures if name not in layers]:
        raise ModelError(
            f"samples tell nothing of {missing[0]}: no convolution or linear layer is called that\n"
            f"  plan without samples"
        )
    prunable = find_weights(model)
    weights = read_weights({name: prunable[name] for name in structures})
    generator = torch.Generator().manual_seed(seed)
    errors: dict[str, dict[Structure, float]] = {}

    def look(name: str, layer: nn.Module, inputs: tuple, output: torch.Tensor) -> None:
        if name in errors:  # the first of several calls counts
            return
        places, values = output_rows(layer, output, POSITIONS * len(samples[0]), generator)
        rows = input_rows(layer, inputs[0], places, tuple(output.shape[2:]))
        statistics = summarise(rows, values, layer.bias is not None)
        errors[name] = {}
        for structure in structures[name]:
            progress(f"{name}: the error of {structure}")
            matrix = fitted(weights[name], statistics, structure)
            errors[name][structure] = statistics.error(matrix)

    with torch.no_grad(), in_eval_mode(model), ExitStack() as hooks:
        for name in structures:
            hooks.enter_context(layers[name].register_forward_hook(partial(look, name)))
        model(*samples)
    if idle := sorted(set(structures) - set(errors)):
        raise ModelError(
            f"{idle[0]} is not called as a module, so samples tell nothing of it\n"
            f"  plan without samples"
        )
    return errors
