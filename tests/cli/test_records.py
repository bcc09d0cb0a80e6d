"""sparsetvm records: what tuning found goes from a database to text and back."""

import shlex
from dataclasses import replace
from pathlib import Path

import pytest

from sparsetvm.cli.records import EXAMPLES, app
from sparsetvm.tune.record import TaskTimes, Workload
from sparsetvm.tune.store import Store
from tests.tune.tiny import PLACE, plain_record, session

ONE_THREAD = replace(PLACE, threads=1)
CONV = Workload("1", "module")
FOLDER = "logs/cpu-znver5/tvm-0.27/tiny-dense-t2"


@pytest.fixture
def database(sparsetvm):
    """tuning.db: a session with one kernel, of which all kinds of records are known."""
    store = Store("tuning.db")
    store.commit_session(session(TaskTimes("conv", "1", 4.0, 2.0, 8.0)))
    store.commit(plain_record(CONV, 1, "measured", (1e-3,)))
    store.commit(plain_record(CONV, 2, "verified", (2e-3,)))
    store.commit(plain_record(CONV, 3, "quarantined", ()))
    yield store
    store.close()


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A user without a database."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))


def test_there_is_an_example_for_each_command():
    assert [command.name for command in app.registered_commands] == list(EXAMPLES)


@pytest.mark.parametrize("command", EXAMPLES)
def test_every_help_ends_with_an_example(sparsetvm, command):
    run = sparsetvm("records", command, "--help")
    assert run.code == 0
    said = " ".join(run.out.split())  # a long one is wrapped
    assert said.endswith(f"Example: {EXAMPLES[command]}")


def test_every_example_works_when_pasted(sparsetvm, home):
    store = Store()
    one = session(TaskTimes("conv", "1"), net="vgg16", plan="pattern8x-b8", place=ONE_THREAD)
    store.commit_session(one)
    store.commit(plain_record(CONV, 1, "verified", place=ONE_THREAD))
    store.close()
    for command in EXAMPLES.values():
        run = sparsetvm(*shlex.split(command)[1:])
        assert run.code == 0, run.err


def test_list_shows_sessions_and_kernels(sparsetvm, database):
    lines = sparsetvm("records", "list", "--db", "tuning.db").out.splitlines()
    assert lines == [
        f"{Path('tuning.db').resolve()}: 2 records of 1 kernels, 1 sessions",
        "tiny, plan dense: 1 tasks, 64 trials each, seed 7, 2026-11-23T07:19:08Z "
        "(cpu znver5, 2 threads, TVM 0.27)",
        "cpu znver5, 2 threads, TVM 0.27",
        "  conv  1 measured, 1 verified, 1 quarantined  best 2 ms",
    ]
    (line,) = sparsetvm("records", "list", "--db", "tuning.db", "--json").json["workloads"]
    assert (line["place"]["threads"], line["verified"], line["best_ms"]) == (2, 1, 2.0)


def test_list_without_a_database_finds_nothing(sparsetvm, home):
    run = sparsetvm("records", "list")
    assert run.code == 0
    assert "0 records" in run.out


def test_export_and_import_carry_the_best_to_another_database(sparsetvm, database):
    export = ["records", "export", "--db", "tuning.db", "-o", "logs"]
    assert sparsetvm(*export, "--json").json == {"folders": [FOLDER]}
    run = sparsetvm("records", "import", FOLDER, "--db", "other.db", "--json")
    assert run.json["records"] == {FOLDER: 1}
    (best,) = Store("other.db").records(PLACE)
    assert (best.state, best.trace) == ("verified", plain_record(CONV, 2).trace)
    assert sparsetvm(*export).code == 1  # it is there
    assert sparsetvm(*export, "--overwrite").out == f"wrote {FOLDER}\n"


def test_prune_removes_the_slow_and_on_request_what_failed(sparsetvm, database):
    prune = ["records", "prune", "--db", "tuning.db", "--keep", "1", "--json"]
    assert sparsetvm(*prune).json["removed"] == 1
    assert [record.state for record in database.records(PLACE)] == ["verified"]
    assert sparsetvm(*prune, "--quarantined").json["removed"] == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["list", "--db", "none.db"], "there is no tuning database at none.db"),
        (["prune", "--db", "none.db"], "there is no tuning database at none.db"),
        (
            ["export", "--db", "tuning.db", "--net", "vgg16"],
            "has no such session\n  sparsetvm records list",
        ),
        (["import", "nowhere", "--db", "tuning.db"], "there is no session.json in nowhere"),
        (["import", FOLDER, "--db", "none/other.db"], "there is no folder"),
        (["prune", "--keep", "0"], "Invalid value for '--keep'"),
        ([], "Missing command.\n  see sparsetvm records --help"),
    ],
    ids=" ".join,
)
def test_a_users_mistake_is_one_sentence_and_code_1(sparsetvm, database, arguments, message):
    run = sparsetvm("records", *arguments)
    assert (run.code, run.out) == (1, "")
    assert message in run.err
    assert not Path("none.db").exists()


def test_import_says_which_torn_log_it_was(sparsetvm, database):
    sparsetvm("records", "export", "--db", "tuning.db", "-o", "logs")
    Path(FOLDER, "database_workload.json").write_text("")
    run = sparsetvm("records", "import", FOLDER, "--db", "other.db")
    assert run.code == 1
    assert f"{FOLDER} was altered after it was written" in run.err
