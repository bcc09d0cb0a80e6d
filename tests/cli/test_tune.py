"""sparsetvm tune: how tuning stands, and what is said to someone who stops it."""

import pytest

from sparsetvm.tune import session as tuning
from sparsetvm.tune.record import TaskTimes, Workload
from sparsetvm.tune.store import Store
from tests.tune.tiny import plain_record, session

NET = "conv:16x24x3x12"


@pytest.fixture
def database(sparsetvm):
    """tuning.db: a session of one kernel, of which one candidate is known."""
    store = Store("tuning.db")
    store.commit_session(session(TaskTimes("conv", "1")))
    store.commit(plain_record(Workload("1", "module"), 1, "verified", (2e-3,)))
    store.close()


def test_status_says_how_each_net_stands_and_tunes_nothing(sparsetvm, database):
    run = sparsetvm("tune", "--status", "--db", "tuning.db")
    assert run.out.splitlines()[0].startswith("tiny, plan dense (cpu znver5, 2 threads, TVM 0.27)")
    assert run.out.splitlines()[1:] == ["  conv   1 of 64   best 2.000 ms"]
    (net,) = sparsetvm("tune", "--status", "--db", "tuning.db", "--json").json["nets"]
    assert (net["wanted"], net["tasks"][0]["trials"]) == (64, 1)


def test_ctrl_c_says_that_all_is_kept_and_how_to_go_on(sparsetvm, monkeypatch):
    def stopped(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(tuning, "tune", stopped)
    run = sparsetvm("tune", NET, "--trials", "9", "--db", "my tuning.db")
    assert (run.code, run.out) == (130, "")
    again = f"sparsetvm tune {NET} --trials=9 --target=cpu '--db=my tuning.db' --seed=0"
    assert f"all that was found is kept; go on: {again}\n" in run.err


def test_without_a_net_or_status_it_says_what_is_missing(sparsetvm):
    run = sparsetvm("tune")
    assert (run.code, run.out) == (1, "")
    assert "name a net to tune, or say --status" in run.err
