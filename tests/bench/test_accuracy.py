"""The table of accuracies: cells that add up, and are not done twice."""

import json

import pytest
import torch
from torch import nn

from sparsetvm.bench.accuracy import AccuracyTable, Cell, accuracy
from sparsetvm.bench.data import DataSet, data_sets
from sparsetvm.bench.tasks import Task, tasks
from sparsetvm.errors import FileError, InputError, PlanError


@data_sets.register("bars")
def bars(fetch: bool = False) -> DataSet:
    """A bright row or a bright column: easy."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(120, 16, 6, 6, generator=generator)
    y = torch.randint(2, (120,), generator=generator)
    for image, label in zip(x, y, strict=True):
        (image.transpose(1, 2) if label else image)[:, 2] += 2
    return DataSet("bars", (x[:80], y[:80]), (x[80:], y[80:]), 2, "bars")


def make_net() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(16, 16, 3), nn.ReLU(), nn.Conv2d(16, 16, 3), nn.Flatten(), nn.Linear(64, 2)
    )


tasks.register("bars")(Task("bars", make_net, dense_epochs=3, epochs=4, batch=16, rate=1e-2))
PLANS = ["pattern8x-b4", "connectivity3.6x-b8"]


def test_every_plan_and_method_gets_its_cell(tmp_path):
    table = accuracy("bars", PLANS, seeds=[0, 1], file=tmp_path / "table.json")
    assert table.dense.keys() == {0, 1} and len(table.cells) == 2 * 2 * 4
    # easy, so that only a broken method fails
    assert min(cell.accuracy for cell in table.cells) > 0.8
    rates = {cell.rate for cell in table.cells if cell.plan == PLANS[0] and cell.method == "admm"}
    assert rates == {9.0}  # 4 of 9 places, 4 of 16 kernels
    assert AccuracyTable.from_json(json.loads((tmp_path / "table.json").read_text())) == table


def test_a_run_goes_on_where_it_ended(tmp_path):
    def stop(text: str) -> None:
        if text == "seed 0, pattern8x-b4, gradual":
            raise KeyboardInterrupt

    file, said = tmp_path / "table.json", []
    with pytest.raises(KeyboardInterrupt):
        accuracy("bars", PLANS[:1], ["oneshot", "gradual"], [0], file, progress=stop)
    resumed = accuracy("bars", PLANS[:1], ["oneshot", "gradual"], [0], file, progress=said.append)
    assert said == ["seed 0: the dense net", "seed 0, pattern8x-b4, gradual"]
    whole = accuracy("bars", PLANS[:1], ["oneshot", "gradual"], [0], tmp_path / "other.json")
    assert resumed == whole


def test_a_file_of_other_settings_is_not_mixed_in(tmp_path):
    file = tmp_path / "table.json"
    table = accuracy("bars", PLANS[:1], ["oneshot"], [0], file).to_json()
    table["settings"]["epochs"] = 99
    file.write_text(json.dumps(table))
    with pytest.raises(FileError, match=r"is of bars with .*99.*\n  choose another file"):
        accuracy("bars", PLANS, file=file)
    file.write_text("{}")
    with pytest.raises(FileError, match="is no table of accuracies"):
        accuracy("bars", PLANS, file=file)


def test_what_cannot_be_done_is_refused_first(tmp_path):
    with pytest.raises(InputError, match="secondorder needs samples to fit on"):
        accuracy("bars", PLANS, ["secondorder"], file=tmp_path / "a.json")
    with pytest.raises(PlanError, match="unknown pruning method 'adm'"):
        accuracy("bars", PLANS, ["adm"], file=tmp_path / "a.json")
    with pytest.raises(InputError, match="unknown task 'bar'"):
        accuracy("bar", PLANS, file=tmp_path / "a.json")


def test_the_table_says_what_each_costs():
    cells = (Cell("p", "admm", 0, 0.97, 8.0), Cell("p", "admm", 1, 0.98, 8.2))
    table = AccuracyTable("t", "t: digits", {}, {0: 0.98, 1: 0.98}, cells)
    assert table.loss("p", "admm") == pytest.approx(0.5)
    assert str(table).splitlines()[-1].split() == ["p", "8.1x", "97.50", "(-0.50)"]
