"""Accelerated layers: torch's own classes, whose forward and gradients may run on our kernels."""

import logging

import torch
import torch.nn.functional as F
from torch import nn

from ..kernels.frame import ALIGN, Window
from ..sparsity import Dense, Structure
from .flat_ops import relu_ops
from .geometry import Geometry
from .kernels import target_of
from .measure import Times, time_both
from .packing import Packing
from .report import LayerChoice
from .run import LayerRun
from .shared import Accelerator

log = logging.getLogger(__name__)


class AcceleratedLayer(nn.Module):
    """A convolution or linear layer whose `weight` is [N, G, K, B], the weights that stay.

    A layer that is dense by plan keeps its dense weight. State dicts hold dense weights always.
    """

    def accelerate(
        self, name: str, structure: Structure, packing: Packing, shared: Accelerator
    ) -> None:
        self._name, self._structure, self._packing, self._shared = name, structure, packing, shared
        self._runs: dict[tuple, LayerRun | None] = {}
        if self._is_packed:
            self._hold(packing.values(self.weight.detach()))

    def restore(self) -> None:
        """A plain torch layer again, with its zeros."""
        weight = self.dense_weight.detach()
        if self._is_packed:
            self._hold(weight)
        for name in ("_name", "_structure", "_packing", "_shared", "_runs"):
            delattr(self, name)

    @property
    def dense_weight(self) -> torch.Tensor:
        """[filters, input channels, *kernel]; gradients find back to the weights that stay."""
        return self._packing.dense(self.weight) if self._is_packed else self.weight

    @property
    def dense_gradient(self) -> torch.Tensor:
        """[filters, input channels, *kernel]; zero where the weight is, by its plan."""
        return self._packing.dense(self.weight.grad) if self._is_packed else self.weight.grad

    @property
    def values(self) -> torch.Tensor:
        """[N, G, K, B]"""
        return self.weight if self._is_packed else self._packing.values(self.weight)

    def forward(self, x: torch.Tensor, is_relu: bool = False) -> torch.Tensor:
        """With relu, if it follows."""
        if self.plain_rank == 0 and x.ndim != 2:
            rows = self.forward(x.reshape(-1, x.shape[-1]), is_relu)
            return rows.reshape(*x.shape[:-1], -1)
        run = self._run(x)
        if run is None:
            y = self.dense_forward(x, self.dense_weight)
            return F.relu(y) if is_relu else y
        relu = relu_ops(run.y, torch.get_num_threads()) if is_relu else None
        return run(x, self.values, self.bias, relu)

    def dense_forward(self, x: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        """torch's own."""
        if isinstance(self, nn.Linear):
            return F.linear(x, weight, self.bias)
        return self._conv_forward(x, weight, self.bias)

    @property
    def plain_rank(self) -> int:
        """Spatial axes; 0: linear."""
        return len(self._packing.shape) - 2

    @property
    def _is_packed(self) -> bool:
        return not isinstance(self._structure, Dense)

    def _hold(self, weight: torch.Tensor) -> None:
        self.weight = nn.Parameter(weight, requires_grad=self.weight.requires_grad)

    def _run(self, x: torch.Tensor) -> LayerRun | None:
        """Our kernels for inputs like x, or None for torch's: chosen by time where they meet
        first."""
        found = self._shared.buffers.find(x)
        frame = None if found is None else found.layout.flat.frame
        key = (x.shape, x.dtype, x.device, frame, torch.get_num_threads())
        if key not in self._runs:
            self._runs[key], choice = self._choose(x, frame)
            self._shared.choices.append(choice)
            log.info("%s", choice)
        return self._runs[key]

    def _choose(self, x, frame) -> tuple[LayerRun | None, LayerChoice]:
        def choice(sparse: bool, reason: str, times: Times | None = None) -> LayerChoice:
            ms = (times.sparse_ms, times.dense_ms) if times else (None, None)
            return LayerChoice(
                self._name, str(self._structure), tuple(x.shape), sparse, reason, *ms
            )

        reason = self._obstacle(x)
        if reason:
            return None, choice(False, reason)
        geometry = self._geometry(x)
        if frame is None or not geometry.suits(frame):
            frame = geometry.frame
        if frame.row < ALIGN:
            return None, choice(False, f"fewer than {ALIGN} positions")
        run = LayerRun(
            self._packing, geometry, frame, self._shared.buffers, target_of(torch.get_num_threads())
        )
        times = time_both(run, self, x)
        is_faster = times.sparse_ms < times.dense_ms
        return run if is_faster else None, choice(is_faster, str(times), times)

    def _obstacle(self, x: torch.Tensor) -> str | None:
        """Why kernels cannot run here at all."""
        if x.dtype != torch.float32 or self.weight.dtype != torch.float32:
            return f"kernels take float32, not {x.dtype}"
        if x.device.type != "cpu":
            return f"kernels run on the CPU, not on {x.device}"
        if torch.is_autocast_enabled("cpu"):
            return "kernels take no part in autocast"
        if self.plain_rank == 0:
            return None
        if x.ndim != self.plain_rank + 2:
            return "the input has no batch"
        if max(self.stride) > 1:
            return "kernels move pixel by pixel"
        if self.padding_mode != "zeros":
            return f"kernels pad with zeros, not by {self.padding_mode}"
        return None

    def _geometry(self, x: torch.Tensor) -> Geometry:
        rank = self.plain_rank
        lead = (1,) * (3 - rank)
        size = (*lead, *x.shape[2:])
        if rank == 0:
            return Geometry(Window((1, 1, 1)), 0, len(x), size, size)
        kernel = (*lead, *self.kernel_size)
        dilation = (*lead, *self.dilation)
        extent = [(k - 1) * d for k, d in zip(kernel, dilation, strict=True)]
        if self.padding == "same":
            before, both = tuple(e // 2 for e in extent), extent
        else:
            sides = (0,) * rank if self.padding == "valid" else self.padding
            before = (*(0 for _ in lead), *sides)
            both = [2 * b for b in before]
        output = tuple(n + p - e for n, p, e in zip(size, both, extent, strict=True))
        return Geometry(Window(kernel, (1, 1, 1), before, dilation), rank, len(x), size, output)

    def _save_to_state_dict(self, destination, prefix, keep_vars):
        super()._save_to_state_dict(destination, prefix, keep_vars)
        weight = self.dense_weight
        destination[f"{prefix}weight"] = weight if keep_vars else weight.detach()

    def _load_from_state_dict(self, state_dict, prefix, *arguments):
        key = f"{prefix}weight"
        dense = state_dict.get(key)
        if dense is None or not self._is_packed:
            return super()._load_from_state_dict(state_dict, prefix, *arguments)
        *_, errors = arguments
        if dense.shape != self._packing.shape:
            expected = list(self._packing.shape)
            errors.append(f"{key} is {list(dense.shape)}, the layer's is {expected}")
            return None
        if not self._packing.fits(dense.detach().cpu()):
            errors.append(
                f"{key} has weights where this layer has zeros; restore the model, load, and "
                f"accelerate it again"
            )
            return None
        packed = {**state_dict, key: self._packing.values(dense)}
        return super()._load_from_state_dict(packed, prefix, *arguments)

    def __getstate__(self):
        return {**self.__dict__, "_runs": {}}

    def extra_repr(self) -> str:
        return f"{super().extra_repr()}, {self._structure}"


class AcceleratedConv1d(AcceleratedLayer, nn.Conv1d):
    pass


class AcceleratedConv2d(AcceleratedLayer, nn.Conv2d):
    pass


class AcceleratedConv3d(AcceleratedLayer, nn.Conv3d):
    pass


class AcceleratedLinear(AcceleratedLayer, nn.Linear):
    pass


LAYERS = {
    nn.Conv1d: AcceleratedConv1d,
    nn.Conv2d: AcceleratedConv2d,
    nn.Conv3d: AcceleratedConv3d,
    nn.Linear: AcceleratedLinear,
}
