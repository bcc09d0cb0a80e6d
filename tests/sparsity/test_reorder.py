"""Filters find those they can share columns with."""

import numpy as np
from numpy.testing import assert_array_equal

from sparsetvm.sparsity import Connectivity, pack
from sparsetvm.sparsity.reorder import (
    group_energy,
    group_filters,
    natural_groups,
    similar_filters,
)


def support(*rows: str) -> np.ndarray:
    return np.array([[letter == "x" for letter in row] for row in rows])


def test_alike_neighbours_keep_their_order():
    rows = support("xx..", "xx..", "..xx", "..xx", "xx..", "xx..")
    assert group_filters(rows, 2).tolist() == [[0, 1], [2, 3], [4, 5]]


def test_any_permutation_of_alike_filters_is_found_again(rng):
    groups = rng.random((16, 40)) < 0.3
    order = rng.permutation(128)
    found = group_filters(np.repeat(groups, 8, axis=0)[order], 8)
    assert_array_equal(np.sort(found.ravel()), np.arange(128))
    assert all(len(set(order[filters] // 8)) == 1 for filters in found)


def test_what_is_left_over_joins_where_it_adds_least():
    rows = support("xxxx....", "....xxxx", "x.xx....", "....xx.x")
    assert group_filters(rows, 2).tolist() == [[0, 2], [1, 3]]


def test_a_dead_filter_takes_no_ones_place():
    rows = support("....", "xx..", "xx..", "..xx", "..xx", "..xx")
    assert group_filters(rows, 3).tolist() == [[0, 1, 2], [3, 4, 5]]


def test_the_last_group_repeats_its_last_filter():
    assert natural_groups(5, 3).tolist() == [[0, 1, 2], [3, 4, 4]]
    assert group_filters(np.ones((5, 2), bool), 3).tolist() == [[0, 1, 2], [3, 4, 4]]
    assert similar_filters(np.ones((5, 2)), 3).tolist() == [[0, 1, 2], [3, 4, 4]]


def test_patdnns_example_of_four_filters_shares_most():
    """Filters x input channels, two patterns, 0 for no kernel: FKW's own example."""
    pattern = {0: [], 1: [0, 1, 3, 4], 2: [1, 2, 4, 5]}
    layer = [[0, 2, 0, 1], [2, 0, 1, 0], [0, 2, 2, 2], [0, 2, 0, 2]]
    weight = np.zeros((4, 4, 9), np.float32)
    for oc, row in enumerate(layer):
        for ic, kind in enumerate(row):
            weight[oc, ic, pattern[kind]] = 1 + oc
    alone, pairs = pack(weight, 1, None), pack(weight, 2, None)
    assert np.count_nonzero(alone.values) == 36
    assert alone.columns_per_block == 12  # the third filter has three kernels
    assert pairs.filters.tolist() == [[0, 1], [2, 3]]  # the last filter's kernels are the third's
    third = [9 * ic + position for ic in (1, 2, 3) for position in (1, 2, 4, 5)]
    assert np.unique(pairs.columns[1]).tolist() == third


def test_similar_filters_share_a_group(rng):
    kinds = rng.random((4, 30)) ** 4
    order = rng.permutation(32)
    energy = np.repeat(kinds, 8, axis=0)[order] * rng.uniform(0.5, 2, (32, 1))
    assert all(len(set(order[filters] // 8)) == 1 for filters in similar_filters(energy, 8))


def test_a_repeated_filter_counts_once():
    energy = np.array([[1.0], [2.0], [4.0]])
    assert group_energy(energy, natural_groups(3, 2)).tolist() == [[3.0], [4.0]]


def test_a_mask_leaves_the_natural_order_only_for_more_energy(rng):
    structure = Connectivity(4, group=4)
    kinds = np.repeat(np.eye(4), 4, axis=0)  # filter f is strong at input channel f // 4
    weight = (kinds + 0.1)[..., None] * np.ones(9)
    natural = structure.mask(weight)
    assert_array_equal(natural[..., 0], kinds > 0)
    order = rng.permutation(16)
    assert_array_equal(structure.mask(weight[order]), natural[order])


def test_groups_are_not_made_that_the_packer_would_not_find_again(rng):
    structure = Connectivity(3.6, group=8)
    weight = rng.standard_normal((61, 37, 3, 3)) * (rng.random((61, 37, 3, 3)) < 0.2)
    pruned = weight * structure.mask(weight)
    structure.check(pruned)
    assert structure.pack(pruned).columns_per_block <= 10 * 9
