"""Logs are MetaSchedule's own files, whole or absent, and read back to the bit."""

import dataclasses
import json
import re
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from sparsetvm.errors import FileError
from sparsetvm.tune import logs
from sparsetvm.tune.database import open_database, trace_digest, workload_hash
from sparsetvm.tune.logs import (
    export_logs,
    find_logs,
    folder_of,
    import_logs,
    read_logs,
    read_metaschedule,
)
from sparsetvm.tune.record import TaskTimes
from sparsetvm.tune.store import Store
from tests.tune.tiny import PLACE, TARGET, candidate, module, ms, session, trace

SIZES = (64, 128)
FILES = ["database_tuning_record.json", "database_workload.json", "session.json"]


@pytest.fixture
def database(tmp_path):
    """Two tuned kernels: each has a fast wrong candidate, two verified and one that failed."""
    database = open_database(tmp_path / "tuning.db", device="cpu znver5", threads=2)
    for n in SIZES:
        workload = database.commit_workload(module(n))
        database.commit_tuning_record(candidate(workload, 2, [n * 1e-6]))
        database.verify(candidate(workload, 4, [n * 3e-6, n * 3e-6]))
        database.verify(candidate(workload, 8, [n * 2e-6, n / 3e6]))
        database.quarantine(candidate(workload, 16, None), "it hangs")
    return database


@pytest.fixture
def tuned():
    hashes = {n: workload_hash(module(n)) for n in SIZES}
    return session(*(TaskTimes(f"n{n}", hashes[n], 0.2, n * 2e-3, 0.9) for n in SIZES))


@pytest.fixture
def folder(database, tuned, tmp_path):
    return export_logs(database.store, tuned, tmp_path / "tuning_logs")


def as_json(records):
    return [record.as_json() for record in records]


def test_the_folder_says_device_tvm_net_plan_and_threads(folder, tmp_path):
    below = folder.relative_to(tmp_path / "tuning_logs")
    assert below == Path("cpu-znver5/tvm-0.27/tiny-dense-t2")
    assert sorted(file.name for file in folder.iterdir()) == FILES


def test_a_layers_name_makes_a_folder_that_every_system_takes(tuned):
    layer = dataclasses.replace(tuned, net="conv:64x64x3x28", plan="plans/mine.toml")
    assert folder_of(layer).name == "conv-64x64x3x28-plans-mine.toml-t2"


def test_only_the_fastest_verified_record_of_each_task_is_exported(folder, database, tuned):
    found, records = read_logs(folder)
    assert found == tuned
    assert [record.run_secs for record in records] == [(n * 2e-6, n / 3e6) for n in SIZES]
    best = [database.best(module(n)) for n in SIZES]
    assert records == [dataclasses.replace(record, created=tuned.date) for record in best]


def test_kernels_of_forms_that_do_not_ship_are_not_exported(database, tuned, tmp_path):
    first, *others = tuned.tasks
    compared = dataclasses.replace(first, ships=False)
    part = dataclasses.replace(tuned, tasks=(compared, *others))
    found, records = read_logs(export_logs(database.store, part, tmp_path))
    assert found == part
    assert {record.workload.hash for record in records} == {task.workload for task in others}


def test_metaschedules_own_database_reads_the_folder(folder, database):
    theirs = ms.database.JSONDatabase(work_dir=str(folder))
    assert len(theirs) == len(SIZES)
    for n in SIZES:
        query = (module(n), TARGET, "main")
        ours, found = (db.query_tuning_record(*query) for db in (database, theirs))
        assert found.as_json() == ours.as_json()


def test_we_read_what_metaschedules_own_database_writes(tmp_path):
    theirs = ms.database.JSONDatabase(work_dir=str(tmp_path))
    for n in SIZES:
        workload = theirs.commit_workload(module(n))
        for inner, seconds in [(8, 0.1), (4, 1 / 3), (16, 1e10)]:
            theirs.commit_tuning_record(candidate(workload, inner, [seconds]))
    ours = open_database(tmp_path / "ours.db", device="cpu znver5", threads=2)
    assert import_logs(ours.store, tmp_path, "cpu znver5", 2) == 6
    assert ours.best(module()) is None  # nobody compared them with the reference
    for n in SIZES:
        of_both = [db.get_top_k(db.commit_workload(module(n)), 9) for db in (ours, theirs)]
        assert as_json(of_both[0]) == as_json(of_both[1])
        assert len(of_both[0]) == 2
        digest = trace_digest(trace(module(n), 16))
        assert ours.store.record(PLACE, workload_hash(module(n)), digest).reason is not None


