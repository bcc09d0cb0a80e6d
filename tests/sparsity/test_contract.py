"""What holds for every structure, whatever the kernel's rank, the sizes, the group, the block."""

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from numpy.testing import assert_array_equal

from sparsetvm.errors import StructureError
from sparsetvm.sparsity import Dense, Pattern, PatternConnectivity, pack, structures, unpack
from tests.examples import GROUPS, example_structures, name_example, pruned_weight, random_weight

SHAPES = [
    (13, 29),
    (5, 7),
    (16, 24, 1, 1),
    (7, 5, 3),
    (20, 10, 3, 3),
    (5, 7, 3, 3),
    (9, 4, 5, 5),
    (1, 1, 2, 3),
    (6, 5, 3, 3, 3),
]
EVERY = list(example_structures(GROUPS, blocks=(None, 3)))

every_structure = pytest.mark.parametrize("structure", EVERY, ids=name_example)
every_shape = pytest.mark.parametrize("shape", SHAPES, ids=str)


def test_the_examples_hold_every_registered_structure():
    assert {type(structure) for structure in EVERY} == {structures[name] for name in structures}


@every_shape
@every_structure
def test_unpack_inverts_pack(structure, shape, rng):
    weight = pruned_weight(structure, shape, rng)
    assert_array_equal(structure.unpack(structure.pack(weight)), weight)


@every_shape
@every_structure
def test_mask_is_idempotent(structure, shape, rng):
    weight = random_weight(shape, rng)
    mask = structure.mask(weight)
    assert mask.dtype == bool
    assert mask.shape == shape
    assert_array_equal(structure.mask(weight * mask), mask)


@every_shape
@every_structure
def test_check_takes_what_mask_leaves_and_nothing_denser(structure, shape, rng):
    weight = random_weight(shape, rng)
    mask = structure.mask(weight)
    structure.check(weight * mask)
    if not mask.all():
        with pytest.raises(StructureError, match=r"keeps? .* % of the energy, stand outside\)"):
            structure.check(weight)


@pytest.mark.parametrize("structure", list(example_structures((1, 3))), ids=name_example)
@pytest.mark.parametrize("shape", [(13, 29), (7, 10, 3, 3), (5, 7, 1, 3, 3)], ids=str)
def test_each_part_keeps_and_drops_whole_units_in_the_same_groups(structure, shape, rng):
    weights = [random_weight(shape, rng) for _ in structure.parts]
    groups = structure.groups_for(sum(weights) / len(weights))
    masks = structure.part_masks(weights)
    if structure.parts == (structure,):
        assert_array_equal(masks[0], structure.mask(weights[0]))
    for part, mask in zip(structure.parts, masks, strict=True):
        kept = mask.reshape(*shape[:2], -1)[groups]
        assert (kept == kept[:, :1]).all()
        units = part.units(*kept.shape[2:]).ravel()
        for group in kept[:, 0].reshape(len(groups), -1):
            assert all(len(set(group[units == unit])) == 1 for unit in set(units))


@pytest.mark.parametrize("structure", list(example_structures()), ids=name_example)
def test_a_free_rate_multiplies_what_else_is_dropped(structure):
    other, shape = structure.at_rate(3.0), (16, 32, 3, 3)
    if structure.has_free_rate:
        assert other.rate_for(shape) == pytest.approx(3 * structure.at_rate(1.0).rate_for(shape))
    else:
        assert other == structure


@pytest.mark.parametrize("structure", list(example_structures((1, 8, 32))), ids=name_example)
@pytest.mark.parametrize("shape", [(64, 240), (64, 80, 3, 3), (64, 20, 3, 3, 3)], ids=str)
def test_rate_is_met_by_the_weights_and_by_what_is_packed(structure, shape, rng):
    weight = pruned_weight(structure, shape, rng)
    packed = structure.pack(weight)
    expected = weight.size / structure.rate_for(shape)
    assert np.count_nonzero(weight) == pytest.approx(expected, rel=0.05)
    assert packed.values.size == np.count_nonzero(weight)


