"""Each structure by a small example, its words, its messages, its parameters."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from sparsetvm.errors import PlanError, StructureError
from sparsetvm.sparsity import (
    BCR,
    KGS,
    NM,
    Block,
    Connectivity,
    Dense,
    Pattern,
    PatternConnectivity,
    Vanilla,
    structures,
)


def kept(structure, weight) -> list:
    weight = np.array(weight, np.float32)
    return (weight * structure.mask(weight)).tolist()


def test_dense_keeps_everything():
    assert kept(Dense(group=2), [[1, 0, 2], [3, 4, 0]]) == [[1, 0, 2], [3, 4, 0]]


def test_connectivity_keeps_the_strongest_kernels():
    assert kept(Connectivity(3, group=1), [[5, 1, 2, 7, 0, 3]]) == [[5, 0, 0, 7, 0, 0]]


def test_connectivity_keeps_kernels_whole_and_shares_them_in_a_group():
    weight = [[[3, 1], [0, 1], [1, 1]], [[0, 1], [2, 0], [4, 4]]]
    assert kept(Connectivity(3, group=2), weight) == [
        [[0, 0], [0, 0], [1, 1]],
        [[0, 0], [0, 0], [4, 4]],
    ]


def test_connectivity_keeps_equally_many_kernels_in_each_block():
    weight = [[9, 8, 7, 6, 1, 2, 3, 4]]
    assert kept(Connectivity(2, group=1), weight) == [[9, 8, 7, 6, 0, 0, 0, 0]]
    assert kept(Connectivity(2, group=1, block=4), weight) == [[9, 8, 0, 0, 0, 0, 3, 4]]


@pytest.mark.parametrize(("channels", "expected"), [(256, 71), (64, 18), (7, 2), (1, 1)])
def test_connectivity_rounds_to_whole_kernels_and_keeps_one(channels, expected, rng):
    mask = Connectivity(3.6, group=4).mask(rng.standard_normal((8, channels, 3)))
    assert (mask.all(axis=2).sum(axis=1) == expected).all()


def test_pattern_and_connectivity_keep_the_kernels_whose_pattern_keeps_most():
    structure = PatternConnectivity(
        entries=1, connectivity=2, group=1, shapes=((0,), (1,)), patterns=2
    )
    weight = [[[2, 2, 2], [3, 0, 0]]]  # the first kernel is stronger, but not in one place
    assert kept(structure, weight) == [[[0, 0, 0], [3, 0, 0]]]


def test_pattern_and_connectivity_is_connectivity_where_kernels_have_one_place(rng):
    weight = rng.standard_normal((16, 20, 1, 1))
    joined, alone = PatternConnectivity(group=4), Connectivity(group=4)
    assert_array_equal(joined.mask(weight), alone.mask(weight))
    assert joined.rate_for(weight.shape) == alone.rate_for(weight.shape) == 3.6


def test_pattern_and_connectivity_make_8_1x_of_a_3x3_layer(rng):
    weight = rng.standard_normal((64, 72, 3, 3))
    structure = PatternConnectivity()
    assert structure.rate_for(weight.shape) == pytest.approx(8.1)
    assert structure.mask(weight).sum() == 64 * 20 * 4
    assert str(structure) == "pattern(4 entries, set of 8) + connectivity 3.6x"


def test_blocks_stay_or_go_together():
    structure = Block(filters=2, columns=1, rate=2)
    assert kept(structure, [[3, 1, 0, 2], [4, 0, 1, 5]]) == [[3, 0, 0, 2], [4, 0, 0, 5]]
    assert kept(Block(1, 2, 2), [[1, 1, 0, 2, 3]]) == [[0, 0, 0, 2, 3]]


def test_a_blocks_group_is_its_filters():
    assert Block(filters=4).group == KGS(filters=4).group == Vanilla(filters=4).group == 4


def test_kgs_drops_the_same_positions_in_a_group_of_kernels():
    weight = [[[5, 1, 1], [5, 1, 1], [1, 1, 4], [1, 1, 4]]]
    assert kept(KGS(filters=1, channels=2, rate=3), weight) == [
        [[5, 0, 0], [5, 0, 0], [0, 0, 4], [0, 0, 4]]
    ]


def test_kgs_drops_neighbouring_positions_together():
    weight = [[[5, 1, 1, 2, 1], [5, 1, 1, 2, 1], [1, 1, 4, 1, 9], [1, 1, 4, 1, 1]]]
    assert kept(KGS(filters=1, channels=2, rate=3, together=2), weight) == [
        [[5, 1, 0, 0, 0], [5, 1, 0, 0, 0], [0, 0, 0, 0, 9], [0, 0, 0, 0, 1]]
    ]


def test_vanilla_drops_whole_groups_of_kernels():
    weight = [[[5, 1, 1], [5, 1, 1], [1, 1, 4], [1, 1, 4]]]
    assert kept(Vanilla(filters=1, channels=2, rate=2), weight) == [
        [[5, 1, 1], [5, 1, 1], [0, 0, 0], [0, 0, 0]]
    ]


def test_nm_keeps_n_of_every_m_neighbours():
    assert kept(NM(2, 4), [[3, 1, 4, 2, 9, 8, 7, 0]]) == [[3, 0, 4, 0, 9, 8, 0, 0]]
    assert kept(NM(1, 2), [[[1, 8], [2, 7], [3, 3]]]) == [[[0, 8], [2, 0], [3, 3]]]


BCR_EXAMPLE = BCR(rows=4, columns=3, row_rate=2, column_rate=1.5, group=2)


def test_bcr_prunes_columns_of_a_block_and_then_its_rows():
    weight = [
        [3, 1, 2, 1, 2, 1],
        [4, 0, 3, 0, 1, 0],
        [0, 1, 0, 2, 0, 4],
        [1, 0, 1, 3, 1, 3],
    ]
    assert kept(BCR_EXAMPLE, weight) == [
        [3, 0, 2, 0, 0, 0],
        [4, 0, 3, 0, 0, 0],
        [0, 0, 0, 2, 0, 4],
        [0, 0, 0, 3, 0, 3],
    ]


def test_bcr_packs_pruned_rows_away(rng):
    structure = BCR(rows=16, columns=32, row_rate=2, column_rate=4, group=4)
    weight = rng.standard_normal((64, 64, 3, 3)).astype(np.float32)
    weight *= structure.mask(weight)
    packed = structure.pack(weight)
    assert packed.values.shape == (16, 1, 576 // 8, 4)
    assert np.count_nonzero(packed.values) == packed.values.size


def test_textbook_bcr_prunes_single_rows(rng):
    structure = BCR(rows=8, columns=6, row_rate=2, column_rate=2, group=1)
    weight = rng.standard_normal((16, 24))
    blocks = structure.mask(weight).reshape(2, 8, 4, 6)
    assert (blocks.any(axis=3).sum(axis=2) == 2).all()  # each row stays in two of four blocks
    assert (blocks.any(axis=1).sum(axis=2) == 3).all()  # each block has three of six columns


@pytest.mark.parametrize(
    ("structure", "words"),
    [
        (Dense(), "dense"),
        (Pattern(), "pattern(4 entries, set of 8)"),
        (Connectivity(), "connectivity 3.6x"),
        (Block(4, 1, 10 / 3), "block 4x1 3.33x"),
        (BCR(), "bcr 16x64 rows 2x, columns 4x"),
        (KGS(), "kgs 8x4 3.6x"),
        (KGS(together=9), "kgs 8x4x9 3.6x"),
        (Vanilla(), "vanilla 8x4 3.6x"),
        (NM(), "2:4"),
    ],
)
def test_a_structure_says_what_it_is(structure, words):
    assert str(structure) == words


def dense_weight(*shape: int) -> np.ndarray:
    """Falling, so that a mask keeps what comes first."""
    return np.linspace(2, 1, int(np.prod(shape))).reshape(shape)


@pytest.mark.parametrize(
    ("structure", "shape", "message"),
    [
        (
            Connectivity(4, group=8),
            (16, 32, 3),
            "filters 0 to 7 keep 32 of 32 kernels at input channels 0 to 31, "
            "connectivity 4x keeps 8",
        ),
        (
            Connectivity(4, group=1, block=8),
            (16, 32, 3),
            "filter 0 keeps 8 of 8 kernels at input channels 0 to 7, connectivity 4x keeps 2",
        ),
        (
            PatternConnectivity(connectivity=2, group=1),
            (2, 8, 3, 3),
            r"filter 0 keeps 8 of 8 kernels at input channels 0 to 7, connectivity 2x keeps 4",
        ),
        (
            Block(4, 2, 2),
            (8, 8, 3),
            "filters 0 to 3 keep 12 of 12 blocks at input channels 0 to 7, block 4x2 2x keeps 6",
        ),
        (
            BCR_EXAMPLE,
            (4, 6),
            "filters 0 to 1 keep 2 of 2 blocks of columns at input channels 0 to 5, "
            "bcr 4x3 rows 2x, columns 1.5x keeps 1",
        ),
        (
            BCR(rows=4, columns=3, row_rate=1, column_rate=1.5, group=2),
            (4, 6),
            "filters 0 to 1 keep 3 of 3 columns in block 0 at input channels 0 to 5, "
            "bcr 4x3 rows 1x, columns 1.5x keeps 2, the same for 4 rows",
        ),
        (
            KGS(2, 4, 2),
            (4, 8, 3),
            "filters 0 to 1 keep 6 of 6 positions of groups at input channels 0 to 7, "
            "kgs 2x4 2x keeps 3",
        ),
        (
            Vanilla(2, 4, 2),
            (4, 8, 3),
            "filters 0 to 1 keep 2 of 2 kernel groups at input channels 0 to 7, "
            "vanilla 2x4 2x keeps 1",
        ),
        (
            NM(2, 4),
            (4, 8, 3),
            "filter 0 keeps 4 weights of input channels 0 to 3 at kernel position 0, 2:4 keeps 2",
        ),
    ],
    ids=str,
)
def test_check_says_where_what_was_found_and_what_was_expected(structure, shape, message):
    with pytest.raises(StructureError) as caught:
        structure.check(dense_weight(*shape))
    assert str(caught.value).startswith(message)


def test_check_says_how_far_the_weight_is_from_the_structure():
    weight = np.array([[3.0, 1, 0, 0]])
    with pytest.raises(
        StructureError, match=r"\(1 of 2 weights, 10 % of the energy, stand outside"
    ):
        NM(1, 4).check(weight)


def test_check_of_pattern_and_connectivity_names_a_broken_pattern():
    weight = np.zeros((2, 8, 3, 3))
    weight[:, :2, :2, :2] = 1
    weight[1, 1, 2] = 0.5
    with pytest.raises(StructureError, match=r"kernel \(1, 1\) keeps 7 weights, a 4-entry pattern"):
        PatternConnectivity(connectivity=4, group=1).check(weight)


def test_filters_that_are_no_neighbours_are_listed():
    weight = np.zeros((12, 6))
    weight[::2, 0], weight[1::2, 1] = 1, 1
    weight[4, 3] = 0.1
    with pytest.raises(StructureError, match="filters 0, 2, 4, 6, … keep 2 of 6 kernels"):
        Connectivity(6, group=6).check(weight)


@pytest.mark.parametrize("name", list(structures))
def test_groups_have_1_to_32_filters(name):
    key = "filters" if name in ("block", "kgs", "vanilla") else "group"
    for wrong in (0, 33, 2.0, "8", True):
        with pytest.raises(StructureError, match=f"{key} is a whole number from 1 to 32; got"):
            structures[name](**{key: wrong})


@pytest.mark.parametrize("name", list(structures))
def test_blocks_have_a_channel(name):
    with pytest.raises(StructureError, match="block is a whole number from 1 up; got 0"):
        structures[name](block=0)


@pytest.mark.parametrize(
    ("name", "parameters", "message"),
    [
        (
            "connectivity",
            {"connectivity": 0.5},
            "says how many times fewer stay, from 1 up; got 0.5",
        ),
        ("pattern+connectivity", {"connectivity": "much"}, "connectivity: connectivity says how"),
        ("block", {"rate": float("nan")}, "block: rate says how many times fewer stay"),
        ("kgs", {"channels": 0}, "kgs: channels is a whole number from 1 up; got 0"),
        ("kgs", {"together": 0}, "kgs: together is a whole number from 1 up; got 0"),
        ("vanilla", {"rate": 0}, "vanilla: rate says how many times fewer stay"),
        ("pattern", {"entries": 0}, "pattern: entries is a whole number from 1 up; got 0"),
        ("pattern", {"patterns": -1}, "pattern: patterns is a whole number from 1 up; got -1"),
        ("nm", {"n": 4, "m": 4}, "nm: n of m stay, with n below m; got 4:4"),
        ("bcr", {"rows": 12}, "bcr: rows is a multiple of group; got 12 rows in groups of 8"),
        ("bcr", {"column_rate": True}, "bcr: column_rate says how many times fewer stay"),
    ],
)
def test_impossible_parameters_are_refused(name, parameters, message):
    with pytest.raises(StructureError, match=message):
        structures[name](**parameters)


def test_an_unknown_name_lists_the_known_ones():
    with pytest.raises(PlanError, match=r"unknown structure 'mn'; known: bcr, block, .*, vanilla"):
        structures["mn"]
