"""The demo's photographs: there, of one size, and never judged by what was fitted on."""

import numpy as np
import pytest

from sparsetvm.bench.photographs import HELD_OUT, SIZE, TO_FIT, Crop, draw_crops


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


def test_drawn_crops_are_of_photographs_to_fit_on_and_no_two_alike():
    crops = draw_crops(20, 32)

    assert {crop.name for crop in crops} == {crop.name for crop in TO_FIT}
    assert len({crop.read().tobytes() for crop in crops}) == 20
    assert draw_crops(20, 32) == crops != draw_crops(20, 32, seed=1)


def test_a_crop_may_be_small_grey_pale_and_dark():
    plain = Crop("coffee.png", 300, size=40).read()
    changed = Crop("coffee.png", 300, size=40, grey=True, contrast=0.5, light=-20).read()

    assert plain.shape == changed.shape == (40, 40, 3)
    assert (changed[..., 0] == changed[..., 2]).all() and not (plain[..., 0] == plain[..., 2]).all()
    assert changed.std() < 0.6 * plain.std() and changed.mean() < plain.mean()
