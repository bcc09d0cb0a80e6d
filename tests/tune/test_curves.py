"""A compiled net's session is found by its times, and its curves follow the trials."""

from dataclasses import replace

import pytest

from sparsetvm.targets import resolve
from sparsetvm.tune import curves as module
from sparsetvm.tune.curves import curves, history_of
from sparsetvm.tune.record import LayerTimes, Place, TaskTimes, Workload
from sparsetvm.tune.store import Store
from tests.tune.tiny import plain_record, session

CONV = Workload("1", "module")
MS = {"sparse direct": 0.123456789, "dense direct": 0.987654321}


@pytest.fixture
def store(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "find_logs", lambda *_: [])
    store = Store(tmp_path / "tuning.db")
    yield store
    store.close()


def test_a_curve_is_the_best_so_far_in_the_order_of_the_trials(store):
    tuned = session(TaskTimes("conv", "1", 2.0, 1.0))
    seconds = [("measured", 2e-3), ("quarantined", 1e-6), ("verified", 1e-3), ("measured", 3e-3)]
    for number, (state, one) in enumerate(seconds):
        store.commit(plain_record(CONV, number, state, (one,)))
    (curve,) = curves(store, tuned)
    assert (curve.task, curve.default_ms) == ("conv", 2.0)
    assert curve.best_ms == pytest.approx((2.0, 2.0, 1.0, 1.0))


def test_a_failed_first_trial_has_no_best(store):
    store.commit(plain_record(CONV, 1, "quarantined", ()))
    (curve,) = curves(store, session(TaskTimes("conv", "1", 2.0)))
    assert curve.best_ms == (float("inf"),)


def test_the_session_of_a_net_is_the_one_that_measured_its_layers(store, tmp_path):
    place = Place("cpu", 1, "0.27")
    layers = (LayerTimes("conv", "key", MS),)
    for net, one in (("other", ()), ("mine", layers), ("later", ())):
        store.commit_session(replace(session(net=net, place=place), layers=one))
    found = history_of([MS, {}], resolve("cpu", 1), tmp_path / "tuning.db")
    assert found.session.net == "mine"
    assert history_of([{}], resolve("cpu", 1), tmp_path / "tuning.db") is None
    altered = {**MS, "dense direct": 0.9}
    assert history_of([altered], resolve("cpu", 1), tmp_path / "tuning.db") is None


def test_of_an_exported_session_there_are_no_curves(monkeypatch, tmp_path, store):
    tuned = replace(session(net="exported"), layers=(LayerTimes("conv", "key", MS),))
    monkeypatch.setattr(module, "find_logs", lambda *_: [(tuned, [])])
    found = history_of([MS], resolve("cpu", 1), tmp_path / "tuning.db")
    assert (found.session.net, found.curves) == ("exported", ())
