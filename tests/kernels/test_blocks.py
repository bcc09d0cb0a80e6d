"""Images in blocks: every pixel has a lane, every kernel position is a shift by whole vectors."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, strategies as st

from sparsetvm._tvm import tvm
from sparsetvm.kernels import flat
from sparsetvm.kernels.blocks import block_frame
from sparsetvm.kernels.frame import Flat, Frame, Window
from sparsetvm.kernels.margins import Margins

EVERY_PIXEL = ((0, 0, 0),)


def in_blocks(size: tuple[int, int], channels: int, lanes: int = 8) -> Flat:
    return Flat(block_frame(size, (1, 1), (1, 2), (2, 2), lanes), channels, (1, *size))


def run(kernel, *arrays: np.ndarray, shape) -> np.ndarray:
    """The kernel's output, in memory that held NaN before."""
    executable = tvm.compile(kernel, tvm.target.Target({"kind": "llvm", "opt-level": 1}))
    y = tvm.runtime.tensor(np.full(shape, np.nan, np.float32))
    executable["main"](*(tvm.runtime.tensor(array) for array in arrays), y)
    return y.numpy()


def test_neighbours_in_a_line_are_neighbouring_vectors():
    frame = block_frame((4, 6), back=(1, 1), ahead=(1, 1), touched=(0, 0), lanes=4)

    assert (frame.grid, frame.block, frame.pitch) == ((2, 2), (2, 3), (1, 4, 5))
    assert frame.place(0, 0, 0, 1) - frame.place(0, 0, 0, 0) == 4
    assert [frame.place(0, 0, h, w) for h in (0, 2) for w in (0, 3)] == [0, 1, 2, 3]


@given(st.tuples(*[st.integers(1, 40)] * 2), st.sampled_from([4, 8, 16]))
def test_every_pixel_has_a_place_of_its_own(size, lanes):
    place = in_blocks(size, 1, lanes)
    assert len(np.unique(place.index)) == size[0] * size[1]
    assert place.frame.lead + place.index.max() < place.frame.row


@pytest.mark.parametrize("size", [(8, 8), (9, 11), (3, 20), (1, 30), (14, 14)], ids=str)
def test_margins_hold_what_lies_beside_and_zeros_at_the_border(size, rng):
    dest, x = in_blocks(size, 3), rng.standard_normal((3, *size)).astype(np.float32)

    y = run(
        flat.from_plain(dest, 3, (1, *size), (1, 1, 1), EVERY_PIXEL, 8),
        x.ravel(),
        shape=dest.length,
    )

    around, frame = np.pad(x, ((0, 0), (1, 1), (1, 2))), dest.frame
    _, _, down, across = frame.strides
    for c, dh, dw in np.ndindex(3, 3, 4):
        shifted = y[frame.start(c) + dest.index[0, 0] + (dh - 1) * down + (dw - 1) * across]
        np.testing.assert_array_equal(shifted, around[c, dh:, dw:][: size[0], : size[1]])


@pytest.mark.parametrize("padding", [0, 1])
@pytest.mark.parametrize("size", [(16, 32), (14, 14), (9, 11)], ids=str)
def test_pools_and_means_are_torchs(size, padding, rng):
    x = rng.standard_normal((1, 3, *size)).astype(np.float32)
    source, window = in_blocks(size, 3), Window((1, 3, 3), (1, 2, 2), (0, padding, padding))
    truth = F.max_pool2d(torch.from_numpy(x), 3, 2, padding).numpy()
    rows = Flat(Frame(1, (1, 30, 30), 31), 3, (1, *truth.shape[2:]))
    whole = flat.from_plain(source, 3, (1, *size), (1, 1, 1), EVERY_PIXEL, 8)
    lying = run(whole, x.ravel(), shape=source.length)

    for dest in (in_blocks(truth.shape[2:], 3), rows):
        pooled = run(flat.max_pool(dest, source, window, 8), lying, shape=dest.length)
        plain = run(flat.to_plain(dest, truth.shape), pooled, shape=truth.shape)
        np.testing.assert_array_equal(plain, truth)
        back = run(flat.from_flat(rows, dest, (1, 1, 1), EVERY_PIXEL, 8), pooled, shape=rows.length)
        np.testing.assert_array_equal(back[rows.index + rows.frame.start(1)][0, 0], truth[0, 1])
    mean = run(flat.mean(source, (1, 3, 1, 1), 8), lying, shape=(1, 3, 1, 1))
    np.testing.assert_allclose(mean, x.mean((2, 3), keepdims=True), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("frame", [Frame(1, (1, 9, 8), 9), in_blocks((9, 11), 1).frame])
def test_a_note_of_the_margins_is_read_back(frame):
    kernel = flat.to_plain(Flat(Frame(1, (1, 3, 3), 0), 1, (1, 3, 3)), (1, 1, 3, 3))
    margins = Margins(frame, 5, 48)
    assert Margins.of(margins.noted_on(kernel)) == margins
    assert Margins.of(kernel) is None
    assert isinstance(Margins.of(margins.noted_on(kernel)).frame, type(frame))


@pytest.mark.parametrize(
    "size, block", [((224, 224), (56, 56)), ((28, 28), (7, 7)), ((14, 14), (2, 7))]
)
def test_the_grid_takes_the_fewest_vectors(size, block):
    assert in_blocks(size, 1, lanes=16).frame.block == block
