"""On GPUs too the operator equals the reference, whatever the structure and the layer: generated
sources, run on the CPU.

With SPARSETVM_ALL=1 every structure meets every layer on every target, else a few of them.
"""

import os

import numpy as np
import pytest
import torch
from torch import nn

from sparsetvm._tvm import s_tir
from sparsetvm.compiler import export
from sparsetvm.passes.form import choose
from sparsetvm.passes.pipeline import program_of, to_code
from sparsetvm.passes.schedule import KERNEL
from sparsetvm.schedules import find
from sparsetvm.schedules.pick import Sample
from sparsetvm.sparsity import PatternConnectivity
from sparsetvm.targets import resolve
from tests.examples import example_structures, name_example
from tests.gpu import nvrtc
from tests.gpu.emulated import emulate
from tests.gpu.generated import generate, run
from tests.gpu.pocl import on_pocl
from tests.kernels.layers import run_cases
from tests.kernels.test_gather_gemm import CASES, STRUCTURES, TOLERANCE
from tests.passes import nets

TARGETS = ["android-opencl", "android-opencl:mali", "cuda"]

if os.environ.get("SPARSETVM_ALL"):
    SAMPLES = [(one, target, CASES) for one in STRUCTURES for target in TARGETS]
    NETS = list(nets.SHAPES)
else:
    SAMPLES = [
        (one, TARGETS[i % 3], [CASES[i % 7], CASES[i % 7 + 7]])
        for i, one in enumerate(example_structures((8,)))
    ]
    NETS = [nets.Vgg, nets.ResNet, nets.MobileNet]


class Pools(nn.Module):
    """What lies between layers and is in none of the other nets."""

    def forward(self, x):
        x = torch.relu(self.conv(x))
        halves = nn.functional.max_pool2d(x, 3, 2, 1), nn.functional.avg_pool2d(x, 3, 2, 1)
        return 1 - torch.cat(halves, 1).flatten(1)

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 5, 3)


@pytest.fixture
def on_gpu(tmp_path, request):
    """The outputs of a program of kernels for a GPU, on what a test is parametrized with; NVIDIA's
    compiler takes what is for its GPUs."""
    device = getattr(request, "param", emulate)

    def outputs(code, target, arguments):
        generated = generate(code, target)
        if target.tvm["kind"] == "cuda" and nvrtc.is_here():
            assert nvrtc.compile_cuda(generated.source, target.chip)
        return run(generated, device(generated.source, tmp_path), arguments)

    return outputs


def check(cases, structure, target, on_gpu, **options):
    rng = np.random.default_rng(0)
    for result in run_cases(cases, structure, resolve(target), rng, run=on_gpu, **options):
        assert result.error < TOLERANCE, str(result.layer)


def test_nvidias_compiler_has_seen_the_sources_of_these_tests():
    if not nvrtc.is_here():
        pytest.skip("NVRTC is not installed; the wheels that pyproject.toml pins are for Linux")
    with pytest.raises(AssertionError, match="error"):
        nvrtc.compile_cuda("no kernel", "sm_80")


@pytest.mark.parametrize(
    "target, on_gpu",
    [*((target, emulate) for target in TARGETS), *((target, on_pocl) for target in TARGETS[:2])],
    indirect=["on_gpu"],
)
def test_every_kind_of_layer_equals_the_reference(target, on_gpu):
    check(CASES, PatternConnectivity(connectivity=2.5, group=8), target, on_gpu)


@pytest.mark.parametrize(
    "structure, target, cases", SAMPLES, ids=[f"{t}-{name_example(s)}" for s, t, _ in SAMPLES]
)
def test_every_structure_equals_the_reference(structure, target, cases, on_gpu):
    check(cases, structure, target, on_gpu)


@pytest.mark.parametrize("target", ["android-opencl", "cuda"])
def test_whatever_schedules_pick_computes_the_same(target, on_gpu, rng):
    drawn = []

    def trace_of(function):
        """All choices at random."""
        sch = s_tir.Schedule(function, seed=int(rng.integers(1, 1 << 31)))
        rule = find(str(function.attrs[KERNEL]), resolve(target))
        rule(sch, Sample(resolve(target), rng))
        drawn.append(sch.trace)
        return sch.trace, "drawn"

    check(CASES, PatternConnectivity(group=8), target, on_gpu, trace_of=trace_of)
    assert len({str(trace) for trace in drawn}) > len(drawn) / 2


@pytest.mark.parametrize("target", ["android-opencl", "cuda"])
@pytest.mark.parametrize("net", [*NETS, Pools], ids=lambda net: net.__name__)
def test_whole_nets_compute_what_torch_computes(net, target, on_gpu):
    target, module = resolve(target), nets.make(net)
    x = torch.randn(nets.SHAPES.get(net, (2, 3, 11, 9)))
    ir = export(module, x)
    forms = choose(ir.layers, ir.arrays, target, {}, winograd=False)
    code = to_code(program_of(ir), ir.layers, target, forms, lambda function: None)
    arguments = [x.numpy(), *(code.arrays[name] for name in code.parameters)]
    (found,) = on_gpu(code, target, arguments)
    expected = module(x).detach().numpy()
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5 * np.abs(expected).max())
