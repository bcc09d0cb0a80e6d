"""Results and gradients of a layer's kernels are those of torch's dense layer with its zeros."""

from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from sparsetvm.kernels.frame import Window
from sparsetvm.sparsity import (
    KGS,
    Block,
    Connectivity,
    Dense,
    Pattern,
    PatternConnectivity,
    Structure,
)
from sparsetvm.targets import resolve
from sparsetvm.train.flat_tensor import Buffers
from sparsetvm.train.geometry import Geometry, frame_of
from sparsetvm.train.packing import pack_layer
from sparsetvm.train.run import LayerRun
from tests.examples import pruned_weight

TOLERANCE = 1e-5
"""float32 sums of some hundred products, in another order than torch's."""


@dataclass(frozen=True)
class Case:
    """x [batch, channels, *size] through `filters` of `kernel`; no size: a linear layer."""

    structure: Structure
    batch: int
    channels: int
    filters: int
    size: tuple[int, ...] = ()
    kernel: tuple[int, ...] = ()
    padding: tuple[int, ...] = ()
    dilation: int = 1

    def __str__(self) -> str:
        shape = "x".join(map(str, (self.batch, self.channels, *self.size)))
        return f"{self.structure} {shape}->{self.filters} k{self.kernel} p{self.padding}"


CASES = [
    Case(PatternConnectivity(group=8), 2, 16, 16, (9, 11), (3, 3), (1, 1)),
    Case(PatternConnectivity(group=8, block=4), 1, 19, 13, (5, 6), (3, 3), (1, 1)),
    Case(PatternConnectivity(group=1), 1, 16, 9, (9, 20), (3, 3), (1, 1)),
    Case(Dense(), 4, 3, 10, (9, 11), (3, 3), (0, 1)),
    Case(Connectivity(2.5, 8, 4), 3, 19, 20, (9, 11), (3, 3), (2, 2), 2),
    Case(KGS(8, 4, 2.5), 2, 8, 16, (4, 5, 6), (3, 3, 3), (1, 1, 1)),
    Case(Pattern(group=4), 2, 8, 13, (40,), (3,), (1,)),
    Case(Block(4, 1, 3.0), 2, 24, 20, (7, 7), (1, 1), (0, 0)),
    Case(Block(8, 1, 3.0), 33, 24, 20),
]


def layer(case: Case, rng, target=None) -> tuple:
    """(our run, x, the weights that stay, bias, torch's dense layer as a function)."""
    rank = len(case.size)
    dense = pruned_weight(case.structure, (case.filters, case.channels, *case.kernel), rng)
    packing, lead = pack_layer(dense, case.structure), (1,) * (3 - rank)
    convolve = (F.linear, F.conv1d, F.conv2d, F.conv3d)[rank]
    how = {"padding": case.padding, "dilation": case.dilation} if rank else {}
    x = torch.from_numpy(
        rng.standard_normal((case.batch, case.channels, *case.size)).astype(np.float32)
    ).requires_grad_()
    bias = torch.from_numpy(rng.standard_normal(case.filters).astype(np.float32)).requires_grad_()
    values = packing.values(torch.from_numpy(dense)).requires_grad_()
    output = convolve(x, torch.from_numpy(dense), bias, **how).shape
    window = Window(
        (*lead, *case.kernel),
        before=((0,) * len(lead) + case.padding) if rank else (0, 0, 0),
        dilation=(*lead, *(case.dilation,) * rank),
    )
    geometry = Geometry(window, rank, case.batch, (*lead, *case.size), (*lead, *output[2:]))
    run = LayerRun(packing, geometry, geometry.frame, Buffers(), target or resolve("cpu", 1))
    return run, x, values, bias, lambda x, v, b: convolve(x, packing.dense(v), b, **how)


def gradients(function, dy, *inputs) -> list[np.ndarray]:
    y = function(*inputs)
    found = [y, *torch.autograd.grad(y, inputs, dy)]
    return [tensor.detach().numpy() for tensor in found]


def assert_same(case: Case, rng, target=None) -> None:
    run, x, values, bias, dense = layer(case, rng, target)
    dy = torch.randn_like(dense(x, values, bias))
    found = gradients(run, dy, x, values, bias)
    for ours, theirs in zip(found, gradients(dense, dy, x, values, bias), strict=True):
        assert np.abs(ours - theirs).max() <= TOLERANCE * np.abs(theirs).max()


@pytest.mark.parametrize("case", CASES, ids=str)
def test_results_and_gradients_are_those_of_the_dense_layer(case, rng):
    assert_same(case, rng)


@pytest.mark.parametrize("lanes, registers", [(4, 16), (8, 16)], ids=str)
def test_narrower_vectors_compute_the_same(lanes, registers, rng):
    assert_same(CASES[0], rng, replace(resolve("cpu", 1), lanes=lanes, registers=registers))


def test_threads_do_not_change_what_comes_out(rng):
    found = []
    for threads in (1, 2, 3):
        rng = np.random.default_rng(0)
        run, x, values, bias, _ = layer(CASES[0], rng, resolve("cpu", threads))
        found.append(gradients(run, torch.ones(2, 16, 9, 11), x, values, bias))
    for one, many in zip(found[0] * 2, found[1] + found[2], strict=True):
        np.testing.assert_array_equal(one, many)


@pytest.mark.filterwarnings("ignore:Input #. requires gradient and is not a double")
def test_gradients_are_what_finite_differences_say(rng):
    case = Case(PatternConnectivity(connectivity=2.0, group=2), 1, 4, 4, (4, 5), (3, 3), (1, 1))
    run, x, values, bias, _ = layer(case, rng)
    # the function is linear in each input: large steps are as exact as small ones, and lose less
    flat = values.detach()[:, :, :, :].clone().requires_grad_()
    assert torch.autograd.gradcheck(
        lambda x, v, b: run(x, v, b).contiguous(), (x, flat, bias), eps=0.5, atol=1e-4, rtol=1e-4
    )


def test_a_wider_raster_will_do(rng):
    case = CASES[0]
    run, x, values, bias, dense = layer(case, rng)
    geometry = run.geometry
    pitch = tuple(n + 2 for n in geometry.frame.pitch)
    frame = frame_of(case.batch, pitch, geometry.window)
    assert geometry.suits(frame)
    assert not geometry.suits(replace(frame, reach=1))
    wide = LayerRun(run.packing, geometry, frame, Buffers(), resolve("cpu", 1))
    dy = torch.ones(2, 16, 9, 11)
    for ours, theirs in zip(
        gradients(wide, dy, x, values, bias), gradients(dense, dy, x, values, bias), strict=True
    ):
        assert np.abs(ours - theirs).max() <= TOLERANCE * np.abs(theirs).max()