@pytest.mark.parametrize(
    "structure", list(example_structures((8,), blocks=(None, 12))), ids=name_example
)
def test_check_and_pack_bear_dead_filters_and_stray_zeros(structure, rng):
    weight = pruned_weight(structure, (61, 36, 3, 3), rng)
    columns = structure.pack(weight).columns_per_block
    weight *= rng.random(weight.shape) > 0.05
    weight[[3, 17]] = 0
    weight[:, 5] = 0
    structure.check(weight)
    assert structure.pack(weight).columns_per_block <= columns


@pytest.mark.parametrize(
    "structure", list(example_structures((4, 8), blocks=(None, 12))), ids=name_example
)
def test_filters_in_any_order_pack_as_small(structure, rng):
    weight = pruned_weight(structure, (64, 24, 3, 3), rng)
    shuffled = weight[rng.permutation(64)]
    packed = structure.pack(shuffled)
    assert packed.values.shape == structure.pack(weight).values.shape
    assert_array_equal(structure.unpack(packed), shuffled)
    if structure.reorders:
        structure.check(shuffled)


GIVEN_SHAPES = ((0, 1, 3, 4), (1, 3, 4, 5), (4, 5, 7, 8))


@pytest.mark.parametrize(
    "structure",
    [
        *(one for one in example_structures((1,)) if not isinstance(one, Dense)),
        Pattern(shapes=GIVEN_SHAPES, group=1),
        PatternConnectivity(shapes=GIVEN_SHAPES, group=1, block=4),
    ],
    ids=name_example,
)
def test_no_other_allowed_mask_keeps_more_energy(structure, rng):
    weight = random_weight((6, 12, 3, 3), rng)
    most = np.square(weight[structure.mask(weight)]).sum()
    for _ in range(30):
        other = structure.mask(random_weight(weight.shape, rng))
        assert np.square(weight[other]).sum() <= most


@every_structure
def test_places_that_are_not_finite_are_named(structure):
    weight = np.ones((3, 4, 2), np.float32)
    weight[2, 0, 1], weight[2, 3, 1] = np.nan, np.inf
    for ask in (structure.mask, structure.check):
        with pytest.raises(StructureError, match=r"weight\[2, 0, 1\] is nan; 2 of 24 weights"):
            ask(weight)


@pytest.mark.parametrize("shape", [(7,), (0, 3), (4, 3, 0)])
def test_what_is_no_weight_is_refused(shape):
    with pytest.raises(StructureError, match=r"a weight is \[filters, input channels, \*kernel\]"):
        Pattern().mask(np.ones(shape, np.float32))


kernels = st.sampled_from([(), (1,), (3,), (1, 1), (3, 3), (2, 5), (3, 2, 2)])
weight_shapes = st.tuples(st.integers(1, 40), st.integers(1, 20), kernels).map(
    lambda sizes: (*sizes[:2], *sizes[2])
)
seeds = st.integers(0, 2**32 - 1).map(np.random.default_rng)
blocks = st.none() | st.integers(1, 25)


@settings(max_examples=150, deadline=None)
@given(weight_shapes, st.integers(1, 32), blocks, st.floats(0, 1), seeds)
def test_any_zeros_pack_exactly(shape, group, block, density, rng):
    weight = random_weight(shape, rng) * (rng.random(shape) < density)
    packed = pack(weight, group, block)
    assert_array_equal(unpack(packed), weight)
    assert_array_equal(np.unique(packed.filters), np.arange(shape[0]))
    assert (np.diff(packed.columns, axis=2) >= 0).all()
    assert packed.groups == -(-shape[0] // group)


@settings(max_examples=200, deadline=None)
@given(weight_shapes, st.integers(1, 32), blocks, st.floats(0, 1), st.data())
def test_every_shape_can_be_pruned_and_packed(shape, group, block, density, data):
    structure = data.draw(st.sampled_from(list(example_structures([group], [block]))))
    rng = data.draw(seeds)
    weight = random_weight(shape, rng)
    if not isinstance(structure, Pattern | PatternConnectivity):  # they find their set in weights
        weight *= rng.random(shape) < density
    weight *= structure.mask(weight)
    structure.check(weight)
    assert_array_equal(structure.unpack(structure.pack(weight)), weight)
    assert_array_equal(weight * structure.mask(weight), weight)
