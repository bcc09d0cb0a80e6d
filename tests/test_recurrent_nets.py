"""Recurrent nets, pruned, compiled and run: what comes out is what torch gives with the same
zeros."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils._pytree import tree_leaves

import sparsetvm as st
from sparsetvm.errors import InputError, ModelError
from sparsetvm.ir.prune import prune

TOLERANCE = 1e-4
"""Of the largest value of each output."""

PLAN = st.Plan.from_dict(
    {
        "layers": [
            {"type": "linear", "match": "*weight_*", "structure": "bcr", "rows": 8, "columns": 8}
        ]
    }
)


class Whole(nn.Module):
    def __init__(self, rnn):
        super().__init__()
        self.rnn = rnn

    def forward(self, *inputs):
        return self.rnn(*inputs)


def pruned(module, inputs, plan=PLAN):
    """The LayerIR of a module, whose own weights get the same zeros."""
    ir = prune(st.export(module, inputs), plan)
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            if "weight" in name:
                parameter.copy_(torch.from_numpy(ir.arrays[name]))
    return ir


def assert_equal(found, wanted):
    for a, b in zip(tree_leaves(found), tree_leaves(wanted), strict=True):
        assert float((a - b).abs().max()) <= TOLERANCE * float(b.abs().max())


NETS = {
    "gru": (nn.GRU(11, 24, 2), [(5, 3, 11)]),
    "gru, both ways, batch first": (
        nn.GRU(9, 16, 2, bidirectional=True, batch_first=True),
        [(2, 4, 9)],
    ),
    "lstm without biases": (nn.LSTM(8, 16, bias=False), [(4, 1, 8)]),
    "lstm, both ways": (nn.LSTM(8, 24, bidirectional=True), [(3, 2, 8)]),
    "lstm without a batch": (nn.LSTM(8, 16), [(6, 8)]),
    "gru with a state": (nn.GRU(8, 16, 2), [(3, 2, 8), (2, 2, 16)]),
    "gru cell": (nn.GRUCell(8, 16), [(3, 8), (3, 16)]),
    "lstm cell": (nn.LSTMCell(8, 16), [(3, 8)]),
}


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("name", NETS)
def test_a_pruned_recurrent_net_and_its_states_equal_torch(name, threads):
    rnn, shapes = NETS[name]
    net = Whole(rnn).eval()
    inputs = tuple(torch.randn(shape) for shape in shapes)
    ir = pruned(net, inputs)
    assert all(layer.rate >= 4 for layer in ir.layers)

    engine = st.load(st.compile(ir, threads=threads))

    with torch.no_grad():
        assert_equal(engine(list(inputs) if len(inputs) > 1 else inputs[0]), net(*inputs))


def test_a_stream_of_single_steps_gives_what_the_whole_sequence_gives():
    net = Whole(nn.LSTM(8, 16, 2)).eval()
    x, state = torch.randn(7, 1, 8), (torch.zeros(2, 1, 16), torch.zeros(2, 1, 16))
    whole, last = net(x, state)

    engine = st.load(st.compile(net, (x[:1], state)))
    steps = []
    for one in x:
        y, *state = engine([one[None], *state])
        steps.append(y)

    assert_equal((torch.cat(steps), *state), (whole.detach(), *(one.detach() for one in last)))


def test_layers_are_called_as_torch_calls_their_weights_and_linear_rules_fit_them():
    net = Whole(nn.GRU(8, 16, bidirectional=True))
    ir = st.export(net, torch.randn(3, 1, 8))
    kinds = {layer.name: (layer.kind, layer.reverse) for layer in ir.layers}
    assert kinds == {
        "rnn.weight_ih_l0": ("linear", False),
        "rnn.weight_hh_l0": ("gru", False),
        "rnn.weight_ih_l0_reverse": ("linear", False),
        "rnn.weight_hh_l0_reverse": ("gru", True),
    }
    text = str(ir)
    assert "rnn.weight_hh_l0_reverse: gru    [3,1,48] -> [3,1,16]  backwards   then bias" in text


def test_a_saved_recurrent_net_is_the_same_net(tmp_path):
    net = Whole(nn.LSTM(8, 16, bidirectional=True)).eval()
    x = torch.randn(3, 2, 8)
    pruned(net, x).save(tmp_path / "net.lir")
    st.compile(st.load_ir(tmp_path / "net.lir")).save(tmp_path / "net.stvm")
    with torch.no_grad():
        assert_equal(st.load(tmp_path / "net.stvm")(x), net(x))


def test_bcr10x_prunes_recurrent_layers_ten_times():
    net = Whole(nn.GRU(1024, 1024, 1))
    ir = prune(st.export(net, torch.randn(2, 1, 1024)), st.Plan.named("bcr10x"))
    assert [round(layer.rate, 1) for layer in ir.layers] == [10.7, 10.7]


def test_another_sequence_length_is_refused_in_one_sentence():
    engine = st.load(st.compile(Whole(nn.GRU(8, 16)), torch.randn(3, 1, 8)))
    with pytest.raises(
        InputError, match=r"is \[4, 1, 8\]; the engine was compiled for \[3, 1, 8\]"
    ):
        engine(torch.randn(4, 1, 8))


def test_an_lstm_that_projects_its_state_is_refused_by_name():
    with pytest.raises(ModelError, match=r"lstm with a projection of its state \(proj_size\)"):
        st.export(Whole(nn.LSTM(8, 16, proj_size=4)), torch.randn(3, 1, 8))


class Scaled(nn.Module):
    """Its weight is another at each run."""

    def __init__(self):
        super().__init__()
        self.cell = nn.GRUCell(6, 8)

    def forward(self, x, scale):
        weight = self.cell.weight_hh * scale
        h = torch.zeros(len(x), 8)
        biases = self.cell.bias_ih, self.cell.bias_hh
        return torch.gru_cell(x, h + 1, self.cell.weight_ih, weight, *biases)


def test_a_weight_that_is_computed_at_run_time_runs_as_plain_loops_and_is_reported():
    net, inputs = Scaled().eval(), (torch.randn(2, 6), torch.tensor([2.0]))
    ir = st.export(net, inputs)
    assert [(op.op, op.reason) for op in ir.dense_ops] == [("gru", "weight computed at run time")]
    with torch.no_grad():
        assert_equal(st.load(st.compile(ir))(list(inputs)), net(*inputs))


def test_every_operation_of_a_recurrence_is_counted():
    artifact = st.compile(Whole(nn.LSTM(8, 16)), torch.randn(5, 3, 8))
    operations = {layer.name: layer.operations for layer in artifact.manifest.layers}
    assert operations == {
        "rnn.weight_ih_l0": 2 * 5 * 3 * 64 * 8,
        "rnn.weight_hh_l0": 2 * 5 * 3 * 64 * 16,
    }
    assert np.isfinite(sum(layer.work for layer in artifact.manifest.layers))
