"""The three kernels of one layer in training, compiled for its shapes: y, dx and the weights'."""

from collections.abc import Callable
from functools import cache

import numpy as np
import torch

from .._tvm import tvm
from ..kernels.frame import Flat, Window
from ..kernels.gather_gemm import GatherGemm, gather_gemm
from ..kernels.input_gradient import InputGradient, bundled_values, input_gradient
from ..kernels.margins import Margins
from ..kernels.tile import best_tile, lanes_for
from ..kernels.weight_gradient import WeightGradient, weight_gradient
from ..passes.pack import border_mask, group_bias, offsets, output_rows
from ..passes.schedule import KERNEL, schedule
from ..runtime.artifact import ALIGNMENT
from ..runtime.threads import use_threads
from ..targets import resolve
from ..targets.target import Target
from .bundles import bundle
from .packing import Packing

Data = tvm.runtime.Tensor
"""A whole flat activation, float32."""

FLOAT = 4
"""Bytes of a float32, which all activations are."""

COLUMNS = 4096
"""Columns that meet a block of tiles before the next block: enough to pay for its loads."""


class LayerKernels:
    """y = W x + bias, dx = W^T dy and the weights' gradient of one layer, on flat activations."""

    def __init__(self, packing: Packing, window: Window, x: Flat, y: Flat, target: Target):
        self._packing, self._x, self._y, self._target = packing, x, y, target
        self._window = window
        self._forward_setup()
        self._weight_setup()
        self._input = None

    def forward(
        self, x: Data, values: torch.Tensor, bias: torch.Tensor | None, y: Data, is_relu: bool
    ) -> None:
        grouped = self._no_bias if bias is None else bias[self._filters] * self._true_filters
        if is_relu not in self._forward:
            self._forward[is_relu] = self._forward_kernel(is_relu)
        run_on(
            self._target,
            self._forward[is_relu],
            x,
            _aligned(values),
            self._offset,
            self._row,
            grouped,
            self._mask,
            y,
        )

    def weight_gradient(self, x: Data, dy: Data) -> tuple[torch.Tensor, ...]:
        """float32 [N, G, K, B], and of the bias [filters]."""
        gradient, bias = torch.empty(self._packing.true.shape), torch.empty(self._filters.shape)
        run_on(
            self._target,
            self._weight,
            x,
            dy,
            self._offset,
            self._row,
            gradient.view(-1),
            bias.view(-1),
        )
        return gradient, bias[self._once]

    def input_gradient(self, dy: Data, values: torch.Tensor, dx: Data) -> None:
        if self._input is None:
            self._input_setup()
        bundled = torch.empty(self._source.shape)
        run_on(
            self._target,
            self._bundle,
            _aligned(values).view(-1),
            self._source.view(-1),
            bundled.view(-1),
        )
        run_on(
            self._target,
            self._input,
            dy,
            bundled,
            self._input_offset,
            self._place,
            self._input_mask,
            dx,
        )

    def _forward_setup(self):
        packing, x, y, target = self._packing, self._x, self._y, self._target
        B = packing.packed.group
        lanes = lanes_for(B, y.positions, y.frame.row, target.lanes, target.registers)
        self._forward: dict[bool, Callable] = {}
        self._offset = _tensor(
            _in_zeros(offsets(packing.packed, self._window, x), packing.columns.swapaxes(0, 1), x)
        )
        self._row = _tensor(_in_zeros(output_rows(packing.packed, y), packing.filters, y))
        self._mask = _tensor(border_mask(y, 1, lanes))
        self._filters = torch.from_numpy(packing.packed.filters).long()
        self._true_filters = torch.from_numpy(packing.filters).float()
        self._no_bias = _tensor(group_bias(packing.packed, None))

    def _forward_kernel(self, is_relu: bool) -> Callable:
        x, y = self._x, self._y
        N, G, K, B = self._packing.true.shape
        epilogue = ("bias", "relu") if is_relu else ("bias",)
        kernel = GatherGemm(G, B, N, K, self._mask.shape[1], x.length, y.length, epilogue)
        return compiled(_forward, kernel, y, target=self._target)

    def _weight_setup(self):
        packing, x, y, target = self._packing, self._x, self._y, self._target
        N, G, K, B = packing.true.shape
        tile = best_tile(B, K, target.registers)
        vectors = -(-y.positions // target.lanes)
        most = target.l1 * 3 // 4 // (FLOAT * target.lanes * (tile.vectors + B))
        chunk = -(-vectors // -(-vectors // max(most, 1)))
        shape = WeightGradient(
            G, B, N, K, vectors, x.length, y.length, target.lanes, tile, chunk, target.threads
        )
        self._weight = compiled(weight_gradient, shape, target=target)
        slots = np.flatnonzero(packing.filters)
        order = np.argsort(packing.packed.filters.ravel()[slots])
        self._once = np.unravel_index(slots[order], packing.filters.shape)

    def _input_setup(self):
        packing, x, y, target = self._packing, self._x, self._y, self._target
        vectors = -(-x.positions // target.lanes)
        bundles = bundle(packing, vectors, target.registers)
        J, K, C = bundles.source.shape
        tile = best_tile(C, vectors, target.registers)
        tiles = max(1, vectors // (tile.vectors * target.threads))
        block = max(1, min(tiles, COLUMNS * x.channels // (J * K * C)))
        frame = x.frame
        shape = InputGradient(
            J,
            C,
            K,
            x.channels,
            frame.guard,
            frame.row,
            vectors,
            y.length,
            x.length,
            target.lanes,
            tile,
            block,
        )
        self._input = compiled(input_gradient, shape, target=target)
        self._source = _tensor(bundles.source.astype(np.int32))
        size, packed = self._source.numel(), packing.true.numel()
        self._bundle = compiled(bundled_values, size, packed, target=target)
        self._input_offset = _tensor(bundles.offsets(self._window, y))
        self._place = _tensor(bundles.places(x))
        self._input_mask = _tensor(border_mask(x, 1, vectors * target.lanes)[0])


def _aligned(tensor: torch.Tensor) -> torch.Tensor:
    """The tensor where kernels can take it: someone may have made it a part of another."""
    is_ready = tensor.is_contiguous() and tensor.data_ptr() % ALIGNMENT == 0
    return tensor if is_ready else tensor.clone(memory_format=torch.contiguous_format)


def _in_zeros(places: np.ndarray, true: np.ndarray, flat: Flat) -> np.ndarray:
    """Places that only fill up lie in the row of zeros."""
    return np.where(true, places, flat.frame.start(flat.channels - 1)).astype(np.int32)


def _tensor(array: np.ndarray) -> torch.Tensor:
    """A copy where kernels can take it."""
    return torch.tensor(array)


def _forward(shape: GatherGemm, y: Flat):
    """The unscheduled kernel, which knows y's margins."""
    function = gather_gemm(shape).with_attr(KERNEL, shape.kind)
    return Margins(y.frame, y.channels, shape.lanes).noted_on(function)


def run_on(target: Target, kernel: Callable, *tensors: torch.Tensor | Data) -> None:
    use_threads(target.threads)
    kernel(*(t.detach() if isinstance(t, torch.Tensor) and t.requires_grad else t for t in tensors))


@cache
def target_of(threads: int) -> Target:
    """This machine's CPU."""
    return resolve("cpu", threads)


@cache
def compiled(write: Callable, *arguments: object, target: Target):
    """The machine code of the kernel write(*arguments); calls that agree in all of it share it."""
    module = schedule(tvm.IRModule({"main": write(*arguments)}), target, lambda function: None)
    module = tvm.IRModule({"main": module["main"].with_attr("global_symbol", "main")})
    return tvm.compile(module, target=tvm.target.Target(dict(target.tvm)))["main"]
