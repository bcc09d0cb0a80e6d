"""The demo's report: one page that needs nothing else, and says what was found."""

import re
from dataclasses import replace

import numpy as np
import pytest

from sparsetvm.bench.contest import Outcome
from sparsetvm.bench.demo import DISTILLED, ONE_SHOT, REFITTED, DemoResult, EdgeMaps
from sparsetvm.bench.machine import Machine
from sparsetvm.bench.operations import Operations
from sparsetvm.bench.result import BenchResult
from sparsetvm.bench.timing import Timing
from sparsetvm.errors import FileError
from sparsetvm.prune import DistillReport, PrunedLayer, PruneReport
from sparsetvm.report.demo import write_report
from sparsetvm.sparsity import Dense, PatternConnectivity

SHAPES = ((0, 1, 3, 4), (1, 2, 4, 5), (3, 4, 6, 7))


def outcome(ms: float, quiet: bool = True) -> Outcome:
    return Outcome(
        Timing(ms, 0.9 * ms, 1.1 * ms, runs=9, blocks=3, disturbed=0, quiet=quiet),
        4e-7,
        None,
        "1.0",
    )


@pytest.fixture
def result(rng) -> DemoResult:
    structure = PatternConnectivity(shapes=SHAPES)
    layers = (
        {"name": "features.0", "rate": 1.0, "ms": 1.0, "dense_ms": 1.0, "realised": 1.0},
        {"name": "features.2", "rate": 8.0, "ms": 2.0, "dense_ms": 12.0, "realised": 0.75},
    )
    bench = BenchResult(
        net="hed",
        description="an edge <detector>",
        plan="pattern8x-b8",
        threads=1,
        seconds=1.2,
        seed=0,
        machine=Machine("AMD EPYC", 2, "Linux x86_64"),
        operations=Operations(dense=80, kept=10),
        ours=outcome(10.0),
        ours_dense=outcome(70.0),
        ours_direct=outcome(70.0),
        dense_peers={"onnxruntime": outcome(60.0, quiet=False), "torch": outcome(90.0)},
        sparse_peers={},
        layers=layers,
    )
    pruning = PruneReport(
        (
            PrunedLayer("features.0", "conv2d", Dense(), 100, 100, 1.0, None),
            PrunedLayer("features.2", "conv2d", structure, 800, 100, 0.4, 0.1),
        )
    )
    photograph = rng.integers(0, 255, (16, 20, 3), dtype=np.uint8)
    edges = rng.random((16, 20), dtype=np.float32)
    maps = (
        EdgeMaps("chelsea", photograph, edges, {ONE_SHOT: edges**4, REFITTED: edges**2}),
        EdgeMaps("coffee", photograph, edges, {ONE_SHOT: edges**3, REFITTED: edges}),
    )
    return DemoResult("pattern8x-b8", 0, pruning, None, 0.0, bench, maps)


def test_the_report_says_what_was_found_and_fetches_nothing(result, tmp_path):
    write_report(result, tmp_path / "report.html")

    page = (tmp_path / "report.html").read_text()
    assert "6.0x" in page and "faster than ONNX Runtime" in page
    assert "6.0x, 75%" in page and "left dense" in page
    assert "refitted: 1.000" in page and "ONNX Runtime, dense (disturbed)" in page
    assert "an edge &lt;detector&gt;" in page
    assert page.count("data:image/") == 8
    assert not re.findall(r'(?:src|href)="(?!data:|#)', page)


def test_every_pattern_of_the_set_is_drawn(result, tmp_path):
    write_report(result, tmp_path / "report.html")

    page = (tmp_path / "report.html").read_text()
    (drawing,) = re.findall(r'aria-label="the set of kernel patterns".*?</svg>', page, re.S)
    assert drawing.count("fill: #0f766e") == sum(map(len, SHAPES))


def test_the_same_result_gives_the_same_page(result, tmp_path):
    for name in ("a.html", "b.html"):
        write_report(result, tmp_path / name)

    assert (tmp_path / "a.html").read_bytes() == (tmp_path / "b.html").read_bytes()


def test_a_report_that_is_there_stays(result, tmp_path):
    (tmp_path / "report.html").write_text("mine")

    with pytest.raises(FileError, match="exists"):
        write_report(result, tmp_path / "report.html")

    assert (tmp_path / "report.html").read_text() == "mine"


def test_json_holds_each_figure_of_the_issue(result):
    table = result.to_json()

    assert table["ours"]["ms"] == 10.0 and table["peers"]["onnxruntime"] == 60.0
    assert table["correlation"]["worst"] <= table["correlation"]["mean"] <= 1
    assert table["stages"][ONE_SHOT]["mean"] < table["stages"][REFITTED]["mean"]
    assert table["correlation"] == table["stages"][REFITTED] and table["distilling"] is None
    assert [layer["realised"] for layer in table["layers"]] == [1.0, 0.75]
    assert "6.00x over onnxruntime" in str(result)


def test_what_was_not_timed_is_said_and_breaks_nothing(result, tmp_path):
    ours = Outcome(skipped="its outputs differ by <2e-2> of the largest value")
    result = replace(result, bench=replace(result.bench, ours=ours))

    write_report(result, tmp_path / "report.html")

    page = (tmp_path / "report.html").read_text()
    assert "SparseTVM, sparse was not timed: its outputs differ by &lt;2e-2&gt;" in page
    assert "sparsetvm was not timed: its outputs differ" in str(result)


def test_a_distilled_net_is_shown_after_the_refitted_one(result, tmp_path):
    maps = tuple(
        replace(one, pruned={**one.pruned, DISTILLED: one.pruned[REFITTED] ** 1.1})
        for one in result.maps
    )
    distilling = DistillReport(900, 598.0, 1150.0, ((0, 0.06), (900, 0.04)), None)
    result = replace(result, maps=maps, minutes=10.0, distilling=distilling)

    write_report(result, tmp_path / "report.html")

    page = (tmp_path / "report.html").read_text()
    assert page.count("data:image/") == 10 and "distilled: 0.9" in page
    assert "taught by the dense net for 10 minutes" in page and "--distill 10<" in page
    assert result.to_json()["correlation"] == result.to_json()["stages"][DISTILLED]
    assert result.to_json()["distilling"]["steps"] == 900
    assert "distilled " in str(result) and "zeros only " in str(result)
