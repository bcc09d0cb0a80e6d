"""A layer's time stands beside our own dense forms, and what they mean is said once."""

from dataclasses import replace

import pytest

from sparsetvm.runtime import LayerFacts, LayerTime
from sparsetvm.runtime.layer_time import HEAD, WINOGRAD_NOTE, aligned, notes

FORMS = {"dense direct": 8.0, "dense F(4x4)": 3.0, "sparse direct": 1.25, "sparse F(4x4)": 1.0}
FACTS = LayerFacts(
    "conv", "conv2d", "connectivity 4.0x", 4.0, 800, 40, 50, 60, "sparse F(4x4)", "default", FORMS
)


def test_a_row_has_our_dense_direct_form_and_our_fastest_dense_one():
    row = dict(zip(HEAD, LayerTime(FACTS, 1.0).cells(), strict=True))
    assert (row["form"], row["ms"]) == ("sparse F(4x4)", "1.000")
    assert (row["dense direct ms"], row["fastest dense ms"]) == ("8.000", "3.000 F(4x4)")
    assert (row["realised"], row["fewer operations"]) == ("200%", "4.0x")


def test_what_was_not_measured_is_not_claimed():
    for time in (LayerTime(replace(FACTS, forms_ms={}), 1.0), LayerTime(FACTS, None)):
        assert time.realised is None
        assert "-" in time.cells()
    assert notes([LayerTime(FACTS, None)]) == []


@pytest.mark.parametrize(("ms", "said"), [(1.0, True), (2.5, False)])
def test_why_a_winograd_form_realises_more_than_all_is_said_where_it_does(ms, said):
    assert (WINOGRAD_NOTE in notes([LayerTime(FACTS, ms)])) == said


def test_numbers_end_below_each_other():
    lines = aligned(("layer", "ms"), [("a", "1.0"), ("long", "12.0")])
    assert lines == ["layer    ms", "a       1.0", "long   12.0"]
