"""The cost model learns orders within tasks, the same from the same; batches follow it."""

import numpy as np
import pytest

from sparsetvm.targets import resolve
from sparsetvm.tune.cost_model import CostModel
from sparsetvm.tune.evolve import Evolution
from sparsetvm.tune.features import LENGTH, PER_STORE, SPARSITY, Features
from sparsetvm.tune.nest import nest_of
from sparsetvm.tune.search import leave_out_tensor_intrinsics
from sparsetvm.tune.space import Space

TARGET = resolve("cpu", 1)


@pytest.fixture(scope="module")
def seen(task):
    """(a space, the features of its candidates)"""
    leave_out_tensor_intrinsics()
    return Space(task, TARGET), Features(task, TARGET)


def known(count, scale, seed=0):
    """(features, seconds) of candidates whose third feature is what counts."""
    rows = np.random.default_rng(seed).random((count, 6), np.float32)
    return rows, scale * (1 + rows[:, 2])


def test_nothing_known_means_no_opinion():
    assert np.ptp(CostModel(0).scores(np.eye(4, dtype=np.float32))) == 0


def test_orders_are_learned_within_tasks_and_hold_for_another_one():
    model = CostModel(0)
    for number, scale in enumerate((1e-6, 1e-3, 1.0)):  # times of tasks do not compare
        model.learn(str(number), *known(60, scale, number))
    rows, seconds = known(40, 1.0, 9)
    ranks = np.argsort(np.argsort(seconds)), np.argsort(np.argsort(-model.scores(rows)))
    assert np.corrcoef(*ranks)[0, 1] > 0.9


def test_the_same_records_and_seed_give_the_same_model():
    one, same, other = CostModel(1), CostModel(1), CostModel(2)
    for model in (one, same, other):
        model.learn("task", *known(60, 1.0))
    rows, _ = known(40, 1.0, 9)
    np.testing.assert_array_equal(one.scores(rows), same.scores(rows))
    assert (one.scores(rows) != other.scores(rows)).any()


def test_features_are_finite_and_tell_candidates_of_one_task_apart(seen):
    space, features = seen
    rng = np.random.default_rng(0)
    schedules = [space.draw(rng) for _ in range(16)]
    rows = features.of(schedules)
    assert rows.shape == (16, LENGTH) and np.isfinite(rows).all()
    ours = rows[:, 2 * PER_STORE :]
    assert ours.shape[1] == len(SPARSITY)
    for one, sch in zip(ours, schedules, strict=True):
        np.testing.assert_allclose(one, features.sparsity(nest_of(sch.mod)), rtol=1e-6)
    assert len(np.unique(ours, axis=0)) > 8


def test_a_change_keeps_all_choices_but_one_and_reaches_those_among_numbers(seen):
    space, _ = seen
    rng = np.random.default_rng(0)
    start = space.draw(rng).trace
    before = [str(value) for value in start.decisions.values()]
    changed = set()
    for _ in range(60):
        after = [str(v) for v in space.change(start, rng).trace.decisions.values()]
        differing = {
            i for i, pair in enumerate(zip(before, after, strict=True)) if len({*pair}) > 1
        }
        assert len(differing) <= 1
        changed |= differing
    kinds = [one.kind.name for one in start.insts if one in start.decisions]
    among_numbers = {i for i, kind in enumerate(kinds) if kind == "SampleCategorical"}
    assert among_numbers and among_numbers < changed  # MetaSchedule's mutators change tiles only


def test_batches_are_new_follow_the_model_and_come_again_with_the_same_seed(seen):
    space, features = seen

    def batches(model, count=3):
        evolution, known, found = Evolution(space, features, model, seed=5), set(), []
        for _ in range(count):
            found.append(evolution.batch(8, [], known))
            assert not known & {one.digest for one in found[-1]}
            known |= {one.digest for one in found[-1]}
        return found

    first, *rest = batches(CostModel(0))
    assert [one.digest for one in first] == [batches(None, 1)[0][0].digest]  # the default
    assert [[c.digest for c in b] for b in batches(CostModel(0))] == [
        [c.digest for c in b] for b in (first, *rest)
    ]
    column = 2 * PER_STORE + SPARSITY.index("cycles per multiply-add")
    model = CostModel(0)
    rows = np.concatenate([features.of([space.draw(np.random.default_rng(i))]) for i in range(60)])
    model.learn("task", rows, rows[:, column])
    learned = np.mean([one.features[column] for one in batches(model, 2)[1]])
    assert learned < np.mean(rows[:, column])
