"""Kernels between layers: against torch, margins written as zeros."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from sparsetvm._tvm import tvm
from sparsetvm.kernels import flat
from sparsetvm.kernels.epilogue import activation
from sparsetvm.kernels.frame import Flat, Frame, Window

EVERY_PIXEL = ((0, 0, 0),)
POOL = Window((1, 3, 3), (1, 2, 2), (0, 1, 1))
SOURCE = Flat(Frame(batch=2, pitch=(1, 9, 8), reach=73), channels=5, size=(1, 7, 6))
POOLED = Flat(Frame(batch=2, pitch=(1, 5, 4), reach=5), channels=5, size=(1, 4, 3))


@pytest.fixture
def x(rng) -> np.ndarray:
    return rng.standard_normal((2, 5, 7, 6)).astype(np.float32)


def lay(x: np.ndarray, place: Flat) -> np.ndarray:
    """`x` [batch, channels, *size] in the flat layout, zeros elsewhere."""
    whole = np.zeros(place.length, np.float32)
    rows(whole, place)[:, place.index] = x.reshape(len(x), place.channels, *place.size).swapaxes(
        0, 1
    )
    return whole


def rows(whole: np.ndarray, place: Flat) -> np.ndarray:
    guard, row = place.frame.guard, place.frame.row
    return whole[guard : guard + place.channels * row].reshape(place.channels, row)


def run(kernel, *arrays: np.ndarray, shape) -> np.ndarray:
    """The kernel's output, in memory that held NaN before."""
    executable = tvm.compile(kernel, tvm.target.Target({"kind": "llvm", "opt-level": 1}))
    y = tvm.runtime.tensor(np.full(shape, np.nan, np.float32))
    executable["main"](*(tvm.runtime.tensor(array) for array in arrays), y)
    return y.numpy()


def assert_lies(y: np.ndarray, x: np.ndarray, place: Flat) -> None:
    """Margins and guards included."""
    np.testing.assert_allclose(y, lay(x, place), rtol=1e-5, atol=1e-6)


def _place(size: tuple[int, int], margin: int) -> Flat:
    """Two images of five channels with so many zeros between lines."""
    pitch = (1, *(n + margin for n in size))
    return Flat(Frame(2, pitch, margin * (pitch[2] + 1)), 5, (1, *size))


def test_plain_to_flat_and_back_is_exact(x):
    kernel = flat.from_plain(SOURCE, 5, (1, 7, 6), (1, 1, 1), EVERY_PIXEL, lanes=4)
    y = run(kernel, x.ravel(), shape=SOURCE.length)

    assert_lies(y, x, SOURCE)
    np.testing.assert_array_equal(run(flat.to_plain(SOURCE, x.shape), y, shape=x.shape), x)


@pytest.mark.parametrize("is_flat", [True, False])
@pytest.mark.parametrize("lanes", [1, 2, 4])
def test_phases_are_every_other_pixel(x, is_flat, lanes):
    phases = ((0, 0, 0), (0, 0, 1), (0, 1, 1))
    dest = Flat(POOLED.frame, 5 * len(phases), (1, 4, 3))
    if is_flat:
        kernel, source = flat.from_flat(dest, SOURCE, (1, 2, 2), phases, lanes), lay(x, SOURCE)
    else:
        kernel, source = flat.from_plain(dest, 5, (1, 7, 6), (1, 2, 2), phases, lanes), x.ravel()

    truth = np.zeros((2, 5, len(phases), 4, 3), np.float32)
    for i, (_, h, w) in enumerate(phases):
        phase = x[:, :, h::2, w::2]
        truth[:, :, i, : phase.shape[2], : phase.shape[3]] = phase
    assert_lies(run(kernel, source, shape=dest.length), truth, dest)


@pytest.mark.parametrize("lanes", [2, 4, 16])
def test_max_pool_does_not_count_what_lies_outside(x, lanes):
    x = x - 10  # zeros of the margins would win

    y = run(flat.max_pool(POOLED, SOURCE, POOL, lanes), lay(x, SOURCE), shape=POOLED.length)

    assert_lies(y, F.max_pool2d(torch.from_numpy(x), 3, 2, 1).numpy(), POOLED)


@pytest.mark.parametrize("count_padding", [True, False])
def test_avg_pool_counts_padding_as_told(x, count_padding):
    kernel = flat.avg_pool(POOLED, SOURCE, POOL, count_padding)

    y = run(kernel, lay(x, SOURCE), shape=POOLED.length)

    truth = F.avg_pool2d(torch.from_numpy(x), 3, 2, 1, count_include_pad=count_padding)
    assert_lies(y, truth.numpy(), POOLED)


@pytest.mark.parametrize(
    ("size", "kernel", "stride", "dilation", "margin"),
    [
        ((7, 6), 3, 2, 1, 1),
        ((9, 40), 3, 1, 1, 1),  # whole vectors, the last one overlapping
        ((20, 37), 3, 2, 1, 1),  # even and odd elements
        ((13, 14), 3, 1, 1, 1),  # a vector a line
        ((7, 7), 3, 1, 1, 1),  # two lines in a vector
        ((3, 5), 5, 1, 1, 2),  # lines end in the next ones' lanes
        ((9, 11), 3, 3, 1, 1),  # one lane: a stride of 3
        ((12, 18), 3, 1, 2, 2),
        ((1, 1), 3, 1, 1, 1),
    ],
)
@pytest.mark.parametrize("lanes", [4, 16])
def test_depthwise_runs_one_kernel_per_channel(size, kernel, stride, dilation, margin, lanes, rng):
    x = rng.standard_normal((2, 5, *size)).astype(np.float32)
    weight = rng.standard_normal((5, 1, kernel, kernel)).astype(np.float32)
    bias = rng.standard_normal(5).astype(np.float32)
    truth = F.conv2d(
        *map(torch.from_numpy, (x, weight, bias)),
        stride=stride,
        padding=margin,
        dilation=dilation,
        groups=5,
    ).relu()
    window = Window(
        *((1, n, n) for n in (kernel, stride)), (0, margin, margin), (1, dilation, dilation)
    )
    source, dest = _place(size, margin), _place(truth.shape[2:], 1)
    program = flat.depthwise(dest, source, window, activation(("relu",)), lanes)

    y = run(program, lay(x, source), weight.ravel(), bias, shape=dest.length)

    assert_lies(y, truth.numpy(), dest)


@pytest.mark.parametrize("lanes", [4, 16])
def test_mean_is_over_each_image(x, lanes):
    y = run(flat.mean(SOURCE, (2, 5, 1, 1), lanes), lay(x, SOURCE), shape=(2, 5, 1, 1))

    np.testing.assert_allclose(y, x.mean((2, 3), keepdims=True), rtol=1e-5, atol=1e-6)


def test_concat_puts_rows_after_rows(x):
    head = Flat(SOURCE.frame, 2, SOURCE.size)
    tail = Flat(SOURCE.frame, 3, SOURCE.size)

    y = run(
        flat.concat(SOURCE, head, tail),
        lay(x[:, :2], head),
        lay(x[:, 2:], tail),
        shape=SOURCE.length,
    )

    assert_lies(y, x, SOURCE)
