"""What compiling costs against depth: a line, kernels that stay as many, results as torch's."""

import pytest

from sparsetvm.bench.depth import Depth, Depths, depths
from sparsetvm.bench.machine import machine
from sparsetvm.bench.nets.resnet import deep_resnet
from sparsetvm.errors import ModelError


def depth(layers, seconds):
    return Depth(layers, seconds, kernels=5, steps=9, library_bytes=7, memory=None, error=0.0)


def test_the_line_goes_through_what_lies_on_one():
    nets = tuple(depth(layers, 2 + layers / 50) for layers in (50, 101, 500))
    result = Depths(machine(), "dense", nets)
    assert result.line == pytest.approx((0.02, 2))
    assert result.r2 == pytest.approx(1)
    assert str(result).splitlines()[-1] == "2.0 s + 20 ms a layer, R2 1.0000"


def test_a_net_that_grows_with_the_square_is_no_line():
    nets = tuple(depth(layers, layers**2) for layers in (50, 101, 152, 500, 1001))
    assert Depths(machine(), "dense", nets).r2 < 0.98


def test_deeper_nets_have_no_more_kernels_and_compute_what_torch_does():
    shallow, deep = depths((29, 56)).nets
    assert shallow.kernels == deep.kernels
    assert deep.steps - shallow.steps == 27
    assert max(shallow.error, deep.error) < 1e-3


def test_a_depth_that_is_none_of_theirs_is_named_with_the_next():
    with pytest.raises(ModelError, match=r"of 51 layers is none of 3 n \+ 2.*\n  choose 50"):
        deep_resnet(51)
