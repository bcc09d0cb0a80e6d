"""The report on a compiled net: one page that needs nothing else, true to what was measured."""

import re
from dataclasses import replace

import pytest

from sparsetvm.bench.ceilings import Ceilings
from sparsetvm.bench.net_report import NetReport
from sparsetvm.report import plots
from sparsetvm.report.net import write_net_report
from sparsetvm.runtime import LayerFacts, Manifest, Profile, StepTime
from sparsetvm.runtime.profile import spread
from sparsetvm.tune.curves import Curve, History
from sparsetvm.tune.record import TaskTimes
from tests.tune.tiny import session

FORMS = {"dense direct": 8.0, "dense F(4x4)": 3.0, "sparse direct": 1.25, "sparse F(4x4)": 1.0}
SPARSE = LayerFacts(
    "features.<2>", "conv2d", "connectivity 4.0x", 4.0, 400_000_000, 40_000, 100_000_000,
    2_000_000, "sparse F(4x4)", "5f2c0123", FORMS,
)  # fmt: skip
DENSE = LayerFacts(
    "features.0", "conv2d", "dense", 1.0, 10_000_000, 9_000, 10_000_000, 10_000_000,
    "dense direct", "default",
)  # fmt: skip
CURVES = (
    Curve("features.<2>, sparse F(4x4)", 2.0, (float("inf"), 2.0, 1.0)),
    Curve("features.<2>, dense direct", 8.0, (8.0, 7.0)),
)


@pytest.fixture
def result() -> NetReport:
    layers = (DENSE, SPARSE)
    steps = [StepTime(layer.name, "kernel", spread([1e-3]), layer) for layer in layers]
    tasks = TaskTimes("features.<2>, sparse F(4x4)", "1", 2.0, 1.0), TaskTimes("failed", "2")
    return NetReport(
        name="net",
        date="2026-11-23 11:19",
        manifest=Manifest("cpu", (), 1, (), (), (), (), layers, {"tvm": "0.27"}, "torch Net"),
        profile=Profile("AMD EPYC", 1, 20, spread([2e-3]), tuple(steps)),
        ceilings=Ceilings(threads=1, gflops=250.0, bandwidth=40.0),
        history=History(session(*tasks), CURVES),
    )


def page_of(result, folder):
    write_net_report(result, folder / "report.html")
    return (folder / "report.html").read_text()


def test_the_page_says_what_was_measured_and_fetches_nothing(result, tmp_path):
    page = page_of(result, tmp_path)
    row = "sparse F(4x4)", "connectivity 4.0x", "1.000", "8.000", "3.000 F(4x4)", "200%", "4.0x"
    cells = re.findall(r"<td[^>]*>([^<]*)</td>", page)
    at = cells.index("features.&lt;2&gt;")
    assert tuple(cells[at + 1 : at + 8]) == row
    assert "more than 100 % realised" in page
    assert "250 GFLOP/s" in page and "40 GB/s" in page and "AMD EPYC with 1 thread" in page
    assert "tiny, plan dense" in page and "2.00x" in page
    assert not re.findall(r'(?:src|href)="(?!data:|#)', page.replace('xlink:href="#', 'href="#'))


def test_a_layer_is_held_against_the_ceiling_above_it(result):
    dense, sparse = result.roofline
    assert (dense.intensity, dense.gflops, dense.ceiling) == (1.0, 10.0, 40.0)  # memory's
    assert (sparse.intensity, sparse.gflops, sparse.ceiling) == (50.0, 100.0, 250.0)  # the core's
    assert (dense.share, sparse.share) == (0.25, 0.4)


def test_each_kind_of_form_has_its_mark(result, tmp_path):
    page = page_of(result, tmp_path)
    (drawing,) = re.findall(r'aria-label="roofline.*?</svg>', page, re.S)
    assert ">sparse, Winograd<" in drawing and ">dense, direct<" in drawing
    assert ">sparse, direct<" not in drawing
    assert ">features.0<" in drawing


def test_names_of_points_that_coincide_are_not_written_over_each_other():
    names, forms = [f"layer{i}" for i in range(20)], ["sparse direct"] * 20
    together = plots.roofline(names, forms, [5.0] * 20, [90.0] * 20, 250.0, 40.0)
    apart = plots.roofline(names[:2], forms[:2], [5.0, 9.0], [90.0] * 2, 250.0, 40.0)
    assert sum(f">{name}<" in together for name in names) == 2  # right and left of the point
    assert sum(f">{name}<" in apart for name in names) == 2


def test_every_task_ends_in_its_name(result, tmp_path):
    page = page_of(result, tmp_path)
    (drawing,) = re.findall(r'aria-label="the best time so far.*?</svg>', page, re.S)
    assert "features.&lt;2&gt;, sparse F(4x4)" in drawing
    assert "features.&lt;2&gt;, dense direct" in drawing


def test_without_tuning_the_page_says_so(result, tmp_path):
    steps = tuple(
        replace(step, layer=replace(step.layer, forms_ms={})) for step in result.profile.steps
    )
    profile = replace(result.profile, steps=steps)
    page = page_of(replace(result, profile=profile, history=None), tmp_path)
    assert "No layer was tuned for this device" in page
    assert "knows a session of this net" in page
    assert "% realised" not in page


def test_the_same_result_gives_the_same_page(result, tmp_path):
    (tmp_path / "other").mkdir()
    assert page_of(result, tmp_path) == page_of(result, tmp_path / "other")


def test_labels_keep_their_distance_and_their_order():
    places = plots._apart([0.5, 0.51, 0.52, 1.0], 0.1, 0.0, 1.0)
    assert list(places) == pytest.approx([0.41, 0.51, 0.61, 1.0])  # as many up as down
    assert list(plots._apart([0.98, 0.99, 1.0], 0.1, 0.0, 1.0)) == pytest.approx([0.8, 0.9, 1.0])
