"""Kernel patterns: their set, their choice, their messages."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from sparsetvm.errors import StructureError
from sparsetvm.sparsity import Pattern, find_patterns


def kernel(text: str) -> np.ndarray:
    return np.array([[float(number) for number in row.split()] for row in text.split("/")])


def test_a_kernel_keeps_its_largest_places():
    weight = kernel("9 1 2/8 7 1/2 6 1")[None, None]
    kept = kernel("9 0 0/8 7 0/0 6 0")[None, None]
    assert_array_equal(weight * Pattern(entries=4, group=1).mask(weight), kept)


def test_a_kernel_takes_the_shape_of_the_set_that_keeps_most():
    structure = Pattern(entries=2, shapes=((0, 1), (2, 3)), group=1)
    weight = np.array([[[3.0, 1, 2, 2], [3, 1, 2, 3]]])
    assert_array_equal(weight * structure.mask(weight), [[[3, 1, 0, 0], [0, 0, 2, 3]]])


def test_a_group_shares_a_shape_at_each_input_channel():
    structure = Pattern(entries=2, shapes=((0, 1), (2, 3)), group=2)
    weight = np.array([[[5.0, 5, 1, 1], [1, 1, 4, 4]], [[1, 1, 2, 2], [3, 3, 1, 1]]])
    mask = structure.mask(weight)
    assert_array_equal(mask[0], mask[1])
    assert_array_equal(mask[0], [[True, True, False, False], [False, False, True, True]])


def test_the_set_is_the_most_frequent_natural_shapes(rng):
    shapes = {(0, 1, 3, 4): 50, (4, 5, 7, 8): 30, (1, 3, 4, 5): 20, (0, 2, 6, 8): 3}
    weight = np.abs(rng.normal(0.1, 0.01, (103, 1, 9)))
    rows = iter(rng.permutation(103))
    for shape, count in shapes.items():
        for _ in range(count):
            weight[next(rows), 0, list(shape)] += 1
    assert find_patterns([weight.reshape(103, 1, 3, 3)], 4, 3) == tuple(shapes)[:3]
    assert find_patterns([weight[:50], weight[50:]], 4, 8) == tuple(shapes)
    mask = Pattern(entries=4, patterns=3, group=1).mask(weight)
    assert {tuple(np.flatnonzero(row)) for row in mask[:, 0]} == set(tuple(shapes)[:3])


def test_no_more_shapes_stay_than_the_set_holds(rng):
    mask = Pattern(patterns=5, group=1).mask(rng.standard_normal((40, 20, 3, 3)))
    assert len(np.unique(mask.reshape(-1, 9), axis=0)) == 5
    assert (mask.sum(axis=(2, 3)) == 4).all()


@pytest.mark.parametrize("size", [(5, 5), (7, 7), (3, 3, 3), (9,)])
def test_kernels_of_any_size_keep_their_entries(size, rng):
    mask = Pattern(entries=4, group=2).mask(rng.standard_normal((6, 5, *size)))
    assert (mask.reshape(6, 5, -1).sum(axis=2) == 4).all()
    assert Pattern().rate_for((6, 5, *size)) == np.prod(size) / 4


@pytest.mark.parametrize("size", [(), (1, 1), (2, 2), (4,)])
def test_kernels_no_larger_than_a_pattern_stay_whole(size, rng):
    assert Pattern(entries=4).mask(rng.standard_normal((6, 5, *size))).all()
    assert Pattern(entries=4).rate_for((6, 5, *size)) == 1


def test_find_patterns_passes_over_small_kernels_and_refuses_mixed_ones(rng):
    small, three, five = (rng.standard_normal((8, 8, size, size)) for size in (1, 3, 5))
    assert find_patterns([small], 4, 8) == ()
    assert find_patterns([small, three], 4, 8) == find_patterns([three], 4, 8)
    with pytest.raises(StructureError, match=r"kernels of one size; got \[9, 25\] places"):
        find_patterns([three, five], 4, 8)


def test_a_sparser_kernel_fits_a_shape_of_the_set():
    weight = np.array([[[1.0, 1, 0, 0, 0], [0, 1, 0, 0, 0], [0, 0, 0, 0, 0], [0, 0, 0, 1, 1]]])
    Pattern(entries=2, patterns=2, group=1).check(weight)


def test_shapes_set_the_count_and_are_sorted():
    structure = Pattern(entries=2, shapes=[[1, 0], [3, 2]])
    assert structure.shapes == ((0, 1), (2, 3))
    assert structure.patterns == 2
    assert str(structure) == "pattern(2 entries, set of 2)"


def test_check_names_the_kernel_that_keeps_too_much():
    weight = np.zeros((14, 9, 3, 3))
    weight[:, :, :2, :2] = 1
    weight[12, 7, 2, :2] = 0.5
    with pytest.raises(
        StructureError, match=r"kernel \(12, 7\) keeps 6 weights, a 4-entry pattern keeps 4"
    ):
        Pattern(group=1).check(weight)


def test_check_names_the_kernel_that_no_pattern_holds():
    weight = np.zeros((2, 2, 3, 3))
    weight[:, :, :2, :2] = 1
    weight[1, 0] = kernel("1 0 1/0 0 0/1 0 1") / 2
    with pytest.raises(
        StructureError,
        match=r"kernel \(1, 0\) keeps places \(0, 2, 6, 8\), which none of the 1 patterns holds",
    ):
        Pattern(patterns=1, group=1).check(weight)


def test_check_names_the_group_that_does_not_agree():
    weight = np.zeros((4, 2, 3, 3))
    weight[:, :, 0] = 1
    weight[3, 1] = kernel("0 0 0/0 0 0/1 1 1")
    weight[2, 1, 1, 1] = 1
    with pytest.raises(
        StructureError, match="at input channel 1 filters 2 to 3 together keep 7 weights"
    ):
        Pattern(entries=3, group=2).check(weight)


def test_a_shape_outside_the_kernel_is_refused():
    with pytest.raises(
        StructureError, match=r"pattern \(1, 7\) has place 7, kernels of 5 places have 0 to 4"
    ):
        Pattern(entries=2, shapes=((1, 7),)).mask(np.ones((3, 3, 5)))


@pytest.mark.parametrize("shapes", [(), 3, "ab"])
def test_shapes_that_are_no_list_are_refused(shapes):
    with pytest.raises(StructureError, match="shapes is a list of patterns"):
        Pattern(shapes=shapes)


@pytest.mark.parametrize("shape", [(0, 1, 2), (0, 1, 2, 2), (-1, 0, 1, 2), (0, 1, 2, 3.5), 7])
def test_shapes_that_are_no_places_are_refused(shape):
    with pytest.raises(StructureError, match="is not 4 different places, counted from 0"):
        Pattern(entries=4, shapes=(shape,))
