"""The hand-off file: what is in it, that numpy alone reads it, and what cannot be exported."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
import tvm
from graphs import conv, from_torch, module_of
from torch import nn
from tvm import relay

import sparsetvm as st
from sparsetvm.errors import ModelError
from sparsetvm.ir.neutral import Graph
from sparsetvm.passes import relay as sparse
from sparsetvm.passes.relay.export import export

ROOT = Path(__file__).resolve().parents[1]
PLAN = st.Plan.uniform("connectivity", connectivity=2, group=4)


@pytest.fixture(scope="module")
def small():
    """(pruned torch net, its Relay module, params)."""
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Conv2d(6, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU6(), nn.AvgPool2d(2),
        nn.Conv2d(8, 8, 3, groups=8), nn.Hardswish(), nn.AdaptiveAvgPool2d(1),
        nn.Flatten(), nn.Linear(8, 12),
    ).eval()  # fmt: skip
    net = st.prune(net, PLAN)
    return net, *from_torch(net, torch.randn(1, 6, 10, 14))


def test_the_file_holds_the_layers_by_name(small, tmp_path):
    _, module, params = small
    export(module, params, PLAN, "small").save(tmp_path / "net.lir")
    ir = st.load_ir(tmp_path / "net.lir")
    assert [(layer.name, layer.kind) for layer in ir.layers] == [
        ("0", "conv2d"), ("4", "depthwise2d"), ("8", "linear"),
    ]  # fmt: skip
    assert ir.layers[0].structure.connectivity == 2
    assert {"0.weight", "0.bias", "4.weight", "8.weight", "8.bias"} <= set(ir.arrays)
    assert ir.inputs == (("x", (1, 6, 10, 14), "float32"),)
    operators = [node.op for node in Graph.from_json(ir.graph).nodes]
    assert operators[:5] == ["conv", "add", "add", "clip", "avg_pool"]


def test_numpy_alone_reads_the_file(small, tmp_path):
    _, module, params = small
    export(module, params).save(tmp_path / "net.lir")
    code = (
        "import sys\n"
        "for name in ('tvm', 'torch', 'onnx', 'xgboost'): sys.modules[name] = None\n"
        "import sparsetvm as st\n"
        "from sparsetvm.ir.neutral import Graph\n"
        "ir = st.load_ir(sys.argv[1])\n"
        "print(len(ir.layers), len(Graph.from_json(ir.graph).nodes) > 5, 'connectivity' in str(ir))"
    )
    command = [sys.executable, "-c", code, tmp_path / "net.lir"]
    said = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert said.stdout == "3 True True\n"


def test_a_module_that_is_marked_already_keeps_its_marks(small):
    _, module, params = small
    marked = sparse.MarkSparsity(PLAN)(sparse.Canonicalise(params)(module))
    assert export(marked).layers == export(module, params, PLAN).layers


def test_nets_come_from_onnx_too(small, tmp_path):
    """torch's ONNX files of old, which name weights as torch does."""
    w = np.zeros((8, 6, 3, 3), np.float32)
    w[:4, ::2], w[4:, 1::2] = 1, 2
    node = onnx.helper.make_node("Conv", ["x", "stem.weight"], ["y"], "stem", pads=[1] * 4)
    value = onnx.helper.make_tensor_value_info
    graph = onnx.helper.make_graph(
        [node], "net",
        [value("x", 1, (1, 6, 5, 7))], [value("y", 1, (1, 8, 5, 7))],
        [onnx.numpy_helper.from_array(w, "stem.weight")],
    )  # fmt: skip
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 13)])
    with onnx_mapping():
        module, params = relay.frontend.from_onnx(model, {"x": (1, 6, 5, 7)}, freeze_params=False)
    (layer,) = export(module, params).layers
    assert (layer.name, layer.structure.connectivity) == ("stem", 2)


def test_an_unknown_operator_is_an_error(rng):
    x = relay.var("x", shape=(1, 6, 5, 7))
    with pytest.raises(ModelError, match=r"the neutral graph has no erf; replace it"):
        export(module_of(x, body=relay.erf(x)))


def test_a_dynamic_input_is_an_error():
    x = relay.var("x", shape=(relay.Any(), 6))
    with pytest.raises(ModelError, match=r"x has the dynamic shape .*; import the net for inputs"):
        export(module_of(x, body=relay.nn.relu(x)))


def test_another_layout_is_an_error(rng):
    x = relay.var("x", shape=(1, 5, 7, 6))
    w = rng.standard_normal((3, 3, 6, 8)).astype("float32")
    y = conv(x, w, "stem", kernel_size=(3, 3), channels=8, data_layout="NHWC",
             kernel_layout="HWIO")  # fmt: skip
    with pytest.raises(ModelError, match=r"stem cannot be exported: its layout is NHWC, HWIO"):
        export(module_of(x, body=y))


def test_packed_weights_do_not_go_back(small):
    _, module, params = small
    with pytest.raises(ModelError, match="export it before LowerSparsity"):
        export(sparse.pipeline(PLAN, params)(module))


@pytest.mark.parametrize(
    ("write", "options", "message"),
    [
        (lambda path: None, [], "cannot read"),
        (lambda path: path.write_text("{}"), [], "is no Relay module of TVM 0.19"),
        (lambda path: path.write_text(_erf()), [], "the neutral graph has no erf"),
        (lambda path: path.write_text(_erf()), ["--plan", "none.toml"], "no plan file none.toml"),
        (lambda path: path.write_text(_erf()), ["--params", "no.params"], "cannot read no.params"),
    ],
)
def test_the_command_says_what_is_wrong_and_writes_nothing(write, options, message, tmp_path):
    write(tmp_path / "net.json")
    command = [sys.executable, "-m", "sparsetvm.passes.relay", "export", "net.json"]
    said = subprocess.run(
        [*command, "-o", "net.lir", *options],
        cwd=tmp_path, env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert said.returncode == 1
    assert message in said.stderr
    assert "Traceback" not in said.stderr
    assert not (tmp_path / "net.lir").exists()


def _erf() -> str:
    x = relay.var("x", shape=(1, 6))
    return tvm.ir.save_json(module_of(x, body=relay.erf(x)))


class onnx_mapping:
    """TVM 0.19 asks for a module that newer onnx has no more."""

    def __enter__(self):
        import types

        module = types.ModuleType("onnx.mapping")
        dtype = onnx.helper.tensor_dtype_to_np_dtype
        known = {k: dtype(k) for k in onnx.TensorProto.DataType.values() if 0 < k < 14}
        module.TENSOR_TYPE_TO_NP_TYPE = known
        module.NP_TYPE_TO_TENSOR_TYPE = {v: k for k, v in known.items()}
        sys.modules["onnx.mapping"] = onnx.mapping = module

    def __exit__(self, *_):
        del sys.modules["onnx.mapping"], onnx.mapping
