"""Options are chosen as trying all of them would."""

from itertools import product

import numpy as np
import pytest

from sparsetvm.codesign.knapsack import cheapest


@pytest.mark.parametrize("seed", range(20))
def test_the_choice_costs_no_more_than_the_best_of_all(seed):
    rng = np.random.default_rng(seed)
    options = [
        [(int(ms), float(cost)) for ms, cost in zip(rng.integers(1, 100, n), rng.random(n))]
        for n in rng.integers(1, 6, 5)
    ]
    budget = 200
    all_of_them = [
        (sum(ms for ms, _ in each), sum(cost for _, cost in each)) for each in product(*options)
    ]
    allowed = [cost for ms, cost in all_of_them if ms <= budget]
    picked = [of_layer[i] for of_layer, i in zip(options, cheapest(options, budget), strict=True)]
    if not allowed:
        assert picked == [min(of_layer) for of_layer in options]
    else:
        assert sum(ms for ms, _ in picked) <= budget
        assert sum(cost for _, cost in picked) == pytest.approx(min(allowed))


@pytest.mark.parametrize("budget", [-1.0, 0.0, 0.5])
def test_where_nothing_fits_every_layer_is_fastest(budget):
    assert cheapest([[(3.0, 0.0), (1.0, 0.9)], [(1.0, 0.5), (2.0, 0.1)]], budget) == [1, 0]


def test_with_room_for_all_no_layer_pays():
    assert cheapest([[(3.0, 0.0), (1.0, 0.9)], [(1.0, 0.5), (2.0, 0.1)]], 5.0) == [0, 1]
