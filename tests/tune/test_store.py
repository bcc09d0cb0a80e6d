"""The store: answers are of one place, a trace has one record, what is acknowledged stays."""

import os
import random
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings, strategies as st

from sparsetvm.errors import FileError
from sparsetvm.tune.connect import default_path
from sparsetvm.tune.record import TaskTimes, Workload
from sparsetvm.tune.store import STATES, Store
from tests.tune import postgres
from tests.tune.tiny import PLACE, plain_record, session
from tests.tune.writer import PLACE as WRITERS, number_of, record_of

ROOT = Path(__file__).resolve().parents[2]
W1, W2 = Workload("1", "module one"), Workload("2", "module two")


@pytest.fixture(scope="module")
def postgresql():
    if reason := postgres.why_not():
        pytest.skip(reason)
    with postgres.server() as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def where(request, tmp_path):
    """A database with no tables yet."""
    if request.param == "sqlite":
        return str(tmp_path / "tuning.db")
    url = request.getfixturevalue("postgresql")
    store = Store(url)
    with store._engine.begin() as connection:
        connection.exec_driver_sql("DROP TABLE session, features, record, workload, about")
    store.close()
    return url


@pytest.fixture
def store(where):
    store = Store(where)
    yield store
    store.close()


def test_what_was_committed_is_read_back_by_another(store, where):
    record = replace(plain_record(W1, 1, seconds=(0.1, 1 / 3)), created="2026-11-23T07:19:08Z")
    store.commit(record)
    other = Store(where)
    assert other.records(PLACE) == [record]
    assert other.record(PLACE, "1", record.digest) == record
    other.close()


def test_the_fastest_come_first(store):
    seconds = {1: (3.0, 3.0), 2: (1.0, 9.0, 1.1), 3: (2.0,)}
    for number, times in seconds.items():
        store.commit(plain_record(W1, number, seconds=times))
    assert [record.seconds for record in store.records(PLACE, "1")] == [1.1, 2.0, 3.0]
    assert [record.seconds for record in store.records(PLACE, "1", limit=1)] == [1.1]
    assert store.records(PLACE, "2") == []


@pytest.mark.parametrize("other", [{"device": "gpu"}, {"threads": 1}, {"tvm": "0.28"}], ids=str)
def test_another_place_has_records_of_its_own(store, other):
    store.commit(plain_record(W1, 1))
    there = replace(PLACE, **other)
    assert (store.records(there), store.count(there)) == ([], 0)
    store.commit(plain_record(W1, 1, "quarantined", place=there))
    assert [record.state for record in store.records(PLACE)] == ["measured"]


def test_a_candidate_that_failed_is_kept_apart_for_good(store):
    failed = replace(plain_record(W1, 1, "quarantined", ()), reason="it hangs")
    store.commit(failed)
    store.commit(plain_record(W1, 1, "verified"))
    assert store.records(PLACE) == []
    known = store.record(PLACE, "1", failed.digest)
    assert (known.state, known.reason) == ("quarantined", "it hangs")
    assert store.count(PLACE, "1", STATES) == 1


OUTCOMES = st.tuples(
    st.integers(0, 2), st.sampled_from(STATES), st.lists(st.floats(1e-9, 1e9), max_size=3)
)


@settings(max_examples=30, deadline=None)
@given(st.lists(OUTCOMES, max_size=8))
def test_a_trace_has_one_record_whose_state_only_moves_on(outcomes):
    store, model = Store("sqlite://"), {}
    for number, state, seconds in outcomes:
        store.commit(plain_record(W1, number, state, seconds))
        old_state, old_seconds = model.get(number, (state, ()))
        latest = max(state, old_state, key=STATES.index)
        model[number] = latest, tuple(seconds) or old_seconds
    found = {r.trace: (r.state, r.run_secs) for r in store.records(PLACE, states=STATES)}
    store.close()
    assert found == {plain_record(W1, number).trace: model[number] for number in model}


