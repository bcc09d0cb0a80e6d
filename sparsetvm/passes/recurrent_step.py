"""How a marked recurrence becomes a kernel: its packed constants, and the state that goes in and
out."""

from dataclasses import dataclass

import numpy as np

from ..errors import TargetError
from ..ir.layer import GATES, STATES, Layer
from ..kernels.recurrent import Recurrent, recurrent
from . import pack
from .flat_steps import Step
from .form import Form


@dataclass(frozen=True)
class RecurrentStep(Step):
    """(y, h, c?) = recurrent(projected, values, column, bias, h, c?), all on plain tensors."""

    layer: Layer
    form: Form

    def emit(self, emission):
        layer, target = self.layer, emission.target
        if target.is_gpu:
            raise TargetError(
                f"{layer.name}: recurrent layers do not run on {target.name} yet\n"
                f"  compile the net for the CPU beside it: --target cpu, or android-cpu"
            )
        gates = GATES[layer.kind]
        matrices = emission.array(layer.weight).reshape(gates, -1, layer.weight_shape[1])
        bias = np.zeros(matrices.shape[:2], np.float32)
        if layer.bias is not None:
            bias = emission.array(layer.bias).reshape(bias.shape)
        constants = pack.by_filters(matrices, bias, self.form.sparse, target.lanes)
        _, tiles, columns, units = constants["values"].shape
        groups = constants["column"].shape[3]
        steps, batch, hidden = layer.output_shape
        shape = Recurrent(
            cell=layer.kind,
            steps=steps,
            batch=batch,
            hidden=hidden,
            tiles=tiles,
            groups=groups,
            filters=units // groups,
            columns=columns,
            lanes=target.lanes if hidden % target.lanes == 0 else 1,
            reverse=layer.reverse,
            threads=min(target.threads, tiles),
        )
        first = 2 if layer.bias is None else 3
        projected, state = self.call.args[0], self.call.args[first:]
        args = [emission.plain(projected.name)]
        args += emission.constants(layer.name, constants)
        args += [emission.on_plain(one) for one in state]
        results = [layer.output_shape, *((batch, hidden),) * STATES[layer.kind]]
        emission.set_plain(self.output, emission.plain_kernel(shape, recurrent, args, *results))
