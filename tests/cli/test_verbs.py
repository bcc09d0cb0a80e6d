"""The verbs do what the Python functions do, from file to file."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import sparsetvm as st
from sparsetvm.cli import main

NET = "conv:16x16x3x9"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A torch net as net.pt2 and net.onnx, its input x.npy and its output y.npy."""
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(3, 16, 3, padding=1), nn.ReLU(), nn.Conv2d(16, 16, 3)).eval()
    x = torch.randn(1, 3, 7, 6)
    folder = tmp_path_factory.mktemp("net")
    torch.export.save(torch.export.export(net, (x,)), folder / "net.pt2")
    torch.onnx.export(net, (x,), folder / "net.onnx", dynamo=False)
    np.save(folder / "x.npy", x.numpy())
    with torch.inference_mode():
        np.save(folder / "y.npy", net(x).numpy())
    return folder


@pytest.fixture(scope="module")
def artifact(tmp_path_factory):
    path = tmp_path_factory.mktemp("artifact") / "net.stvm"
    with pytest.raises(SystemExit):
        main(["compile", NET, "--threads", "1", "-o", str(path)])
    return str(path)


def test_prune_inspect_compile_and_run_a_named_net(sparsetvm):
    pruned = sparsetvm("prune", NET, "--plan", "pattern8x-b8", "-o", "net.lir", "--json").json
    assert pruned["layer_ir"] == "net.lir"
    assert pruned["rates"]["conv"] == pytest.approx(8.1, rel=0.15)  # whole kernels of a small layer
    (layer,) = sparsetvm("inspect", "net.lir", "--json").json["layers"]
    assert layer["parameters"] == pruned["parameters"]
    assert layer["group"] == 8
    compiled = sparsetvm("compile", "net.lir", "-o", "net.stvm", "--threads", "1", "--json").json
    assert compiled["layers"] == 1
    assert compiled["bytes"] == Path("net.stvm").stat().st_size
    ran = sparsetvm("run", "net.stvm", "--repeats", "3", "--json").json
    assert (ran["threads"], ran["repeats"], ran["seed"]) == (1, 3, 0)
    assert ran["layers"][0]["structure"] == layer["structure"]


@pytest.mark.parametrize("name", ["net.pt2", "net.onnx"])
def test_a_file_runs_on_a_given_input(sparsetvm, folder, name):
    assert sparsetvm("compile", str(folder / name), "-o", "net.stvm").code == 0
    x = str(folder / "x.npy")
    run = sparsetvm("run", "net.stvm", "-i", x, "-o", "y.npy", "--repeats", "1", "--json")
    assert run.json["seed"] is None
    np.testing.assert_allclose(np.load("y.npy"), np.load(folder / "y.npy"), atol=1e-5)


def test_a_plan_that_a_files_weights_do_not_follow_is_refused(sparsetvm, folder):
    net = str(folder / "net.pt2")
    assert sparsetvm("export", net, "--plan", "pattern8x-b8", "-o", "net.lir").code == 1
    assert not Path("net.lir").exists()


def test_a_file_is_pruned_by_a_plan(sparsetvm, folder):
    net = str(folder / "net.pt2")
    assert sparsetvm("prune", net, "--plan", "pattern8x-b1", "-o", "net.lir").code == 0
    layers = st.load_ir("net.lir").layers
    assert [layer.rate > 1 for layer in layers] == [False, True]  # the plan spares first layers
    run = sparsetvm("compile", "net.lir", "--plan", "pattern8x-b1", "-o", "net.stvm")
    assert run.code == 1
    assert "net.lir has its plan inside" in run.err


def test_inspect_prints_the_layer_ir(sparsetvm):
    sparsetvm("export", NET, "-o", "net.lir")
    assert sparsetvm("inspect", "net.lir").out == f"{st.load_ir('net.lir')}\n"


def test_inspect_tells_what_an_artifact_was_compiled_for(sparsetvm, artifact):
    text = sparsetvm("inspect", artifact).out
    assert "for cpu, threads 1" in text
    assert "in   x [1,16,9,9] float32" in text
    assert sparsetvm("inspect", artifact, "--json").json["inputs"][0]["shape"] == [1, 16, 9, 9]


def test_run_prints_its_time_and_with_profile_each_step(sparsetvm, artifact):
    head = sparsetvm("run", artifact).out
    assert head.count("\n") == 1
    assert "1 thread, median of 20 runs" in head
    assert "\n  conv " in sparsetvm("run", artifact, "--profile").out


