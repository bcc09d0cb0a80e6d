"""The packed form, on weights small enough to read."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from sparsetvm.sparsity import Packed, pack, unpack
from sparsetvm.sparsity.packed import side_by_side


def test_alike_filters_share_a_group_and_its_columns():
    weight = np.array([[1, 0, 2, 0], [0, 3, 0, 4], [5, 0, 6, 0], [0, 7, 0, 8]], np.float32)
    packed = pack(weight, group=2, block=None)
    assert packed.filters.tolist() == [[0, 2], [1, 3]]
    assert packed.columns.tolist() == [[[0, 2]], [[1, 3]]]
    assert packed.values.tolist() == [[[[1, 5], [2, 6]]], [[[3, 7], [4, 8]]]]
    assert packed.values.dtype == np.float32


def test_a_group_keeps_the_columns_of_any_of_its_filters():
    weight = np.array([[1, 0, 2], [3, 4, 0]], np.float32)
    packed = pack(weight, group=2, block=None)
    assert packed.columns.tolist() == [[[0, 1, 2]]]
    assert packed.values.tolist() == [[[[1, 3], [0, 4], [2, 0]]]]


def test_a_column_is_a_channel_and_a_kernel_position():
    weight = np.zeros((1, 3, 2, 2), np.float32)
    weight[0, 1, 0, 1], weight[0, 2, 1, 0] = 5, 6
    assert pack(weight, group=1, block=None).columns.tolist() == [[[1 * 4 + 1, 2 * 4 + 2]]]


def test_blocks_of_input_channels_keep_equally_many_columns():
    weight = np.array([[1, 2, 0, 0, 0, 3, 0]], np.float32)
    packed = pack(weight, group=1, block=2)
    assert packed.columns.tolist() == [[[0, 1], [2, 2], [5, 5], [6, 6]]]
    assert packed.values[..., 0].tolist() == [[[1, 2], [0, 0], [3, 0], [0, 0]]]


def test_a_short_group_repeats_its_last_filter():
    weight = np.array([[1, 2], [3, 4], [5, 6]], np.float32)
    packed = pack(weight, group=2, block=None)
    assert packed.filters.tolist() == [[0, 1], [2, 2]]
    assert packed.values.tolist() == [[[[1, 3], [2, 4]]], [[[5, 5], [6, 6]]]]


def test_a_group_has_no_more_slots_than_there_are_filters():
    weight = np.array([[1, 2], [3, 4]], np.float32)
    assert pack(weight, group=8, block=None).filters.tolist() == [[0, 1]]


@pytest.mark.parametrize("group", [1, 3, 8])
@pytest.mark.parametrize("block", [None, 1, 4, 99])
def test_a_dense_weight_packs_to_all_columns_in_natural_order(group, block, rng):
    weight = rng.standard_normal((24, 12, 3)).astype(np.float32)
    packed = pack(weight, group, block)
    assert_array_equal(packed.filters.ravel(), np.arange(24))
    assert_array_equal(packed.columns.reshape(-1, 36), np.tile(np.arange(36), (24 // group, 1)))
    assert packed.values.size == weight.size


def test_a_weight_of_zeros_packs_and_unpacks():
    weight = np.zeros((3, 2, 3), np.float32)
    packed = pack(weight, group=2, block=1)
    assert packed.values.shape == (2, 2, 1, 2)
    assert_array_equal(unpack(packed), weight)


def test_sizes_are_named():
    packed = pack(np.ones((6, 8, 3), np.float32), group=2, block=4)
    assert (packed.groups, packed.blocks, packed.columns_per_block, packed.group) == (3, 2, 12, 2)
    assert packed.nbytes == 4 * (6 * 24 + 3 * 24 + 6)


def test_the_dtype_of_the_weight_is_kept():
    assert pack(np.ones((2, 2), np.float16), group=1, block=None).values.dtype == np.float16


def test_arrays_that_do_not_belong_together_are_refused():
    packed = pack(np.ones((4, 4), np.float32), group=2, block=None)
    with pytest.raises(AssertionError):
        Packed(packed.values, packed.columns[:1], packed.filters, packed.shape)
    with pytest.raises(AssertionError):
        Packed(packed.values, packed.columns, packed.filters.astype(np.int64), packed.shape)


def test_layers_side_by_side_are_one_with_zeros_where_they_do_not_meet(rng):
    weights = [rng.standard_normal((5, 3, 3, 3)), rng.standard_normal((7, 4, 3, 3))]
    weights[1][:, 2] = 0
    packs = [pack(weight, 2, None) for weight in weights]
    joint = side_by_side(packs, channels=[0, 3], of=7)
    expected = np.zeros((12, 7, 3, 3))
    expected[:5, :3], expected[5:, 3:] = weights
    assert_array_equal(unpack(joint), expected)
    assert_array_equal(joint.values[: packs[0].groups, :, :27], packs[0].values)
