"""Whole nets traced from torch, through Relay, by both ways: outputs equal torch's."""

import json
import subprocess
import sys
from pathlib import Path

import nets
import numpy as np
import pytest
import torch
import tvm
from graphs import build, from_torch, relative_error, run
from tvm import relay

import sparsetvm as st
from sparsetvm.bench.nets.initialise import initialise
from sparsetvm.bench.nets.mobilenet import MobileNetV2
from sparsetvm.passes import relay as sparse

ROOT = Path(__file__).resolve().parents[1]
MAIN = ROOT / ".venv" / "bin" / "python"
SIZE = 64
TOLERANCE = 1e-3  # max |difference| / max |y|; float32 sums in another order differ by 1e-6


def mobilenet_v2() -> torch.nn.Module:
    return initialise(MobileNetV2(), nets.image(SIZE))


NETS = {
    "vgg11_bn": (lambda: nets.vgg11_bn(SIZE), "pattern8x-b8"),
    "resnet18": (lambda: nets.resnet18(SIZE), "connectivity3.6x-b8"),
    "mobilenet_v2": (mobilenet_v2, "block4x1-70"),
}


@pytest.fixture(scope="module", params=NETS)
def net(request):
    """(name, plan, module, params, x, torch's y) of a pruned net."""
    make, plan = NETS[request.param]
    model = st.prune(make(), st.Plan.load(plan))
    x = nets.image(SIZE)
    with torch.no_grad():
        y = model(x).numpy()
    return request.param, plan, *from_torch(model, x), x.numpy(), y


def test_way_a_inside_tvm_0_19(net):
    _, plan, module, params, x, y = net
    lowered = sparse.pipeline(st.Plan.load(plan), params)(module)
    assert "sparsetvm.gather_gemm" in lowered["main"].astext(show_meta_data=False)
    assert relative_error(run(build(lowered), x), y) < TOLERANCE


RUN = """
import sys, numpy as np, sparsetvm as st
lir, x, y = sys.argv[1:]
engine = st.load(st.compile(st.load_ir(lir), threads=1))
np.save(y, engine(np.load(x)))
"""


@pytest.mark.skipif(not MAIN.exists(), reason="python3 make.py test makes the main environment")
def test_way_b_by_hand_off_to_the_main_environment(net, tmp_path):
    name, plan, module, params, x, y = net
    (tmp_path / "net.json").write_text(tvm.ir.save_json(module))
    (tmp_path / "net.params").write_bytes(relay.save_param_dict(params))
    np.save(tmp_path / "x.npy", x)
    command = [sys.executable, "-m", "sparsetvm.passes.relay", "export", "net.json"]
    command += ["--params", "net.params", "--plan", plan, "-o", "net.lir"]
    environment = {"PYTHONPATH": str(ROOT), "HOME": str(tmp_path), "PATH": "/usr/bin:/bin"}
    said = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert said.returncode == 0, said.stderr
    assert json.loads(said.stdout)["sparse"] == {"vgg11_bn": 7, "resnet18": 19}.get(name, 34)
    command = [str(MAIN), "-c", RUN, "net.lir", "x.npy", "y.npy"]
    said = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert said.returncode == 0, said.stderr
    assert relative_error(np.load(tmp_path / "y.npy"), y) < TOLERANCE