@settings(max_examples=30, deadline=None)
@given(st.text(), st.text(), st.integers(1, 1024), st.lists(st.floats(0, 1e9), min_size=1))
def test_any_text_and_number_comes_back_as_it_was(text, device, threads, seconds):
    store = Store("sqlite://")
    place = replace(PLACE, device=device, threads=threads)
    record = replace(
        plain_record(Workload("3", text), 1, seconds=seconds, place=place),
        trace=text,
        target=text,
        args=text,
        reason=text,
        created="2026-11-23T07:19:08Z",
    )
    store.commit(record)
    assert store.records(place) == [record]
    store.close()


def test_a_summary_has_one_line_for_each_workload_and_place(store):
    store.commit(plain_record(W1, 1, "measured", (1.0,)))
    store.commit(plain_record(W1, 2, "verified", (2.0,)))
    store.commit(plain_record(W1, 3, "quarantined", ()))
    store.commit(plain_record(W2, 1))
    one, two = store.summary()
    assert (one.place, one.workload) == (PLACE, "1")
    assert (one.measured, one.verified, one.quarantined, one.best_ms) == (1, 1, 1, 2000.0)
    assert (two.workload, two.measured, two.best_ms) == ("2", 1, None)


def test_features_are_told_with_the_time_of_their_record_and_go_with_it(store):
    for number, state in enumerate(("measured", "verified", "quarantined")):
        store.commit(plain_record(W1, number, state, (number + 1.0,)), (7, bytes([number])))
    store.commit(plain_record(W2, 1), (8, b"of another version"))
    store.commit(plain_record(W2, 2))
    store.commit(plain_record(W1, 0, seconds=(9.0,)), (7, b"again"))
    assert store.experience(PLACE, 7) == [("1", 9.0, b"again"), ("1", 2.0, bytes([1]))]
    assert store.experience(replace(PLACE, threads=1), 7) == []
    store.prune(keep=1)
    assert store.experience(PLACE, 7) == [("1", 2.0, bytes([1]))]
    assert store.digests(PLACE, "1") == {plain_record(W1, number).digest for number in (1, 2)}


def test_pruning_keeps_the_verified_the_fastest_and_what_failed(store):
    for number in range(6):
        store.commit(plain_record(W1, number, seconds=(number + 1,)))
    store.commit(plain_record(W1, 7, "verified", (9,)))
    store.commit(plain_record(W1, 8, "quarantined", ()))
    store.commit(plain_record(W2, 1))
    assert store.prune(keep=2) == 5
    assert [record.seconds for record in store.records(PLACE, "1", ["verified"])] == [9]
    assert [record.seconds for record in store.records(PLACE, "1", ["measured"])] == [1]
    assert len(store.records(PLACE, states=STATES)) == 4
    assert store.prune(keep=2, quarantined=True) == 1
    assert store.prune(keep=2) == 0


def test_a_session_takes_the_place_of_an_earlier_one_of_its_net_and_plan(store):
    first = session(TaskTimes("conv", "1", 2.0))
    then = replace(first, trials=500, tasks=(TaskTimes("conv", "1", 2.0, 1.0, 8.0),))
    other = session(plan="pattern8x-b8")
    for one in (first, other, then):
        store.commit_session(one)
    assert store.sessions("tiny", "dense") == [then]
    assert store.sessions() == [then, other]


def test_a_workload_is_kept_once(store):
    assert not store.has_workload("0.27", "1")
    store.commit_workload("0.27", W1)
    store.commit_workload("0.27", replace(W1, module="the same, other names"))
    store.commit(plain_record(W1, 1))
    assert store.has_workload("0.27", "1")
    assert not store.has_workload("0.28", "1")
    assert store.records(PLACE)[0].workload == W1


def test_tuners_that_start_together_make_one_database(where):
    writers = [start(where, 1000 * i) for i in range(4)]
    for writer in writers:
        writer.stdout.readline()
        writer.kill()
        assert b"Traceback" not in writer.communicate()[1]
    store = Store(where)
    numbers = {number_of(record) for record in store.records(WRITERS)}
    store.close()
    assert {0, 1000, 2000, 3000} <= numbers


