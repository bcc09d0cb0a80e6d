"""How a linear layer works on plain samples: its lanes run over filters, so nothing is copied."""

from dataclasses import dataclass
from math import prod

import numpy as np

from ..ir.layer import Layer
from ..kernels.samples import Samples, samples as samples_kernel
from ..kernels.tile import samples_together
from ..targets.target import Target
from . import pack
from .flat_steps import Step
from .form import Form

WASTE = 1.5
"""Of the weights that stay, those that groups of neighbouring filters may hold besides."""


@dataclass(frozen=True)
class SamplesStep(Step):
    """y = samples(x, values, column, bias, residual?), all [samples, features]."""

    layer: Layer
    form: Form

    def emit(self, emission):
        layer, target = self.layer, emission.target
        matrix, outputs = emission.array(layer.weight), layer.weight_shape[0]
        bias = np.zeros(outputs) if layer.bias is None else emission.array(layer.bias)
        constants = pack.by_filters(matrix[None], bias[None], self.form.sparse, target.lanes)
        _, tiles, columns, units = constants["values"].shape
        groups = constants["column"].shape[3]
        *leading, inputs = layer.input_shape
        samples, vectors = prod(leading), units // target.lanes
        shape = Samples(
            samples=samples,
            together=samples_together(samples, inputs, vectors, target.registers, target.l1),
            inputs=inputs,
            outputs=outputs,
            tiles=tiles,
            groups=groups,
            filters=units // groups,
            columns=columns,
            epilogue=layer.epilogue,
        )
        args = [emission.reshaped(emission.plain(self.call.args[0].name), (samples, inputs))]
        args += emission.constants(layer.name, constants)
        if "add" in layer.epilogue:
            residual = emission.plain(self.call.args[-1].name)
            args.append(emission.reshaped(residual, (samples, outputs)))
        y = emission.plain_kernel(shape, samples_kernel, args, (samples, outputs))
        emission.set_plain(self.output, emission.reshaped(y, layer.output_shape))


def runs_by_filters(layer: Layer, form: Form, weight: np.ndarray, target: Target) -> bool:
    """Whether neighbouring filters keep the same inputs, or there are too few samples for lanes to
    run over them."""
    if layer.kind != "linear":
        return False
    if not form.sparse or prod(layer.input_shape[:-1]) < target.lanes:
        return True
    return pack.neighbours_agree(weight, target.lanes, WASTE)
