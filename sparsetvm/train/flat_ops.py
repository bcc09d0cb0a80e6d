"""What stands between layers, on flat activations: relu, batch-norm, pooling of whole windows."""

from collections.abc import Callable
from functools import cache

import torch
from torch.autograd.function import once_differentiable

from ..kernels.batch_norm import batch_norm, batch_norm_gradient
from ..kernels.flat import max_pool
from ..kernels.frame import Window
from ..kernels.max_pool_gradient import max_pool_gradient
from ..kernels.relu import relu, relu_gradient
from ..passes.pack import border_mask
from .flat_tensor import Buffers, FlatTensor, Layout, layout
from .geometry import frame_of
from .kernels import compiled, run_on, target_of


class FlatRelu(torch.autograd.Function):
    """relu of an activation that lies flat; so does what comes out."""

    @staticmethod
    def forward(ctx, x, source: FlatTensor, ops: "Ops", buffers: Buffers):
        y = buffers.take(source.layout)
        ops.forward(source.data, y.data)
        ctx.save_for_backward(y.view)
        ctx.ops, ctx.buffers = ops, buffers
        return y.view

    @staticmethod
    @once_differentiable
    def backward(ctx, dy):
        (y,), buffers = map(ctx.buffers.find, ctx.saved_tensors), ctx.buffers
        dx = buffers.take(y.layout)
        ctx.ops.backward(buffers.as_flat(dy, y.layout).data, y.data, dx.data)
        return dx.view, None, None, None


class FlatMaxPool(torch.autograd.Function):
    """max-pooling of an activation that lies flat, by windows that lie side by side."""

    @staticmethod
    def forward(ctx, x, source: FlatTensor, dest: Layout, ops: "Ops", buffers: Buffers):
        y = buffers.take(dest)
        ops.forward(source.data, y.data)
        ctx.save_for_backward(x, y.view)
        ctx.ops, ctx.buffers = ops, buffers
        return y.view

    @staticmethod
    @once_differentiable
    def backward(ctx, dy):
        (x, y), buffers = map(ctx.buffers.find, ctx.saved_tensors), ctx.buffers
        dx = buffers.take(x.layout)
        ctx.ops.backward(x.data, y.data, buffers.as_flat(dy, y.layout).data, dx.data)
        return dx.view, None, None, None, None


class FlatBatchNorm(torch.autograd.Function):
    """Batch-norm by the statistics of the batch, which come out beside the result; with relu, if it
    follows."""

    @staticmethod
    def forward(ctx, x, scale, shift, source: FlatTensor, ops: "Ops", buffers: Buffers):
        y = buffers.take(source.layout)
        mean, variance = torch.empty_like(scale), torch.empty_like(scale)
        ops.forward(source.data, ops.mask, scale, shift, y.data, mean, variance)
        ctx.save_for_backward(x, scale, shift, mean, variance)
        ctx.mark_non_differentiable(mean, variance)
        ctx.ops, ctx.buffers = ops, buffers
        return y.view, mean, variance

    @staticmethod
    @once_differentiable
    def backward(ctx, dy, _mean, _variance):
        (x, scale, *statistics), buffers = ctx.saved_tensors, ctx.buffers
        x = buffers.find(x)
        dy, dx = buffers.as_flat(dy, x.layout), buffers.take(x.layout)
        dscale, dshift = torch.empty_like(scale), torch.empty_like(scale)
        given = (x.data, dy.data, ctx.ops.mask, scale, *statistics)
        ctx.ops.backward(*given, dx.data, dscale, dshift)
        return dx.view, dscale, dshift, None, None, None


@cache
def pooled(source: Layout, window: Window) -> Layout:
    """Where the pooled image lies: margins as wide as they were."""
    frame, old = source.flat.frame, source.flat.size
    margins = [p - n for p, n in zip(frame.pitch, old, strict=True)]
    size = tuple(n // k for n, k in zip(old, window.kernel, strict=True))
    pitch = tuple(n + m for n, m in zip(size, margins, strict=True))
    around = Window(tuple(2 * m + 1 for m in margins), before=tuple(margins))
    return layout(frame_of(frame.batch, pitch, around), source.channels, size, source.rank)


class Ops:
    """A kernel and that of its gradient, for one layout."""

    def __init__(self, threads: int, forward: tuple, backward: tuple):
        target = target_of(threads)

        def ready(write: Callable, *arguments: object) -> Callable:
            kernel = compiled(write, *arguments, target=target)
            return lambda *tensors: run_on(target, kernel, *tensors)

        self.forward, self.backward = ready(*forward), ready(*backward)


@cache
def relu_ops(source: Layout, threads: int) -> Ops:
    length = source.flat.length
    return Ops(threads, (relu, length), (relu_gradient, length))


@cache
def pool_ops(source: Layout, window: Window, threads: int) -> Ops:
    x, y, lanes = source.flat, pooled(source, window).flat, target_of(threads).lanes
    return Ops(threads, (max_pool, y, x, window, lanes), (max_pool_gradient, x, y, window, lanes))


@cache
def norm_ops(source: Layout, eps: float, is_relu: bool, threads: int) -> Ops:
    settings = (source.flat, source.channels, eps, is_relu, target_of(threads).lanes)
    ops = Ops(threads, (batch_norm, *settings), (batch_norm_gradient, *settings))
    ops.mask = torch.tensor(border_mask(source.flat, 1, source.flat.frame.row)[0])
    return ops