def test_inspect_shows_each_layers_form_and_schedule(sparsetvm, artifact):
    head, row = sparsetvm("inspect", artifact).out.splitlines()[3:5]
    assert head.split()[:3] == ["layer", "ms", "form"] and head.endswith("schedule")
    assert re.fullmatch(r"  conv +- +dense \S+ +- +- +- +1\.0x  dense +0\.01  default", row)


def test_report_writes_a_page_and_says_how_fast_the_net_is(sparsetvm, artifact):
    arguments = "report", artifact, "-o", "net.html", "--repeats", "2", "--json"
    run = sparsetvm(*arguments)
    assert Path("net.html").read_text().startswith("<!doctype html>")
    assert run.json["report"] == "net.html"
    (point,) = run.json["roofline"]
    (layer,) = run.json["layers"]
    assert point["gflops"] == pytest.approx(layer["work"] / layer["ms"] / 1e6)
    assert run.json["ceilings"]["threads"] == 1
    again = sparsetvm(*arguments)
    assert again.code == 1 and "net.html exists" in again.err
    unknown = sparsetvm("report", artifact, "-o", "other.html", "--db", "none.db")
    assert unknown.code == 1 and "there is no tuning database at none.db" in unknown.err


def test_a_file_that_exists_stays_unless_it_may_be_replaced(sparsetvm):
    Path("net.stvm").write_text("mine")
    run = sparsetvm("compile", NET, "-o", "net.stvm")
    assert (run.code, Path("net.stvm").read_text()) == (1, "mine")
    assert "net.stvm exists" in run.err
    assert sparsetvm("compile", NET, "-o", "net.stvm", "--overwrite", "--dump", "phases").code == 0
    assert len(list(Path("phases").iterdir())) > 1
    assert sparsetvm("run", "net.stvm").code == 0


@pytest.mark.parametrize(
    ("save", "message"),
    [
        (lambda: np.save("x.npy", np.zeros((1, 16, 9, 8), "f")), "input x is [1, 16, 9, 8]"),
        (lambda: np.save("x.npy", np.zeros((1, 16, 9, 9))), "input x is float64"),
        (lambda: np.savez("x.npy", y=np.zeros(1)), "cannot read x.npy"),
        (lambda: Path("x.npy").write_bytes(b"text"), "cannot read x.npy"),
        (lambda: np.save("x.npy", np.array([{}]), allow_pickle=True), "cannot read x.npy"),
        (lambda: None, "cannot read x.npy"),
    ],
    ids="shape dtype named text pickle absent".split(),
)
def test_an_input_that_does_not_fit_is_said(sparsetvm, artifact, save, message):
    save()
    run = sparsetvm("run", artifact, "-i", "x.npy")
    assert (run.code, run.out) == (1, "")
    assert message in run.err


def test_settings_and_progress_stay_off_stdout(sparsetvm):
    run = sparsetvm("inspect", NET, "--json")
    json.loads(run.out)
    run = sparsetvm("export", NET, "-o", "net.lir", "--json")
    assert json.loads(run.out) == {"layer_ir": "net.lir", "layers": 1, "dense_ops": 0}
    assert run.err.startswith("export  net conv:16x16x3x9  output net.lir")


def test_plan_writes_a_plan_that_prune_takes(sparsetvm, monkeypatch):
    monkeypatch.setenv("XDG_DATA_HOME", str(Path.cwd()))
    run = sparsetvm("plan", NET, "--speedup", "1.5", "--threads", "1", "-o", "plan.toml", "--json")
    assert run.code == 0, run.err
    assert run.json["goal"] == {"speedup": 1.5, "ms": None}
    assert run.json["speedup"] == run.json["dense_ms"] / run.json["ms"]
    assert sparsetvm("prune", NET, "--plan", "plan.toml", "-o", "net.lir").code == 0
    (layer,) = st.load_ir("net.lir").layers
    assert layer.rate == pytest.approx(run.json["layers"][0]["rate"])


def test_plan_asks_for_one_goal_and_for_samples_that_can_be_read(sparsetvm):
    assert "say one of the two" in sparsetvm("plan", NET, "-o", "plan.toml").err
    Path("x.npy").write_text("nothing")
    run = sparsetvm("plan", NET, "--ms", "1", "--samples", "x.npy", "-o", "plan.toml")
    assert (run.code, "cannot read x.npy as .npy" in run.err) == (1, True)
    run = sparsetvm("plan", "net.onnx", "--ms", "1", "--samples", "x.npy", "-o", "plan.toml")
    assert (run.code, "samples run through a torch module" in run.err) == (1, True)
