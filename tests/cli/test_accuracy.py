"""sparsetvm accuracy: without its data it says how to get them; what it finds is a table."""

from sparsetvm.bench import accuracy
from sparsetvm.bench.accuracy import AccuracyTable, Cell


def test_without_the_data_it_says_how_to_get_them(sparsetvm, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    run = sparsetvm("accuracy", "mnist")
    assert run.code == 1 and "get them: add --fetch" in run.err
    assert not list(tmp_path.iterdir())


def test_an_unknown_task_is_the_users_mistake(sparsetvm):
    run = sparsetvm("accuracy", "minst")
    assert run.code == 1 and "unknown task 'minst'; known:" in run.err


def test_it_prints_the_table_or_its_json(sparsetvm, monkeypatch):
    asked = []

    def found(task, plans, methods, seeds, file, fetch, progress):
        asked.append((task, plans, methods, list(seeds), str(file), fetch))
        cells = (Cell("pattern8x-b8", "admm", 0, 0.975, 8.1),)
        return AccuracyTable(task, "mnist: digits", {"epochs": 6}, {0: 0.98}, cells)

    monkeypatch.setattr(accuracy, "accuracy", found)
    options = ["--plans", "pattern8x-b8", "--methods", "admm", "--seeds", "2", "--fetch"]
    run = sparsetvm("accuracy", "mnist", *options)
    assert asked == [("mnist", ["pattern8x-b8"], ["admm"], [0, 1], "accuracy-mnist.json", True)]
    assert run.out.splitlines()[-1].split() == ["pattern8x-b8", "8.1x", "97.50", "(-0.50)"]
    table = sparsetvm("accuracy", "mnist", *options, "--json").json
    assert table["cells"][0]["accuracy"] == 0.975 and table["dense"] == {"0": 0.98}
