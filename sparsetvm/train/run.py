"""One accelerated layer on inputs of one shape: flat tensors in and out, under autograd."""

import torch
from torch.autograd.function import once_differentiable

from ..kernels.frame import Frame
from ..targets.target import Target
from .flat_ops import Ops
from .flat_tensor import Buffers, layout
from .geometry import Geometry
from .kernels import LayerKernels
from .packing import Packing


class LayerRun:
    """The kernels of a layer for inputs of one shape in one raster, and its buffers."""

    def __init__(
        self, packing: Packing, geometry: Geometry, frame: Frame, buffers: Buffers, target: Target
    ):
        filters, channels, *_ = packing.shape
        self.packing, self.geometry, self.buffers = packing, geometry, buffers
        self.x = layout(frame, channels, geometry.size, geometry.rank)
        self.y = layout(frame, filters, geometry.output, geometry.rank)
        self.kernels = LayerKernels(packing, geometry.window, self.x.flat, self.y.flat, target)

    def __call__(
        self,
        x: torch.Tensor,
        values: torch.Tensor,
        bias: torch.Tensor | None,
        relu: Ops | None = None,
    ) -> torch.Tensor:
        """With relu, if its kernels are given."""
        return _Layer.apply(x, values, bias, self, relu)


class _Layer(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, values, bias, run: LayerRun, relu: Ops | None):
        source, y = run.buffers.as_flat(x, run.x), run.buffers.take(run.y)
        run.kernels.forward(source.data, values, bias, y.data, relu is not None)
        # x itself where it lies flat: what torch knows, it guards against changes in place
        ctx.save_for_backward(source.view, values, None if relu is None else y.view)
        ctx.run, ctx.relu = run, relu
        return y.view

    @staticmethod
    @once_differentiable
    def backward(ctx, dy):
        (x, values, y), run = ctx.saved_tensors, ctx.run
        needs_x, needs_values, needs_bias, *_ = ctx.needs_input_grad
        dy, dx, dvalues, dbias = run.buffers.as_flat(dy, run.y), None, None, None
        if y is not None:
            given, dy = dy, run.buffers.take(run.y)
            ctx.relu.backward(given.data, run.buffers.find(y).data, dy.data)
        if needs_x:
            told = run.buffers.take(run.x)
            run.kernels.input_gradient(dy.data, values, told.data)
            dx = told.view
        if needs_values or needs_bias:
            dvalues, dbias = run.kernels.weight_gradient(run.buffers.find(x).data, dy.data)
        return dx, dvalues, dbias if needs_bias else None, None, None
