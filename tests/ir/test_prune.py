"""A plan's zeros come into a net that is exported already."""

import numpy as np
import pytest

from sparsetvm.errors import PlanError
from sparsetvm.ir import verify
from sparsetvm.ir.prune import prune
from sparsetvm.sparsity.plan import Plan

PLAN = Plan.from_dict(
    {"layers": [{"match": "features.10", "structure": "nm", "n": 2, "m": 4, "group": 2}]}
)


def test_the_planned_layers_get_zeros_and_the_others_stay(net):
    pruned = prune(net, PLAN)
    first, second, third = pruned.layers
    np.testing.assert_array_equal(pruned.arrays[first.weight], net.arrays[first.weight])
    np.testing.assert_array_equal(pruned.arrays[third.weight], net.arrays[third.weight])
    weight = pruned.arrays[second.weight]
    kept = weight != 0
    second.structure.check(weight)
    assert 0 < second.parameters == kept.sum() <= kept.size / 2
    np.testing.assert_array_equal(weight[kept], net.arrays[second.weight][kept])


def test_records_tell_the_new_structure_and_rate(net):
    _, second, third = prune(net, PLAN).layers
    assert second.structure == PLAN.rules[0].structure
    assert second.rate >= 2
    assert third.rate == 1


def test_the_pruned_net_follows_the_rules(net):
    verify(prune(net, Plan.uniform("block", filters=2, columns=3, rate=2.0)))


def test_the_net_that_was_given_stays_as_it_was(net):
    before = {name: array.copy() for name, array in net.arrays.items()}
    prune(net, PLAN)
    for name, array in before.items():
        np.testing.assert_array_equal(net.arrays[name], array)


def test_a_plan_for_no_layer_is_refused(net):
    with pytest.raises(PlanError, match=r"match 'feature\.10' fits no layer"):
        prune(net, Plan.from_dict({"layers": [{"match": "feature.10", "structure": "dense"}]}))
