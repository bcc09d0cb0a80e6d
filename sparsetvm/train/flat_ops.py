"""What stands between layers, on flat activations: relu, batch-norm, pooling of whole windows."""

from functools import lru_cache

import torch
from torch.autograd.function import once_differentiable

from ..kernels.batch_norm import batch_norm, batch_norm_gradient
from ..kernels.flat import max_pool
from ..kernels.frame import Flat, Window
from ..kernels.max_pool_gradient import max_pool_gradient
from ..kernels.relu import relu, relu_gradient
from ..passes.pack import border_mask
from .flat_tensor import Buffers, FlatTensor, flat_of
from .kernels import compiled, run_on, target_now
from .run import frame_of


class FlatRelu(torch.autograd.Function):
    """relu of an activation that lies flat; so does what comes out."""

    @staticmethod
    def forward(ctx, x, source: FlatTensor, buffers: Buffers):
        y = buffers.take(source.flat, x.ndim - 2)
        run_on(target := target_now(), compiled(relu, y.flat.length, target=target), source.data, y.data)
        ctx.save_for_backward(y.view)
        ctx.buffers = buffers
        return y.view

    @staticmethod
    @once_differentiable
    def backward(ctx, dy):
        (y,), buffers, target = ctx.saved_tensors, ctx.buffers, target_now()
        y = buffers.find(y)
        dy, dx = buffers.as_flat(dy, y.flat), buffers.take(y.flat, dy.ndim - 2)
        kernel = compiled(relu_gradient, y.flat.length, target=target)
        run_on(target, kernel, dy.data, y.data, dx.data)
        return dx.view, None, None


class FlatMaxPool(torch.autograd.Function):
    """max-pooling of an activation that lies flat, by windows that lie side by side."""

    @staticmethod
    def forward(ctx, x, source: FlatTensor, window: Window, buffers: Buffers):
        target, dest = target_now(), pooled(source.flat, window)
        y = buffers.take(dest, x.ndim - 2)
        kernel = compiled(max_pool, dest, source.flat, window, target.lanes, target=target)
        run_on(target, kernel, source.data, y.data)
        ctx.save_for_backward(x, y.view)
        ctx.window, ctx.buffers = window, buffers
        return y.view

    @staticmethod
    @once_differentiable
    def backward(ctx, dy):
        buffers, target = ctx.buffers, target_now()
        x, y = map(buffers.find, ctx.saved_tensors)
        dy, dx = buffers.as_flat(dy, y.flat), buffers.take(x.flat, dy.ndim - 2)
        kernel = compiled(
            max_pool_gradient, x.flat, y.flat, ctx.window, target.lanes, target=target
        )
        run_on(target, kernel, x.data, y.data, dy.data, dx.data)
        return dx.view, None, None, None


class FlatBatchNorm(torch.autograd.Function):
    """Batch-norm by the statistics of the batch, which come out beside the result."""

    @staticmethod
    def forward(ctx, x, scale, shift, source: FlatTensor, eps: float, buffers: Buffers):
        target, channels = target_now(), len(scale)
        y = buffers.take(source.flat, x.ndim - 2)
        mean, variance = torch.empty(channels), torch.empty(channels)
        mask = row_mask(source.flat)
        kernel = compiled(batch_norm, source.flat, channels, eps, target.lanes, target=target)
        run_on(
            target, kernel, source.data, mask, scale.detach(), shift.detach(), y.data, mean, variance
        )
        ctx.save_for_backward(x, scale, mean, variance)
        ctx.mark_non_differentiable(mean, variance)
        ctx.eps, ctx.buffers = eps, buffers
        return y.view, mean, variance

    @staticmethod
    @once_differentiable
    def backward(ctx, dy, _mean, _variance):
        (x, scale, mean, variance), buffers, target = ctx.saved_tensors, ctx.buffers, target_now()
        x, channels = buffers.find(x), len(scale)
        dy, dx = buffers.as_flat(dy, x.flat), buffers.take(x.flat, dy.ndim - 2)
        dscale, dshift = torch.empty(channels), torch.empty(channels)
        kernel = compiled(
            batch_norm_gradient, x.flat, channels, ctx.eps, target.lanes, target=target
        )
        given = (x.data, dy.data, row_mask(x.flat), scale.detach(), mean, variance)
        run_on(target, kernel, *given, dx.data, dscale, dshift)
        return dx.view, dscale, dshift, None, None, None


@lru_cache(maxsize=None)
def row_mask(flat: Flat) -> torch.Tensor:
    """float32 [row]: 1 where a lane is a pixel."""
    return torch.tensor(border_mask(flat, 1, flat.frame.row)[0])


def pooled(source: Flat, window: Window) -> Flat:
    """Where the pooled image lies: margins as wide as they were."""
    margins = [p - n for p, n in zip(source.frame.pitch, source.size, strict=True)]
    size = tuple(n // k for n, k in zip(source.size, window.kernel, strict=True))
    pitch = tuple(n + m for n, m in zip(size, margins, strict=True))
    around = Window(tuple(2 * m + 1 for m in margins), before=tuple(margins))
    return flat_of(frame_of(source.frame.batch, pitch, around), source.channels - 1, size)
