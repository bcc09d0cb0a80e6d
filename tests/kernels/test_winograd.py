"""The operator in the Winograd domain equals the reference, whatever the shape and the cut."""

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from sparsetvm._tvm import s_tir, tvm
from sparsetvm.kernels import reference
from sparsetvm.kernels.cut import Cut, Work, best_cut
from sparsetvm.kernels.frame import Frame
from sparsetvm.kernels.transforms import Domain, Transform
from sparsetvm.kernels.winograd import Winograd, reach, winograd
from sparsetvm.passes.form import Form, forms_of
from sparsetvm.schedules import find
from sparsetvm.schedules.pick import Default
from sparsetvm.sparsity import KGS, Connectivity, Dense, PatternConnectivity, Vanilla
from sparsetvm.targets import resolve
from tests.kernels.layers import Case, program_of, run_cases

TOLERANCE = 1e-4
"""float32 in the Winograd domain: F(4x4, 3x3) loses a digit or two."""

CASES = [
    Case((1, 7, 16, 16), 9, (3, 3), padding=1, epilogue=("bias", "relu")),
    Case((2, 16, 14, 14), 16, (3, 3), padding=1, epilogue=("bias", "add", "relu6")),
    Case((3, 5, 7, 30), 6, (3, 3), epilogue=("add",)),
    Case((1, 9, 67, 70), 8, (3, 3), padding=(0, 1, 2, 1), epilogue=("bias", "silu")),
    Case((1, 4, 8, 64), 20, (3, 3), padding=1, epilogue=("bias", "hardswish")),
    Case((2, 6, 9, 11), 10, (5, 5), padding=2, epilogue=("bias", "relu")),
    Case((1, 3, 3, 3), 4, (3, 3), padding=1, epilogue=()),
    Case((1, 6, 3, 14, 20), 10, (1, 3, 3), padding=(0, 1, 1), epilogue=("add", "relu")),
]

IN_TIME = [
    Case((1, 7, 5, 16, 16), 9, (3, 3, 3), padding=1, epilogue=("bias", "relu")),
    Case((2, 5, 4, 7, 30), 6, (3, 3, 3), padding=(1, 0, 1), epilogue=("bias", "add", "relu")),
    Case((1, 4, 3, 9, 9), 4, (3, 3, 3), epilogue=()),
]

STRUCTURES = [Dense(), Connectivity(connectivity=2.0, group=4), PatternConnectivity(group=1)]


def in_form(sparse: bool, outputs: int):
    """The form with these, or the layer's nearest to it."""

    def form_of(layer):
        forms = forms_of(layer)
        wanted = [f for f in forms if f.outputs == outputs and f.sparse == sparse]
        return (wanted or [f for f in forms if f.outputs == 2])[0]

    return form_of


@pytest.mark.parametrize("outputs", [2, 4])
@pytest.mark.parametrize("structure", STRUCTURES, ids=str)
@pytest.mark.parametrize("threads", [1, 2])
def test_a_kernel_equals_the_reference(structure, outputs, threads):
    target = resolve("cpu", threads)
    form = in_form(structure != Dense(), outputs)
    for result in run_cases(CASES, structure, target, np.random.default_rng(0), form):
        assert result.error < TOLERANCE, result.layer


@pytest.mark.parametrize("form", ["dense F(2x4x4)", "sparse F(4x4x4)"])
def test_clips_are_transformed_from_plane_to_plane_too(form):
    """Three transforms lose more than two."""
    form, structure, rng = Form.parse(form), Vanilla(4, 2, 2.0), np.random.default_rng(0)
    for result in run_cases(IN_TIME, structure, resolve("cpu", 2), rng, lambda layer: form):
        assert form in forms_of(result.layer)
        assert result.error < 3 * TOLERANCE, result.layer


@pytest.mark.parametrize("form", ["sparse F(2x2)", "sparse F(4x4)"])
@pytest.mark.parametrize("structure", [KGS(4, 2, 2.0, together=9), Vanilla(2, 1, 3.0)], ids=str)
def test_planes_of_a_kernel_that_stay_apart_keep_their_own_zeros(structure, form):
    form, rng = Form.parse(form), np.random.default_rng(0)
    for result in run_cases(IN_TIME, structure, resolve("cpu", 2), rng, lambda layer: form):
        assert form in forms_of(result.layer)
        assert result.error < TOLERANCE, result.layer


@pytest.mark.parametrize("outputs, depth", [(1, 1), (4, 1), (2, 1), (4, 2), (4, 4)])
def test_a_form_can_be_read_back(outputs, depth):
    for form in (Form(True, outputs, depth), Form(False, outputs, depth)):
        assert Form.parse(str(form)) == form
    assert str(Form(False, 4, 2)) == "dense F(2x4x4)"