def test_import_gives_another_machine_the_same_records_and_session(folder, tuned, tmp_path):
    store = Store(tmp_path / "other.db")
    for _ in range(2):  # the second time changes nothing
        assert import_logs(store, folder) == len(SIZES)
        assert store.sessions() == [tuned]
        assert sorted(store.records(PLACE), key=str) == sorted(read_logs(folder)[1], key=str)
    again = export_logs(store, tuned, tmp_path / "again")
    for name in FILES:
        assert (again / name).read_bytes() == (folder / name).read_bytes()


def test_a_log_diffs_line_by_line(folder, database, tuned):
    before = [(folder / name).read_text().splitlines() for name in FILES]
    workload = database.commit_workload(module(SIZES[1]))
    database.verify(candidate(workload, 32, [1e-6]))
    export_logs(database.store, tuned, folder.parents[2], overwrite=True)
    after = [(folder / name).read_text().splitlines() for name in FILES]
    changed = [
        sum(a != b for a, b in zip(*lines, strict=True))
        for lines in zip(before, after, strict=True)
    ]
    assert changed == [1, 0, 1]  # a record, and in session.json the digest


def test_logs_of_a_device_are_found_below_the_checkout_and_an_extra_folder(
    folder, database, tuned, tmp_path, monkeypatch
):
    monkeypatch.setattr(logs, "logs_folder", lambda: tmp_path / "tuning_logs")
    other = dataclasses.replace(tuned, net="other", tasks=tuned.tasks[:1])
    export_logs(database.store, other, tmp_path / "extra")
    assert [len(records) for _, records in find_logs("cpu znver5", 2)] == [len(SIZES)]
    found = [len(records) for _, records in find_logs("cpu znver5", 2, tmp_path / "extra")]
    assert sum(found) == len(SIZES) + 1
    assert list(find_logs("cpu znver5", 1)) == list(find_logs("cpu haswell", 2)) == []


def test_all_logs_of_this_checkout_are_whole():
    for file in logs.logs_folder().rglob("session.json"):
        tuned, records = read_logs(file.parent)
        assert file.parent == logs.logs_folder() / folder_of(tuned)
        tasks = {task.workload for task in tuned.tasks}
        assert {record.workload.hash for record in records} <= tasks


def test_what_is_there_stays_unless_it_may_be_replaced(folder, database, tuned):
    with pytest.raises(FileError, match="exists\n  choose another path, or allow it"):
        export_logs(database.store, tuned, folder.parents[2])


def test_a_session_without_verified_records_is_not_exported(database, tuned, tmp_path):
    nothing = dataclasses.replace(tuned, tasks=())
    with pytest.raises(FileError, match=r"no verified record of tiny under dense \(cpu znver5"):
        export_logs(database.store, nothing, tmp_path / "logs")
    assert not (tmp_path / "logs").exists()


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.data())
def test_any_altered_or_missing_byte_is_noticed(folder, data):
    file = folder / data.draw(st.sampled_from(FILES))
    whole = file.read_bytes()
    place = data.draw(st.integers(0, len(whole) - 1))
    if data.draw(st.booleans()):
        file.write_bytes(whole[:place])
    else:
        other = data.draw(st.integers(0, 255).filter(lambda byte: byte != whole[place]))
        file.write_bytes(whole[:place] + bytes([other]) + whole[place + 1 :])
    try:
        with pytest.raises(FileError, match=re.escape(str(folder))):
            read_logs(folder)
    finally:
        file.write_bytes(whole)


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file_is_said(folder, name, tmp_path):
    (folder / name).unlink()
    with pytest.raises(FileError, match=rf"{name}.*\n  "):
        import_logs(Store(tmp_path / "other.db"), folder)


def test_a_log_of_another_version_is_said(folder):
    table = json.loads((folder / "session.json").read_text())
    (folder / "session.json").write_text(json.dumps(table | {"version": 9}))
    with pytest.raises(FileError, match=r"version 9; this reads 'sparsetvm tuning log', version 1"):
        read_logs(folder)


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("database_workload.json", lambda text: text[:-100]),
        ("database_workload.json", lambda text: text.replace('["', '["1', 1)),
        ("database_workload.json", lambda text: ""),
        ("database_tuning_record.json", lambda text: text[:-20]),
        ("database_tuning_record.json", lambda text: text.replace("Split", "Spilt")),
        ("database_tuning_record.json", lambda text: "[]\n"),
        ("database_tuning_record.json", lambda text: "\x00"),
    ],
    ids="torn hash none torn-record instruction empty nul".split(),
)
def test_torn_files_of_metaschedules_own_are_said(tmp_path, name, change):
    theirs = ms.database.JSONDatabase(work_dir=str(tmp_path))
    theirs.commit_tuning_record(candidate(theirs.commit_workload(module()), 8, [1.0]))
    text = (tmp_path / name).read_text()
    (tmp_path / name).write_text(change(text))
    with pytest.raises(FileError, match=r"database_\w+\.json"):
        read_metaschedule(tmp_path, "cpu znver5", 2)
