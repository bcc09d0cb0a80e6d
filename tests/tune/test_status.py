"""The status says how each net stands, from the database alone."""

from dataclasses import replace
from datetime import datetime, timedelta, timezone

import pytest

from sparsetvm.tune.record import TaskTimes, Workload
from sparsetvm.tune.status import SILENCE, status
from sparsetvm.tune.store import Store
from tests.tune.tiny import PLACE, plain_record, session

DATE = datetime(2026, 11, 23, 7, 30, tzinfo=timezone.utc)


@pytest.fixture
def store(tmp_path):
    """A net of two kernels, 2 trials each: one kernel has both, the other has none."""
    store = Store(tmp_path / "tuning.db")
    store.commit_session(replace(session(TaskTimes("a", "1"), TaskTimes("b", "2")), trials=2))
    created = DATE.strftime("%Y-%m-%dT%H:%M:%SZ")
    fast = plain_record(Workload("1", "one"), 1, "verified", (1e-3,))
    failed = plain_record(Workload("1", "one"), 2, "quarantined", ())
    for record in (fast, failed):
        store.commit(replace(record, created=created))
    yield store
    store.close()


def test_each_kernel_has_its_trials_its_best_and_what_failed(store):
    (net,) = status(store, DATE)
    a, b = net.tasks
    assert (a.name, a.trials, a.quarantined, a.best_ms) == ("a", 2, 1, 1.0)
    assert (b.name, b.trials, b.quarantined, b.best_ms) == ("b", 0, 0, None)
    assert str(net).splitlines() == [
        "tiny, plan dense (cpu znver5, 2 threads, TVM 0.27): running, 2 trials of 4, "
        "last activity 2026-11-23T07:30:00Z",
        "  a   2 of 2   best 1.000 ms   1 quarantined",
        "  b   0 of 2",
    ]


def test_a_tuner_that_is_silent_for_long_has_stopped(store):
    states = [status(store, DATE + wait)[0].state for wait in (timedelta(0), SILENCE)]
    assert states == ["running", "stopped"]


@pytest.mark.parametrize("why", ["all trials", "exhausted"])
def test_a_net_is_done_when_no_kernel_lacks_trials_or_has_any_left_to_try(store, why):
    if why == "exhausted":
        tasks = TaskTimes("a", "1"), TaskTimes("b", "2", exhausted=True)
        store.commit_session(replace(session(*tasks), trials=2))
    else:
        for number in (1, 2):
            store.commit(plain_record(Workload("2", "two"), number, place=PLACE))
    assert status(store, DATE)[0].state == "done"
