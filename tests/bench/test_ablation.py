"""The ablation: pools are measured once, replays are the same again, the files say all of it."""

import json

import numpy as np
import pytest

import sparsetvm as st
from sparsetvm.bench import nets
from sparsetvm.bench.ablation import SEARCHES, Ablation, ablation
from sparsetvm.ir.prune import prune
from sparsetvm.report.ablation import write_ablation
from sparsetvm.targets import resolve
from sparsetvm.tune.database import place
from sparsetvm.tune.store import Store

POOL = 16


@pytest.fixture(scope="module")
def ir():
    net = nets.net("conv:16x24x3x12")
    return prune(st.export(net.module, net.example_inputs), st.Plan.named("pattern8x-b8"))


@pytest.fixture(scope="module")
def database(tmp_path_factory):
    return tmp_path_factory.mktemp("ablation") / "pool.db"


@pytest.fixture(scope="module")
def result(ir, database):
    return ablation(ir, database, "small", threads=1, pool=POOL, trials=10, live=True)


def test_every_search_comes_closer_to_the_pools_best(result):
    assert result.pools == (POOL,)
    for search in SEARCHES:
        speeds = result.speeds[search]
        assert speeds.shape == (3, 1, 10)
        assert (np.diff(speeds) >= 0).all() and (0 < speeds).all() and (speeds <= 1).all()
    assert 0.3 < result.live[0] < 3


def test_the_same_again_measures_nothing_and_gives_the_same(ir, database, result):
    store, at = Store(database), place(resolve("cpu", 1).device, 1)
    before = store.records(at)
    again = ablation(ir, database, "small", threads=1, pool=POOL, trials=10)
    assert store.records(at) == before
    for search in SEARCHES:
        np.testing.assert_array_equal(again.speeds[search], result.speeds[search])


def test_trials_to_a_speed_count_the_trial_that_reaches_it():
    speeds = np.array([[[0.5, 0.96, 1.0], [0.5, 0.6, 0.7]]])
    made = Ablation("net", "here", ("a", "b"), (3, 3), (1.0, 1.0), (0,), {"random": speeds})
    assert made.trials_to("random").tolist() == [[2, 4]]


def test_its_folder_has_a_table_all_figures_and_a_plot(result, tmp_path):
    write_ablation(result, tmp_path / "ablation")
    table, figures, plot = (
        (tmp_path / "ablation" / f"ablation.{kind}").read_text() for kind in ("txt", "json", "svg")
    )
    assert "tabular benchmark" in table and "live" in table
    assert json.loads(figures)["searches"].keys() == set(SEARCHES)
    assert plot.startswith("<svg xmlns=") and all(search in plot for search in SEARCHES)
