"""An ONNX model comes in with the names that its modules had, or one sentence says why not."""

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn
from torch.nn import functional as F

from sparsetvm.errors import FileError, ModelError
from sparsetvm.frontends import read
from sparsetvm.frontends.onnx import from_onnx
from tests.passes.machine import run, to_onnx


class Net(nn.Module):
    """Batch norm is folded by the exporter, which leaves onnx::Conv_7 for a name."""

    def __init__(self):
        super().__init__()
        self.layer1 = nn.Sequential(
            nn.Sequential(nn.Conv2d(3, 5, 3, stride=2, bias=False), nn.BatchNorm2d(5), nn.ReLU6())
        )
        self.head = nn.Linear(5, 4)

    def forward(self, image):
        x = self.layer1(F.pad(image, (0, 1, 0, 1)))
        return self.head(x.flatten(2).transpose(1, 2))


IMAGE = torch.linspace(-1, 1, 3 * 8 * 6).reshape(1, 3, 8, 6)


@pytest.fixture(scope="module")
def net():
    torch.manual_seed(0)
    return Net().eval()


@pytest.fixture(scope="module")
def proto(net):
    return to_onnx(net, IMAGE)


def test_layers_have_the_dotted_names_of_torch(proto):
    program = from_onnx(proto)
    assert set(program.parameters) == {
        "layer1.0.0.weight",
        "layer1.0.0.bias",
        "head.weight",
        "head.bias",
    }
    assert program.source == "ONNX model"


def test_it_computes_what_torch_computes(net, proto, tmp_path):
    onnx.save(proto, tmp_path / "net.onnx")
    program = read(tmp_path / "net.onnx")
    assert program.source == str(tmp_path / "net.onnx")
    np.testing.assert_allclose(
        run(program, IMAGE.numpy()), net(IMAGE).detach(), rtol=1e-5, atol=1e-6
    )


def test_clip_and_pad_are_operators_and_not_kernels(proto):
    program = from_onnx(proto)
    assert [name.name_hint for name in program.module.get_global_vars()] == ["main"]
    assert "R.nn.pad" in program.module.script()


def test_the_model_given_is_not_changed(proto):
    before = proto.SerializeToString()
    from_onnx(proto)
    assert proto.SerializeToString() == before


def test_nothing_is_printed_and_nothing_warned(proto, capsys, recwarn):
    from_onnx(proto)
    assert capsys.readouterr().out == ""
    assert not recwarn.list


def test_inputs_keep_names_that_relax_could_not_take():
    assert from_onnx(_one("Relu", (2, 3), name="input.1")).inputs == (
        ("input.1", (2, 3), "float32"),
    )


def test_shapes_fix_what_the_model_leaves_free():
    proto = _one("Relu", ("n", 3))
    with pytest.raises(ModelError, match=r"x has the free shape .*one fixed shape"):
        from_onnx(proto)
    assert from_onnx(proto, {"x": (2, 3)}).inputs == (("x", (2, 3), "float32"),)
    assert read(proto, torch.zeros(4, 3)).inputs == (("x", (4, 3), "float32"),)


def test_clip_of_old_models_has_its_bounds_as_attributes():
    program = from_onnx(_one("Clip", (2, 3), opset=9, min=-1.0, max=0.5))
    x = np.linspace(-2, 2, 6, dtype=np.float32).reshape(2, 3)
    np.testing.assert_array_equal(run(program, x), np.clip(x, -1, 0.5))


def test_a_constant_computed_in_the_graph_is_computed_once():
    weight = numpy_helper.from_array(np.arange(6, dtype=np.float32).reshape(2, 3), "w")
    nodes = [
        helper.make_node("Transpose", ["w"], ["turned"], perm=[1, 0]),
        helper.make_node("MatMul", ["x", "turned"], ["y"], name="/head/MatMul"),
    ]
    program = from_onnx(_model(nodes, (1, 3), (1, 2), [weight]))
    assert program.parameters == ("head.weight",)
    np.testing.assert_array_equal(program.arrays["head.weight"], [[0, 3], [1, 4], [2, 5]])


def test_an_initializer_that_no_layer_reads_keeps_its_name():
    shift = numpy_helper.from_array(np.ones(3, np.float32), "my_shift")
    node = helper.make_node("Add", ["x", "my_shift"], ["y"])
    assert from_onnx(_model([node], (2, 3), (2, 3), [shift])).parameters == ("my_shift",)


@pytest.mark.parametrize(
    "content", [b"", b"no model at all", b"\x08"], ids=["empty", "text", "byte"]
)
def test_a_file_that_is_no_model_is_refused(content, tmp_path):
    path = tmp_path / "net.onnx"
    path.write_bytes(content)
    with pytest.raises(ModelError, match=r"net.onnx: not an ONNX model.*export it again"):
        from_onnx(path)


def test_a_file_that_is_cut_short_anywhere_is_refused(proto, tmp_path):
    whole = proto.SerializeToString()
    path = tmp_path / "net.onnx"
    for length in range(1, len(whole), len(whole) // 23):
        path.write_bytes(whole[:length])
        with pytest.raises(ModelError, match="truncated"):
            from_onnx(path)


def test_a_file_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(FileError, match=r"No such file.*give the path"):
        from_onnx(tmp_path / "none.onnx")


def test_an_operator_that_relax_lacks_is_named():
    with pytest.raises(
        ModelError, match="cannot import the operator Riddle; export the net without"
    ):
        from_onnx(_one("Riddle", (2, 3), domain="mine"))


def test_what_relax_refuses_to_convert_is_said_and_not_printed(capsys):
    pads = helper.make_tensor_value_info("pads", TensorProto.INT64, [4])
    node = helper.make_node("Pad", ["x", "pads"], ["y"])
    proto = _model([node], (2, 3), (None, None))
    proto.graph.input.append(pads)
    with pytest.raises(ModelError, match=r"Relax cannot import its Pad \(Dynamic pads.*simplify"):
        from_onnx(proto)
    assert capsys.readouterr().out == ""


def _one(operator, shape, name="x", opset=13, domain="", **attributes):
    """A model of one node."""
    node = helper.make_node(operator, [name], ["y"], domain=domain, **attributes)
    return _model([node], shape, shape, name=name, opset=opset, domain=domain)


def _model(nodes, shape, out, initializers=(), name="x", opset=13, domain=""):
    x, y = (
        helper.make_tensor_value_info(n, TensorProto.FLOAT, s)
        for n, s in ((name, shape), ("y", out))
    )
    graph = helper.make_graph(nodes, "net", [x], [y], initializers)
    opsets = [helper.make_opsetid("", opset)] + ([helper.make_opsetid(domain, 1)] if domain else [])
    return helper.make_model(graph, opset_imports=opsets)
