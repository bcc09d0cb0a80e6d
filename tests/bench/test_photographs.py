"""The demo's photographs: there, of one size, and never judged by what was fitted on."""

import numpy as np
import pytest

from sparsetvm.bench.photographs import HELD_OUT, SIZE, TO_FIT, Crop


def test_no_photograph_is_both_fitted_on_and_held_out():
    assert not {crop.name for crop in TO_FIT} & {crop.name for crop in HELD_OUT}


@pytest.mark.parametrize("crop", [*TO_FIT, *HELD_OUT], ids=lambda crop: crop.name)
def test_each_is_read_at_one_size(crop):
    pixels = crop.read()

    assert pixels.shape == (SIZE, SIZE, 3) and pixels.dtype == np.uint8
    assert pixels.std() > 5


def test_a_mirrored_crop_is_the_same_the_other_way_round():
    plain, mirrored = Crop("chelsea.png", 300), Crop("chelsea.png", 300, mirrored=True)

    np.testing.assert_array_equal(plain.read()[:, ::-1], mirrored.read())
