"""The operator equals the reference, whatever the structure, the layer and the target."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from sparsetvm.sparsity import Dense, PatternConnectivity
from sparsetvm.targets import resolve
from tests.examples import example_structures, name_example
from tests.kernels.layers import Case, run_cases

TOLERANCE = 1e-5
"""float32 sums of a few hundred products, in another order than the reference's."""

CASES = [
    Case((1, 7, 5, 6), 9, (3, 3), padding=1, epilogue=("bias", "relu")),
    Case((2, 7, 9, 11), 10, (3, 3), padding=1, stride=2, epilogue=("bias", "add", "relu6")),
    Case((1, 16, 8, 8), 16, (3, 3), padding=2, dilation=2, epilogue=("bias", "silu")),
    Case((3, 5, 7, 4), 6, (3, 3), epilogue=("add",)),
    Case((1, 4, 12, 13), 8, (5, 5), padding=(0, 1, 2, 3), stride=(2, 1), epilogue=()),
    Case((2, 20, 7, 7), 24, (1, 1), epilogue=("bias", "hardswish")),
    Case((1, 12, 9, 9), 7, (1, 1), stride=2, epilogue=("bias", "sigmoid")),
    Case((2, 6, 21), 8, (3,), padding=1, stride=2, epilogue=("bias", "relu")),
    Case((1, 8, 40), 5, (5,), dilation=3, epilogue=("bias",)),
    Case((1, 5, 4, 6, 7), 8, (3, 3, 3), padding=1, epilogue=("bias", "add", "relu")),
    Case((2, 4, 5, 7, 6), 6, (3, 1, 2), stride=(1, 2, 2), padding=(1, 0, 1), epilogue=("bias",)),
    Case((1, 33), 17, epilogue=("bias", "relu")),
    Case((20, 19), 12, epilogue=("bias", "add", "relu")),
    Case((2, 3, 24), 16, epilogue=()),
]

STRUCTURES = [*example_structures((1, 8)), *example_structures((3,), (3,))]


@cache
def results(structure):
    return run_cases(CASES, structure, resolve("cpu", 1), np.random.default_rng(0))


@pytest.mark.parametrize("case", range(len(CASES)), ids=lambda i: str(CASES[i]))
@pytest.mark.parametrize("structure", STRUCTURES, ids=name_example)
def test_a_kernel_equals_the_reference(structure, case):
    assert results(structure)[case].error < TOLERANCE


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_threads_do_not_change_what_comes_out(threads):
    structure = PatternConnectivity(group=8)
    one = run_cases(CASES, structure, resolve("cpu", 1), np.random.default_rng(0))
    many = run_cases(CASES, structure, resolve("cpu", threads), np.random.default_rng(0))
    for a, b in zip(one, many, strict=True):
        np.testing.assert_array_equal(a.y, b.y)


@pytest.mark.parametrize("lanes, registers", [(4, 16), (4, 32), (8, 16)], ids=str)
@pytest.mark.parametrize("group", [1, 3, 8, 32])
def test_narrower_vectors_compute_the_same(lanes, registers, group):
    target = replace(resolve("cpu", 1), lanes=lanes, registers=registers)
    structure = PatternConnectivity(group=group)
    for result in run_cases(CASES, structure, target, np.random.default_rng(0)):
        assert result.error < TOLERANCE


@settings(max_examples=25, deadline=None)
@given(
    batch=st.integers(1, 3),
    channels=st.integers(1, 9),
    filters=st.integers(1, 20),
    size=st.tuples(st.integers(3, 20), st.integers(3, 20)),
    kernel=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    stride=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    padding=st.tuples(*[st.integers(0, 2)] * 4),
    group=st.integers(1, 8),
)
def test_any_shape_equals_the_reference(
    batch, channels, filters, size, kernel, stride, padding, group
):
    case = Case((batch, channels, *size), filters, kernel, stride, padding, 1, ("bias", "relu"))
    for structure in (Dense(), PatternConnectivity(group=group)):
        (result,) = run_cases([case], structure, resolve("cpu", 1), np.random.default_rng(0))
        assert np.abs(result.y - result.truth).max() <= TOLERANCE * max(
            1, np.abs(result.truth).max()
        )
