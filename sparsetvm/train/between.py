"""The modules between layers, of torch's own classes: what is flat stays flat."""

import torch
import torch.nn.functional as F
from torch import nn

from ..kernels.frame import Window
from ..kernels.max_pool_gradient import lie_side_by_side
from .flat_ops import FlatBatchNorm, FlatMaxPool, FlatRelu, norm_ops, pool_ops, pooled, relu_ops
from .flat_tensor import FlatTensor
from .layers import AcceleratedLayer
from .shared import Accelerator


class BetweenLayers(nn.Module):
    """What leaves a flat activation flat; torch's own code runs for others."""

    _shared: Accelerator

    def _flat(self, x: torch.Tensor) -> FlatTensor | None:
        on_cpu = x.device.type == "cpu" and x.dtype == torch.float32
        return self._shared.buffers.find(x) if on_cpu else None


class FlatReLU(BetweenLayers, nn.ReLU):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        source = self._flat(x)
        if source is None:
            return super().forward(x)
        ops = relu_ops(source.layout, torch.get_num_threads())
        return FlatRelu.apply(x, source, ops, self._shared.buffers)


class FlatPool(BetweenLayers):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        source = self._flat(x)
        window = None if source is None else self._window(x.ndim - 2)
        if window is None or not lie_side_by_side(window, source.layout.flat.size):
            return super().forward(x)
        dest = pooled(source.layout, window)
        ops = pool_ops(source.layout, window, torch.get_num_threads())
        return FlatMaxPool.apply(x, source, dest, ops, self._shared.buffers)

    def _window(self, rank: int) -> Window | None:
        """None for what no window says."""
        if self.return_indices or self.ceil_mode or rank < 1:
            return None

        def of(setting, lead: int) -> tuple[int, int, int]:
            each = setting if isinstance(setting, tuple) else (setting,) * rank
            return (*(lead,) * (3 - rank), *each)

        kernel, stride = of(self.kernel_size, 1), of(self.stride, 1)
        return Window(kernel, stride, of(self.padding, 0), of(self.dilation, 1))


class FlatMaxPool1d(FlatPool, nn.MaxPool1d):
    pass


class FlatMaxPool2d(FlatPool, nn.MaxPool2d):
    pass


class FlatMaxPool3d(FlatPool, nn.MaxPool3d):
    pass


class FlatNorm(BetweenLayers):
    def forward(self, x: torch.Tensor, is_relu: bool = False) -> torch.Tensor:
        """With relu, if it follows."""
        source = self._flat(x)
        if source is None or not self.training or not self.affine or self.momentum is None:
            y = super().forward(x)
            return F.relu(y) if is_relu else y
        ops = norm_ops(source.layout, self.eps, is_relu, torch.get_num_threads())
        y, mean, variance = FlatBatchNorm.apply(
            x, self.weight, self.bias, source, ops, self._shared.buffers
        )
        if self.track_running_stats:
            count = x.numel() // len(mean)
            with torch.no_grad():
                self.num_batches_tracked.add_(1)
                self.running_mean.lerp_(mean, self.momentum)
                self.running_var.lerp_(variance * (count / (count - 1)), self.momentum)
        return y


class FlatBatchNorm1d(FlatNorm, nn.BatchNorm1d):
    pass


class FlatBatchNorm2d(FlatNorm, nn.BatchNorm2d):
    pass


class FlatBatchNorm3d(FlatNorm, nn.BatchNorm3d):
    pass


class FlatSequential(nn.Sequential):
    """Layers and batch-norms take the relu after them along, where nobody listens in between."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        modules = list(self)
        while modules:
            module, *modules = modules
            if modules and _goes_along(module, modules[0]):
                x, modules = module.forward(x, is_relu=True), modules[1:]
            else:
                x = module(x)
        return x


def _goes_along(module: nn.Module, after: nn.Module) -> bool:
    heard = any(
        getattr(m, f"_{when}_hooks")
        for m in (module, after)
        for when in ("forward", "forward_pre", "backward", "backward_pre")
    )
    return isinstance(module, AcceleratedLayer | FlatNorm) and type(after) is FlatReLU and not heard


BETWEEN = {
    nn.Sequential: FlatSequential,
    nn.ReLU: FlatReLU,
    nn.BatchNorm1d: FlatBatchNorm1d,
    nn.BatchNorm2d: FlatBatchNorm2d,
    nn.BatchNorm3d: FlatBatchNorm3d,
    nn.MaxPool1d: FlatMaxPool1d,
    nn.MaxPool2d: FlatMaxPool2d,
    nn.MaxPool3d: FlatMaxPool3d,
}
