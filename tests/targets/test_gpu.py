"""Targets with a GPU: what is said of them, what is refused, and what an artifact holds."""

import pytest
import torch

import sparsetvm as st
from sparsetvm.bench.gpu import NOT_MEASURED, gpu_table
from sparsetvm.bench.nets import net
from sparsetvm.errors import TargetError
from sparsetvm.targets import resolve, survey
from sparsetvm.targets.cuda import NO_GPU, OLDEST

LAYER = "conv:7x9x3x6"
AARCH64 = 183
"""The machine of an ELF file, at byte 18."""


@pytest.fixture
def no_gpu():
    if resolve("cuda").open_device().exist:
        pytest.skip("there is a GPU here")


def compiled(target):
    layer = net(LAYER)
    return st.compile(layer.module, layer.example_inputs, target=target)


def test_lanes_are_threads_and_a_thread_takes_one_number_at_once():
    assert (resolve("cuda").lanes, resolve("cuda").vector) == (32, 1)
    assert resolve("cpu").vector == resolve("cpu").lanes


def test_records_are_kept_by_architecture_or_kind():
    assert resolve("cuda:sm_90").device == "cuda sm_90"
    assert resolve("android-opencl:mali").device == "android-opencl mali"


def test_the_survey_lists_them_and_says_that_cuda_wants_a_gpu(no_gpu):
    found = {one.name: (one.chip, one.missing) for one in survey()}
    assert found["android-opencl"] == ("adreno", None)
    assert found["cuda"] == (OLDEST, NO_GPU)


@pytest.mark.parametrize(
    "name, message",
    [
        ("cuda:ampere", r"'ampere' is no GPU's architecture\n  cuda:sm_80 is one"),
        ("android-opencl:apple", r"made for adreno or mali; got 'apple'\n"),
    ],
)
def test_an_unknown_gpu_is_refused(name, message):
    with pytest.raises(TargetError, match=message):
        resolve(name)


def test_recurrent_layers_are_refused():
    gru = torch.nn.GRU(5, 7)
    with pytest.raises(
        TargetError, match=r"weight_hh_l0: recurrent layers do not run on cuda yet\n"
    ):
        st.compile(torch.nn.Sequential(gru), torch.randn(3, 1, 5), target="cuda")


def test_an_artifact_for_a_phone_is_for_its_cpu_and_holds_opencl():
    artifact = compiled("android-opencl")
    assert artifact.manifest.device == "opencl"
    assert artifact.library[18] == AARCH64
    assert b"__kernel void gather_gemm" in artifact.library


def test_without_a_gpu_an_artifact_for_one_is_not_loaded(no_gpu):
    with pytest.raises(TargetError, match=r"compiled for cuda; TVM finds no such GPU here\n"):
        st.load(compiled("cuda"))


def test_without_a_gpu_the_table_of_layers_says_not_measured(no_gpu):
    table = gpu_table(LAYER, "pattern8x-b8")
    assert table.missing == "no GPU"
    head, layer = str(table).splitlines()[-2:]
    assert head.startswith("layer") and "cuDNN fp16" in head
    assert layer.count(NOT_MEASURED) == 5
