"""How a marked layer works on flat activations: its packed constants and its kernel."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from ..ir.layer import Layer
from ..kernels import flat
from ..kernels.blocks import BlockFrame
from ..kernels.cut import Work, best_cut
from ..kernels.epilogue import activation
from ..kernels.frame import Flat, Window
from ..kernels.gather_gemm import GatherGemm
from ..kernels.tile import dense_group, lanes_for
from ..kernels.winograd import Winograd, reach
from ..sparsity.packed import Packed, pack as pack_weight
from ..targets.target import Target
from . import pack
from .flat_steps import Step
from .form import Form, forms_of
from .layout import Value, images, phases, samples
from .recurrent_step import RecurrentStep
from .samples_step import SamplesStep, runs_by_filters


@dataclass(frozen=True)
class LayerStep(Step):
    """y = gather_gemm(x, values, offset, row, bias, mask, residual?); a stride reads x's phases.

    In the Winograd domain: y = winograd(x, values, source, row, bias, residual?).
    """

    layer: Layer
    form: Form
    source: Value
    residual: Value | None

    @property
    def window(self) -> Window:
        return pack.window_of(self.layer)

    @property
    def is_bound_by_loads(self) -> bool:
        """A vector of x is used for one filter or two, and most straddle two cache lines."""
        if self.form.outputs > 1 or not self.form.sparse or self.layer.structure.group > 2:
            return False
        return any(any(shift) for _, shift in self.window.taps)

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
        for form in forms_of(self.layer):  # all of them: rows do not depend on the choice
            if form.outputs > 1:
                layout.touch(self.read, reach(form.domain(self.layer)))
        if self.form.outputs > 1:
            layout.keep_rows(self.result)
        elif self.is_bound_by_loads:
            layout.prefer_blocks(self.result)

    def emit(self, emission):
        layer, form = self.layer, self.form
        kernel, constants = (self._direct if form.outputs == 1 else self._winograd)(emission)
        args = [self._input(emission)]
        args += emission.constants(layer.name, constants)
        if form.outputs == 1:
            args.append(emission.mask(emission.place(self.result), kernel.lines, kernel.lanes))
        if self.residual:
            args.append(emission.whole(self.residual))
        emission.set_flat(self, emission.layer_kernel(kernel, emission.place(self.result), args))

    def packed(self, emission) -> Packed:
        """The weight as a direct kernel reads it."""
        layer, dest = self.layer, emission.place(self.result)
        weight = emission.array(layer.weight)
        if self.form.sparse:
            return layer.structure.pack(weight)
        return pack.all_kept(weight, dense_group(dest.positions, emission.target.lanes))

    def bias(self, emission) -> np.ndarray | None:
        """float32 [filters]."""
        return None if self.layer.bias is None else emission.array(self.layer.bias)

    def _direct(self, emission) -> tuple[GatherGemm, dict[str, np.ndarray]]:
        source, dest = emission.place(self.read), emission.place(self.result)
        packed, bias = self.packed(emission), self.bias(emission)
        constants = direct_constants(packed, bias, self.window, source, dest)
        kernel = direct_kernel(packed, self.layer.epilogue, source, dest, emission.target)
        return kernel, constants

    def _winograd(self, emission) -> tuple[Winograd, dict[str, np.ndarray]]:
        layer, form, target = self.layer, self.form, emission.target
        source, dest = emission.place(self.read), emission.place(self.result)
        domain = form.domain(layer)
        kernels = pack.kernels(emission.array(layer.weight), domain)
        sizes = np.abs(kernels).sum(axis=(2, 3, 4))
        if form.sparse:
            packed = pack_weight(sizes, layer.structure.group, None)
        else:
            packed = pack.all_kept(sizes, dense_group(dest.positions, target.lanes))
        groups, _, columns, filters = packed.values.shape
        work = Work(
            domain, groups, filters, columns, source.channels, source.frame.batch, dest.size
        )
        cut, _ = best_cut(work, target)
        constants = pack.transformed(kernels, packed, domain, cut.groups)
        for name, array in _rows_and_bias(packed, self.bias(emission), dest).items():
            constants[name] = pack.in_rounds(array, cut.groups)
        kernel = Winograd(
            work,
            frame=dest.frame,
            before=self.window.before,
            epilogue=layer.epilogue,
            lanes=target.lanes,
            cut=cut,
            outputs=dest.channels,
        )
        return kernel, constants

    def _input(self, emission):
        if self.window.is_strided:
            return emission.convert(self.source, self.read, self.window.stride, self.window.phases)
        is_direct = self.form.outputs == 1
        return emission.flat(self.source) if is_direct else emission.whole(self.source)


def direct_kernel(
    packed: Packed, epilogue: tuple[str, ...], source: Flat, dest: Flat, target: Target
) -> GatherGemm:
    """The direct kernel of a packed weight."""
    groups, blocks, columns, filters = packed.values.shape
    lines, lanes, pitch = _raster(dest, filters, target)
    return GatherGemm(
        groups=groups,
        filters=filters,
        blocks=blocks,
        columns=columns,
        lanes=lanes,
        x_length=source.length,
        y_length=dest.length,
        epilogue=epilogue,
        lines=lines,
        pitch=pitch,
    )


def direct_constants(
    packed: Packed, bias: np.ndarray | None, window: Window, source: Flat, dest: Flat
) -> dict[str, np.ndarray]:
    """What that kernel reads besides x and the mask."""
    return {
        "values": pack.values(packed),
        "offset": pack.offsets(packed, window, source),
        **_rows_and_bias(packed, bias, dest),
    }


def _rows_and_bias(packed: Packed, bias: np.ndarray | None, dest: Flat) -> dict[str, np.ndarray]:
    return {"row": pack.output_rows(packed, dest), "bias": pack.group_bias(packed, bias)}


def _raster(dest: Flat, filters: int, target: Target) -> tuple[int, int, int]:
    """(lines, lanes of each, elements from one to the next) that the kernel computes."""
    if isinstance(dest.frame, BlockFrame):
        lines, pixels = dest.frame.block
        return lines, pixels * dest.frame.lanes, dest.frame.strides[2]
    row = dest.frame.row
    return 1, lanes_for(filters, dest.positions, row, target.lanes, target.registers), 0


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
        for value in (self.result, self.source):
            layout.keep_rows(value)  # it reads the zeros between them

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
        window, activate = pack.window_of(layer), activation(layer.epilogue)
        kernel = flat.depthwise(dest, source, window, activate, emission.target.vector)
        emission.set_flat(self, emission.kernel("depthwise", kernel, args, (dest.length,)))


def layer_step(
    output,
    call,
    layer: Layer,
    arrays: Mapping[str, np.ndarray],
    target: Target,
    forms: Mapping[str, Form],
) -> Step:
    """The step of a call to a marked layer's function (x, weight, bias?, residual or state?)."""
    if layer.is_recurrent:
        return RecurrentStep(output, call, None, layer, forms[layer.name])
    if runs_by_filters(layer, forms.get(layer.name), arrays[layer.weight], target):
        return SamplesStep(output, call, None, layer, forms[layer.name])
    role = samples if layer.kind == "linear" else images
    source, result = (
        role(call.args[0].name, layer.input_shape),
        role(output.name, layer.output_shape),
    )
    if layer.is_depthwise:
        return DepthwiseStep(output, call, result, layer, source)
    residual = role(call.args[-1].name, layer.output_shape) if "add" in layer.epilogue else None
    return LayerStep(output, call, result, layer, forms[layer.name], source, residual)
