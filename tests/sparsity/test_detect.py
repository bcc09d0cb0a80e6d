"""A structure is found again in the zeros that its mask has left."""

import numpy as np
import pytest

from sparsetvm.sparsity import NM, Block, Connectivity, Dense, Pattern, PatternConnectivity
from sparsetvm.sparsity.detect import detect

STRUCTURES = [
    Connectivity(4, group=8),
    Connectivity(2, group=4),
    Pattern(4, 8, group=8),
    PatternConnectivity(4, 8, 3, group=8),
    PatternConnectivity(4, 8, 3, group=1),
    Block(4, 1, 3),
]


@pytest.mark.parametrize("structure", STRUCTURES, ids=str)
def test_detect_finds_what_the_mask_has_left(structure, rng):
    weight = rng.standard_normal((24, 12, 3, 3))
    weight *= structure.mask(weight)
    found = detect(weight)
    assert (type(found), found.group) == (type(structure), structure.group)
    found.check(weight)
    packed, expected = found.pack(weight), structure.pack(weight)
    assert packed.values.size == expected.values.size


def test_other_zeros_are_blocks_of_one_column(rng):
    weight = rng.standard_normal((16, 12, 3, 3))
    weight *= NM(1, 4, group=8).mask(weight)
    found = detect(weight)
    assert isinstance(found, Block) and found.rate == pytest.approx(4, rel=0.1)
    found.check(weight)


@pytest.mark.parametrize("share", [1, 0.9])
def test_few_zeros_are_dense(share, rng):
    weight = rng.standard_normal((16, 12, 3, 3)) * (rng.random((16, 12, 3, 3)) < share)
    assert isinstance(detect(weight), Dense)


def test_a_linear_weight_is_detected_too(rng):
    weight = rng.standard_normal((16, 40))
    weight *= Connectivity(4, group=8).mask(weight)
    assert detect(weight).rate_for(weight.shape) == pytest.approx(4)
    assert np.count_nonzero(weight) * 4 == weight.size