def test_only_planes_of_a_clip_are_transformed_where_the_kernel_stays_in_one():
    cases = [
        Case((1, 4, 5, 8, 8), 4, kernel, padding=padding)
        for kernel, padding in (((1, 3, 3), (0, 1, 1)), ((3, 1, 1), (1, 0, 0)))
    ]
    _, layers = program_of(cases, Dense(), np.random.default_rng(0))
    space, time = ([str(form) for form in forms_of(layer)] for layer in layers)
    assert space == ["dense direct", "dense F(2x2)", "dense F(4x4)"]
    assert time == ["dense direct"]


def test_a_pruned_layer_may_run_dense():
    structure, rng = PatternConnectivity(group=8), np.random.default_rng(0)
    for outputs in (1, 2, 4):
        form = Form(False, outputs)
        (result,) = run_cases(CASES[:1], structure, resolve("cpu", 1), rng, lambda layer: form)
        assert result.error < TOLERANCE


@pytest.mark.parametrize("lanes, registers", [(4, 32), (8, 16)], ids=str)
def test_narrower_vectors_compute_the_same(lanes, registers):
    target = replace(resolve("cpu", 1), lanes=lanes, registers=registers)
    for result in run_cases(CASES, Dense(), target, np.random.default_rng(0), in_form(False, 4)):
        assert result.error < TOLERANCE, result.layer


@settings(max_examples=15, deadline=None)
@given(
    batch=st.integers(1, 2),
    channels=st.integers(1, 6),
    filters=st.integers(1, 12),
    size=st.tuples(st.integers(3, 40), st.integers(3, 80)),
    padding=st.tuples(*[st.integers(0, 2)] * 4),
    outputs=st.sampled_from([2, 4]),
)
def test_any_shape_equals_the_reference(batch, channels, filters, size, padding, outputs):
    case = Case((batch, channels, *size), filters, (3, 3), 1, padding, 1, ("bias", "relu"))
    form, rng = in_form(False, outputs), np.random.default_rng(0)
    (result,) = run_cases([case], Dense(), resolve("cpu", 1), rng, form)
    assert np.abs(result.y - result.truth).max() <= TOLERANCE * max(1, np.abs(result.truth).max())


WORK = Work(Domain(Transform(4, 3)), 4, 8, 5, 9, 2, (1, 23, 64))


@pytest.mark.parametrize("bands, segments, parts", list(product((1, 3, 12), (1, 2, 4), (1, 2))))
def test_every_cut_gives_the_same(bands, segments, parts):
    target, rng = resolve("cpu", 2), np.random.default_rng(0)
    _, lines, pixels = reach(WORK.domain)
    frame = Frame(WORK.batch, (1, 24, 65), lines * 65 + pixels)
    outputs = WORK.groups * WORK.filters
    cut = Cut(bands, segments, parts, 4 // parts // 2)
    kernel = Winograd(WORK, frame, (0, 1, 1), ("bias", "relu"), target.lanes, cut, outputs)
    rows = frame.guard + frame.row * np.arange(outputs, dtype=np.int32)
    arguments = [
        rng.standard_normal(frame.length(WORK.channels)).astype(np.float32),
        rng.standard_normal((kernel.rounds, 36, cut.groups, 5, 8)).astype(np.float32),
        rng.integers(0, WORK.channels, (kernel.rounds, cut.groups, 5)).astype(np.int32),
        rows.reshape(kernel.rounds, cut.groups, 8),
        rng.standard_normal((kernel.rounds, cut.groups, 8)).astype(np.float32),
    ]
    sch = s_tir.Schedule(winograd(kernel))
    find("winograd", target)(sch, Default(target))
    run = tvm.compile(sch.mod, target=tvm.target.Target(dict(target.tvm)))["main"]
    y = tvm.runtime.tensor(np.full(frame.length(outputs), np.nan, np.float32))
    run(*map(tvm.runtime.tensor, arguments), y)
    places, values = reference.truth(kernel, arguments)
    assert np.abs(y.numpy()[places] - values).max() < TOLERANCE * np.abs(values).max()
    assert places.size == outputs * WORK.batch * 23 * 64


@pytest.mark.parametrize("outputs, taps", [(2, 3), (4, 3), (2, 5), (3, 3), (3, 4)])
def test_a_transform_gives_the_sums_of_a_convolution(outputs, taps):
    tile, rng = Transform(outputs, taps), np.random.default_rng(0)
    x, f = rng.standard_normal(tile.points), rng.standard_normal(taps)
    y = tile.AT @ ((tile.G @ f) * (tile.BT @ x))
    np.testing.assert_allclose(y, [x[i : i + taps] @ f for i in range(outputs)], atol=1e-12)


def test_the_best_cut_has_work_for_every_core():
    for threads in (1, 2, 4):
        target = resolve("cpu", threads)
        work = Work(Domain(Transform(4, 3)), 64, 8, 512, 512, 1, (1, 14, 14))
        cut, _ = best_cut(work, target)
        assert cut.parts * -(-4 // cut.bands) >= threads
