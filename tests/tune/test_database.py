"""MetaSchedule finds in our database what it finds in its own, but only of this place."""

import dataclasses

import pytest
import tvm_ffi

from sparsetvm._tvm import s_tir
from sparsetvm.errors import FileError
from sparsetvm.tune.database import (
    load_workload,
    open_database,
    plain,
    trace_digest,
    tuning_record,
    workload_hash,
)
from tests.tune.tiny import PLACE, TARGET, candidate, module, ms, trace

INTERFACE = ms.database.Database
"""Its methods go through TVM's C++, as the search does."""


@pytest.fixture
def where(tmp_path):
    return tmp_path / "tuning.db"


@pytest.fixture
def database(where):
    return open_database(where, device="cpu znver5", threads=2)


@pytest.fixture
def workload(database):
    return INTERFACE.commit_workload(database, module())


def json(records):
    return [record.as_json() for record in records]


def test_it_answers_as_metaschedules_own_database_does(database, tmp_path):
    theirs = ms.database.JSONDatabase(work_dir=str(tmp_path))
    for db in (database, theirs):
        assert not INTERFACE.has_workload(db, module())
        one, two = (INTERFACE.commit_workload(db, module(n)) for n in (64, 32))
        for inner, seconds in [(8, 3.0), (4, 1.0), (16, 2.0)]:
            INTERFACE.commit_tuning_record(db, candidate(one, inner, [seconds]))
        INTERFACE.commit_tuning_record(db, candidate(two, 2, [1.5]))
    assert len(database) == len(theirs) == 4
    assert INTERFACE.has_workload(database, module(32))
    for k in range(5):
        ours = INTERFACE.get_top_k(database, INTERFACE.commit_workload(database, module()), k)
        assert json(ours) == json(theirs.get_top_k(theirs.commit_workload(module()), k))
        assert len(ours) == min(k, 3)
    assert json(INTERFACE.get_all_tuning_records(database)) == json(theirs.get_all_tuning_records())


def test_names_of_variables_do_not_make_another_workload(database):
    first = database.commit_workload(module(name="A"))
    assert database.commit_workload(module(name="B")).same_as(first)
    assert database.has_workload(module(name="C"))
    assert not database.has_workload(module(n=65))


def test_a_hash_is_the_one_that_metaschedule_writes():
    mod = module()
    assert workload_hash(mod) == ms.database.Workload(mod).as_json()[0]


@pytest.mark.parametrize("other", [{"device": "cpu haswell"}, {"threads": 1}], ids=str)
def test_another_device_or_number_of_threads_finds_nothing(database, workload, where, other):
    database.verify(candidate(workload, 8, [1.0]))
    there = open_database(where, **{"device": "cpu znver5", "threads": 2, **other})
    assert len(there) == 0
    assert list(INTERFACE.get_all_tuning_records(there)) == []
    assert list(INTERFACE.get_top_k(there, workload, 9)) == []
    assert INTERFACE.query_tuning_record(there, module(), TARGET, "main") is None
    assert there.best(module()) is None


def test_a_lookup_finds_the_fastest_whose_result_was_verified(database, workload):
    query = (database, module(), TARGET, "main")
    database.commit_tuning_record(candidate(workload, 4, [1.0]))
    assert INTERFACE.query_schedule(*query) is None
    for inner, seconds in [(8, 3.0), (16, 2.0)]:
        database.verify(candidate(workload, inner, [seconds]))
    assert list(map(float, INTERFACE.query_tuning_record(*query).run_secs)) == [2.0]
    assert database.best(module()).seconds == 2.0
    expected = s_tir.Schedule(module())
    trace(module(), 16).apply_to_schedule(expected, remove_postproc=False)
    assert tvm_ffi.structural_equal(INTERFACE.query_ir_module(*query), expected.mod)
    assert tvm_ffi.structural_equal(INTERFACE.query_schedule(*query).mod, expected.mod)


def test_metaschedule_compiles_from_it(database, workload):
    database.verify(candidate(workload, 16, [1.0]))
    schedule = ms.tir_integration.compile_tir(database, module(), TARGET)
    loops = schedule.get_loops(schedule.get_sblock("B"))
    assert [int(schedule.get(loop).extent) for loop in loops] == [4, 16]


def known(database, trace):
    """What became of a trace."""
    return database.store.record(database.place, workload_hash(module()), trace_digest(trace))


@pytest.mark.parametrize("seconds", [None, [], [1e10]], ids=str)
def test_a_candidate_that_never_ran_is_quarantined(database, workload, seconds):
    INTERFACE.commit_tuning_record(database, candidate(workload, 8, seconds))
    assert len(database) == 0
    assert list(INTERFACE.get_top_k(database, workload, 9)) == []
    assert known(database, trace(module(), 8)).reason == "it did not build or run"
    assert known(database, trace(module(), 4)) is None


def test_a_wrong_result_takes_a_measured_candidate_out_for_good(database, workload, where):
    wrong = candidate(workload, 8, [1.0])
    database.commit_tuning_record(wrong)
    assert known(database, wrong.trace).reason is None
    database.quarantine(wrong, "max |Δ| is 3.1, max |y| 1.0")
    database.commit_tuning_record(wrong)
    later = open_database(where, device="cpu znver5", threads=2)
    assert known(later, wrong.trace).reason == "max |Δ| is 3.1, max |y| 1.0"
    assert len(later) == 0


def test_it_is_the_current_database_inside_with(database):
    with database:
        assert ms.database.Database.current().same_as(database)


def test_its_best_records_are_dumped_into_metaschedules_own(database, workload, tmp_path):
    for inner, seconds in [(8, 3.0), (4, 1.0), (16, 2.0)]:
        database.commit_tuning_record(candidate(workload, inner, [seconds]))
    theirs = ms.database.JSONDatabase(work_dir=str(tmp_path))
    INTERFACE.dump_pruned(database, theirs)
    assert json(theirs.get_all_tuning_records()) == json(database.get_top_k(workload, 1))


def test_a_record_is_the_same_as_plain_values_and_as_metaschedule_has_it(workload):
    theirs = candidate(workload, 8, [0.1, 1 / 3])
    record = plain(theirs, PLACE)
    assert (record.run_secs, record.state, record.place) == ((0.1, 1 / 3), "measured", PLACE)
    back = tuning_record(record)
    assert back.as_json() == theirs.as_json()
    assert plain(back, PLACE) == record


@pytest.mark.parametrize(
    "change",
    [
        {"hash": "123"},
        {"module": ""},
        {"module": "!"},
        {"module": ms.database.Workload(module(32)).as_json()[1]},
    ],
    ids="hash empty text other".split(),
)
def test_a_module_that_is_not_what_its_hash_says_is_refused(workload, change):
    altered = dataclasses.replace(plain(candidate(workload, 8, [1.0]), PLACE).workload, **change)
    with pytest.raises(FileError, match=r"is not what its hash says.*\n  tune again"):
        load_workload(altered)
