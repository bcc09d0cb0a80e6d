"""What stands between layers, on flat activations: relu, and max-pooling of whole windows."""

import torch
from torch.autograd.function import once_differentiable

from .flat_tensor import Buffers, FlatTensor


def relu(x: torch.Tensor, source: FlatTensor, buffers: Buffers) -> torch.Tensor:
    """relu(x), as flat as x is: zero in, zero out, so margins stay zero."""
    return _Relu.apply(x, source, buffers)


class _Relu(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, source: FlatTensor, buffers: Buffers):
        y = buffers.take(source.flat, x.ndim - 2)
        torch.clamp(source.data, min=0, out=y.data)
        ctx.save_for_backward(y.view)
        ctx.buffers = buffers
        return y.view

    @staticmethod
    @once_differentiable
    def backward(ctx, dy):
        (y,), buffers = ctx.saved_tensors, ctx.buffers
        y, dy = buffers.find(y), buffers.as_flat(dy, buffers.find(y).flat)
        dx = buffers.take(y.flat, y.view.ndim - 2)
        torch.ops.aten.threshold_backward.grad_input(dy.data, y.data, 0, grad_input=dx.data)
        return dx.view, None, None