def test_a_writer_gets_its_turn_beside_one_that_hardly_pauses(tmp_path):
    where = str(tmp_path / "tuning.db")
    store = Store(where)
    hog = sqlite3.connect(where, isolation_level=None, check_same_thread=False)
    done = threading.Event()

    def write_without_end():
        while not done.is_set():
            hog.execute("BEGIN IMMEDIATE")
            time.sleep(0.02)  # a slow disk
            hog.execute("COMMIT")

    other = threading.Thread(target=write_without_end)
    other.start()
    begun = time.monotonic()
    for number in range(3):
        store.commit(plain_record(W1, number))
    waited = time.monotonic() - begun
    done.set()
    other.join()
    store.close()
    hog.close()
    assert waited < 20


def test_kill_9_loses_nothing_that_was_acknowledged_and_tears_nothing(where):
    kills = int(os.environ.get("SPARSETVM_KILLS", 8))
    rng, acknowledged = random.Random(0), []
    writers = [start(where, 0), start(where, 100_000)]
    for kill in range(kills):
        time.sleep(rng.uniform(0, 0.05))
        victim = writers.pop(0)
        first = victim.stdout.readline()
        time.sleep(rng.uniform(0, 0.1))
        victim.send_signal(signal.SIGKILL)
        out, err = victim.communicate()
        assert b"Traceback" not in err, err.decode()
        acknowledged += whole_lines(first + out)
        writers.append(start(where, 100_000 * (kill + 2)))
    for writer in writers:
        first = writer.stdout.readline()
        writer.kill()
        acknowledged += whole_lines(first + writer.communicate()[0])
    store = Store(where)
    found = {record.digest: record for record in store.records(WRITERS)}
    store.close()
    assert len(acknowledged) > kills
    for number in acknowledged:
        assert found[record_of(number).digest] == record_of(number)
    for record in found.values():  # also those that were written, but not acknowledged any more
        assert record == record_of(number_of(record))
    if "://" not in where:
        assert sqlite3.connect(where).execute("PRAGMA integrity_check").fetchall() == [("ok",)]


def start(where, number):
    return subprocess.Popen(
        [sys.executable, str(Path(__file__).with_name("writer.py")), where, str(number)],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        bufsize=0,  # readline takes no more than its line, so communicate gets all that follows
    )


def whole_lines(text):
    """The numbers that were printed to the end of their line."""
    return [int(line) for line in text.splitlines(keepends=True) if line.endswith(b"\n")]


def test_no_name_means_the_users_own_database(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    store = Store()
    assert store.name == str(default_path())
    assert default_path().is_file() and default_path().is_relative_to(tmp_path)
    store.close()


def test_a_file_that_is_no_database_is_said_and_left_alone(tmp_path):
    path = tmp_path / "tuning.db"
    path.write_bytes(b"not a database, but long enough to be taken for one" * 99)
    with pytest.raises(FileError, match=r"tuning.db fails: file is not a database"):
        Store(path)
    assert path.read_bytes().startswith(b"not a database")


def test_a_database_of_another_version_is_said(tmp_path):
    Store(tmp_path / "tuning.db").close()
    with sqlite3.connect(tmp_path / "tuning.db") as connection:
        connection.execute("UPDATE about SET version = 9")
    with pytest.raises(FileError, match=r"of version 9, this is version 1\n  use the sparsetvm"):
        Store(tmp_path / "tuning.db")


@pytest.mark.parametrize(
    ("where", "message"),
    [
        ("none/tuning.db", r"there is no folder .*none\n  make it first: mkdir -p"),
        ("tuning.db", r"there is no tuning database at tuning.db"),
        ("post gres://", r"post gres:// is no URL of a database"),
        ("mysql+nosuch://host/db", r"no driver for mysql\+nosuch databases"),
        ("postgresql://u:secret@127.0.0.1:1/db", r"postgresql\+psycopg://u:\*\*\*@127.*fails: "),
    ],
    ids="folder file url driver server".split(),
)
def test_a_database_that_cannot_be_opened_is_one_sentence(tmp_path, monkeypatch, where, message):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FileError, match=message):
        Store(where, must_exist=True)
    assert list(tmp_path.iterdir()) == []
