"""ONNX's GRU and LSTM come in as torch's do, or one sentence says what stands in the way."""

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from onnxruntime import InferenceSession
from torch import nn

from sparsetvm._tvm import relax, tvm
from sparsetvm.errors import ModelError
from sparsetvm.frontends.onnx import from_onnx
from tests.passes.machine import to_onnx

STEPS, BATCH, FEATURES, HIDDEN = 4, 2, 3, 5
GATES = {"GRU": 3, "LSTM": 4}


class Both(nn.Module):
    """The outputs and the last states of a recurrent module, which is called `rnn`."""

    def __init__(self, rnn):
        super().__init__()
        self.rnn = rnn

    def forward(self, x):
        y, states = self.rnn(x)
        return (y, *states) if isinstance(states, tuple) else (y, states)


@pytest.mark.parametrize(
    "rnn",
    [
        nn.GRU(FEATURES, HIDDEN, 2, bidirectional=True, batch_first=True),
        nn.LSTM(FEATURES, HIDDEN, 2),
    ],
    ids=["gru", "lstm"],
)
def test_it_computes_what_torch_does_and_its_weights_are_torchs(rnn):
    module, x = Both(rnn).eval(), torch.randn(STEPS, BATCH, FEATURES)
    program = from_onnx(to_onnx(module, x))
    with torch.inference_mode():
        expected = module(x)
    for y, wanted in zip(_run(program, x.numpy()), expected, strict=True):
        np.testing.assert_allclose(y, wanted, rtol=1e-5, atol=1e-6)
    for name, weight in module.named_parameters():
        np.testing.assert_array_equal(program.arrays[name], weight.detach())


@pytest.mark.parametrize("op", GATES)
@pytest.mark.parametrize("direction", ["forward", "reverse", "bidirectional"])
def test_directions_and_first_states_are_onnxs(op, direction):
    proto = _model(op, direction=direction, states=True)
    inputs = {
        entry.name: np.random.default_rng(1)
        .standard_normal([size.dim_value for size in entry.type.tensor_type.shape.dim])
        .astype(np.float32)
        for entry in proto.graph.input
    }
    expected = InferenceSession(proto.SerializeToString()).run(None, inputs)
    for y, wanted in zip(_run(from_onnx(proto), *inputs.values()), expected, strict=True):
        np.testing.assert_allclose(y, wanted, rtol=1e-5, atol=1e-6)


def test_lengths_that_are_all_the_whole_sequence_are_none():
    whole = np.full(BATCH, STEPS, np.int32)
    assert from_onnx(_model("GRU", lengths=whole)).parameters == (
        "gru.weight_ih_l0",
        "gru.bias_ih_l0",
        "gru.weight_hh_l0",
        "gru.bias_hh_l0",
    )


@pytest.mark.parametrize(
    ("op", "options", "reason"),
    [
        ("GRU", {"linear_before_reset": 0}, "linear_before_reset = 0"),
        ("GRU", {"activations": ["Sigmoid", "Relu"]}, "activations = Sigmoid, Relu"),
        ("LSTM", {"clip": 3.0}, "clip"),
        ("LSTM", {"input_forget": 1}, "input_forget = 1"),
        ("LSTM", {"layout": 1}, "layout = 1, the batch first"),
        ("LSTM", {"lengths": np.array([4, 3], np.int32)}, "sequence_lens"),
        ("LSTM", {"peepholes": True}, "P, peepholes"),
    ],
)
def test_what_is_not_supported_is_said_in_one_sentence(op, options, reason):
    with pytest.raises(ModelError, match=rf"a node is {op} with {reason}.*; export the net"):
        from_onnx(_model(op, **options))


def test_a_weight_computed_at_run_time_is_refused():
    proto = _model("GRU")
    weight = next(tensor for tensor in proto.graph.initializer if tensor.name == "W")
    proto.graph.initializer.remove(weight)
    proto.graph.input.append(
        helper.make_tensor_value_info("W", TensorProto.FLOAT, list(weight.dims))
    )
    with pytest.raises(ModelError, match="a node is GRU with W computed at run time"):
        from_onnx(proto)


def _run(program, *inputs):
    module = relax.transform.BindParams("main", program.arrays)(program.module)
    quick = tvm.target.Target({"kind": "llvm", "opt-level": 0})
    machine = relax.VirtualMachine(tvm.compile(module, quick), tvm.cpu())
    return [y.numpy() for y in machine["main"](*(tvm.runtime.tensor(x) for x in inputs))]


def _model(op, states=False, lengths=None, peepholes=False, direction="forward", **attributes):
    """One recurrent node with random weights; all its outputs are the model's."""
    rng = np.random.default_rng(0)
    ways, rows = 2 if direction == "bidirectional" else 1, GATES[op] * HIDDEN
    arrays = {
        "W": rng.standard_normal((ways, rows, FEATURES)),
        "R": rng.standard_normal((ways, rows, HIDDEN)),
        "B": rng.standard_normal((ways, 2 * rows)),
    }
    state = (ways, BATCH, HIDDEN)
    names = ["h"] if op == "GRU" else ["h", "c"]
    if peepholes:
        arrays["P"] = rng.standard_normal((ways, 3 * HIDDEN))
    arrays = {name: array.astype(np.float32) for name, array in arrays.items()}
    if lengths is not None:
        arrays["lengths"] = lengths
    given = [*(names if states else [""] * len(names)), *(["P"] if peepholes else [])]
    node = helper.make_node(
        op,
        ["x", "W", "R", "B", "lengths" if lengths is not None else "", *given],
        ["y", *(f"last_{name}" for name in names)],
        hidden_size=HIDDEN,
        direction=direction,
        **({"linear_before_reset": 1} | attributes if op == "GRU" else attributes),
    )

    def value(name, shape):
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)

    graph = helper.make_graph(
        [node],
        "net",
        [value("x", (STEPS, BATCH, FEATURES)), *(value(n, state) for n in names if states)],
        [value("y", (STEPS, ways, BATCH, HIDDEN)), *(value(f"last_{n}", state) for n in names)],
        [numpy_helper.from_array(array, name) for name, array in arrays.items()],
    )
    return onnx.helper.make_model(graph, opset_imports=[helper.make_opsetid("", 14)], ir_version=10)
