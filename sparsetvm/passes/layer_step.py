"""How a marked layer works on flat activations: its packed constants and its kernel."""

from dataclasses import dataclass, replace

import numpy as np

from ..ir.layer import Layer
from ..kernels import flat
from ..kernels.epilogue import activation
from ..kernels.frame import Window
from ..kernels.gather_gemm import GatherGemm
from ..kernels.tile import dense_group, lanes_for
from ..sparsity.dense import Dense
from ..sparsity.packed import pack as pack_weight
from . import pack
from .flat_steps import Step
from .layout import Value, images, phases, samples


@dataclass(frozen=True)
class LayerStep(Step):
    """y = gather_gemm(x, values, offset, row, bias, mask, residual?); a stride reads x's phases."""

    layer: Layer
    source: Value
    residual: Value | None

    @property
    def window(self) -> Window:
        return pack.window_of(self.layer)

    @property
    def read(self) -> Value:
        """What the kernel reads, in the frame that it writes."""
        window = self.window
        return phases(self.result.var, self.source, window) if window.is_strided else self.source

    def place(self, layout):
        layout.add(self.source)
        joined = [self.read, self.result] + ([self.residual] if self.residual else [])
        layout.join([layout.add(value) for value in joined])
        layout.read(self.read, self.window, self.source.size, self.result.size)

    def emit(self, emission):
        layer, target = self.layer, emission.target
        source, dest = emission.place(self.read), emission.place(self.result)
        weight = emission.array(layer.weight)
        if isinstance(layer.structure, Dense):
            packed = pack_weight(weight, dense_group(dest.positions, target.lanes), None)
        else:
            packed = layer.structure.pack(weight)
        groups, blocks, columns, filters = packed.values.shape
        lanes = lanes_for(filters, dest.positions, dest.frame.row, target.lanes, target.registers)
        bias = None if layer.bias is None else emission.array(layer.bias)
        constants = {
            "values": packed.values,
            "offset": pack.offsets(packed, self.window, source),
            "row": pack.output_rows(packed, dest),
            "bias": pack.group_bias(packed, bias),
        }
        args = [self._input(emission)]
        args += [emission.constant(f"{layer.name}.{name}", a) for name, a in constants.items()]
        args.append(emission.mask(dest, lanes))
        if self.residual:
            args.append(emission.flat(self.residual))
        shape = GatherGemm(
            groups, filters, blocks, columns, lanes, source.length, dest.length, layer.epilogue
        )
        emission.set_flat(self, emission.gather_gemm(shape, dest, args))

    def _input(self, emission):
        if not self.window.is_strided:
            return emission.flat(self.source)
        return emission.convert(self.source, self.read, self.window.stride, self.window.phases)


@dataclass(frozen=True)
class DepthwiseStep(Step):
    """One kernel per channel, dense, on flat activations."""

    layer: Layer
    source: Value

    def place(self, layout):
        window = pack.window_of(self.layer)
        layout.add(self.result)
        whole = replace(window, stride=(1, 1, 1))
        last = tuple((n - 1) * s + 1 for n, s in zip(self.result.size, window.stride))
        layout.read(layout.add(self.source), whole, self.source.size, last)

    def emit(self, emission):
        layer = self.layer
        source, dest = emission.place(self.source), emission.place(self.result)
        weight = emission.array(layer.weight)
        bias = (
            np.zeros(len(weight), np.float32) if layer.bias is None else emission.array(layer.bias)
        )
        args = [
            emission.flat(self.source),
            emission.constant(f"{layer.name}.weight", weight.ravel()),
            emission.constant(f"{layer.name}.bias", bias),
        ]
        kernel = flat.depthwise(dest, source, pack.window_of(layer), activation(layer.epilogue))
        emission.set_flat(self, emission.kernel("depthwise", kernel, args, (dest.length,)))


def layer_step(output, call, layer: Layer) -> Step:
    """The step of a call to a marked layer's function (x, weight, bias?, residual?)."""
    role = samples if layer.kind == "linear" else images
    source, result = (
        role(call.args[0].name, layer.input_shape),
        role(output.name, layer.output_shape),
    )
    if layer.is_depthwise:
        return DepthwiseStep(output, call, result, layer, source)
    residual = role(call.args[-1].name, layer.output_shape) if "add" in layer.epilogue else None
    return LayerStep(output, call, result, layer, source, residual)
