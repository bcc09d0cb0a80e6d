"""One accelerated layer on inputs of one shape: flat tensors in and out, under autograd."""

from dataclasses import dataclass

import torch
from torch.autograd.function import once_differentiable

from ..kernels.frame import Frame, Window
from ..targets.target import Target
from .flat_tensor import Buffers, Size, layout
from .kernels import LayerKernels
from .packing import Packing


@dataclass(frozen=True)
class Geometry:
    """What a layer does to images of one size; every layer is seen as three-dimensional."""

    window: Window
    rank: int
    """Spatial axes of the layer itself; 0: linear."""
    batch: int
    size: Size
    output: Size

    @property
    def reach(self) -> int:
        """Elements that a kernel position looks back or ahead, in the least frame."""
        return self.frame.reach

    @property
    def frame(self) -> Frame:
        """The least raster in which no margin is too small."""
        return frame_of(self.batch, self.window.pitch(self.size, self.output), self.window)

    def suits(self, frame: Frame) -> bool:
        """Whether `frame` has the margins that this layer needs."""
        needed = frame_of(self.batch, frame.pitch, self.window)
        wide = all(a >= b for a, b in zip(frame.pitch, self.frame.pitch, strict=True))
        return wide and frame.batch == self.batch and frame.reach >= needed.reach


def frame_of(batch: int, pitch: Size, window: Window) -> Frame:
    """A raster of this pitch, with guards for what the window looks at."""
    steps = (pitch[1] * pitch[2], pitch[2], 1)
    reach = max(abs(sum(s * n for s, n in zip(shift, steps))) for _, shift in window.taps)
    return Frame(batch, pitch, reach)


class LayerRun:
    """The kernels of a layer for inputs of one shape in one raster, and its buffers."""

    def __init__(
        self, packing: Packing, geometry: Geometry, frame: Frame, buffers: Buffers, target: Target
    ):
        filters, channels, *_ = packing.shape
        self.geometry, self.buffers = geometry, buffers
        self.x = layout(frame, channels, geometry.size, geometry.rank)
        self.y = layout(frame, filters, geometry.output, geometry.rank)
        self.kernels = LayerKernels(packing, geometry.window, self.x.flat, self.y.flat, target)

    def __call__(self, x: torch.Tensor, values: torch.Tensor, bias: torch.Tensor | None):
        return _Layer.apply(x, values, bias, self)


class _Layer(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, values, bias, run: LayerRun):
        source, y = run.buffers.as_flat(x, run.x), run.buffers.take(run.y)
        run.kernels.forward(source.data, values, bias, y.data)
        # x itself where it lies flat: what torch knows, it guards against changes in place
        ctx.save_for_backward(source.view, values)
        ctx.run = run
        return y.view

    @staticmethod
    @once_differentiable
    def backward(ctx, dy):
        (x, values), run = ctx.saved_tensors, ctx.run
        needs_x, needs_values, needs_bias, _ = ctx.needs_input_grad
        dy, dx, dvalues, dbias = run.buffers.as_flat(dy, run.y), None, None, None
        if needs_x:
            told = run.buffers.take(run.x)
            run.kernels.input_gradient(dy.data, values, told.data)
            dx = told.view
        if needs_values or needs_bias:
            dvalues, dbias = run.kernels.weight_gradient(run.buffers.find(x).data, dy.data)
        return dx, dvalues, dbias if needs_bias else None, None
