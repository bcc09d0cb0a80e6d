"""A recurrent module unrolls into what its matrices read, and its weights are fitted to that."""

import pytest
import torch
from torch import nn

from sparsetvm.prune import prune_with_report, refit
from sparsetvm.prune.unroll import directions
from sparsetvm.sparsity import Plan

FEATURES, HIDDEN = 7, 8
BLOCKS = Plan.from_dict({"default": {"structure": "block", "filters": 4, "rate": 2.0}})


class Tagger(nn.Module):
    """Every step of a sequence gets three numbers, by all that came before and after it."""

    def __init__(self, kind):
        super().__init__()
        self.rnn = kind(FEATURES, HIDDEN, 2, bidirectional=True, batch_first=True)
        self.head = nn.Linear(2 * HIDDEN, 3)

    def forward(self, x):
        return self.head(self.rnn(x)[0])


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


@pytest.mark.parametrize(
    ("module", "shape"),
    [
        (nn.GRU(FEATURES, HIDDEN, 2, bidirectional=True, batch_first=True), (3, 4, FEATURES)),
        (nn.LSTM(FEATURES, HIDDEN, 2, bias=False), (4, 3, FEATURES)),
        (nn.GRU(FEATURES, HIDDEN), (4, FEATURES)),
    ],
    ids=["batch-first, both ways", "no bias", "one sequence"],
)
@torch.no_grad()
def test_directions_give_what_the_module_gives(module, shape):
    x = torch.randn(shape)
    found = list(directions(module, x))
    assert len(found) == module.num_layers * (2 if module.bidirectional else 1)
    last = [one.outputs() for one in found[-2 if module.bidirectional else -1 :]]
    y = torch.cat([last[0], *(one.flip(0) for one in last[1:])], dim=-1)
    y = y.transpose(0, 1) if module.batch_first else y
    torch.testing.assert_close(y.reshape(*shape[:-1], -1), module(x)[0])


def test_a_state_that_is_given_is_the_first_one():
    lstm, x = nn.LSTM(FEATURES, HIDDEN), torch.randn(4, 3, FEATURES)
    h, c = torch.randn(1, 3, HIDDEN), torch.randn(1, 3, HIDDEN)
    (direction,) = directions(lstm, x, (h, c))
    torch.testing.assert_close(direction.last_states()[:1], h)
    torch.testing.assert_close(direction.outputs(), lstm(x, (h, c))[0])


@pytest.mark.parametrize("kind", [nn.GRU, nn.LSTM])
@torch.no_grad()
def test_refitting_comes_nearer_and_keeps_the_zeros(kind):
    dense, samples, others = Tagger(kind).eval(), *torch.randn(2, 60, 9, FEATURES)
    by_magnitude, _ = prune_with_report(dense, BLOCKS)
    fitted, report = prune_with_report(dense, BLOCKS, samples)
    wanted = dense(others)
    errors = [float((net(others) - wanted).square().mean()) for net in (by_magnitude, fitted)]
    assert errors[1] < 0.5 * errors[0]
    again = refit(dense, by_magnitude, samples)
    for name, weight in again.named_parameters():
        assert torch.equal(weight == 0, by_magnitude.get_parameter(name) == 0)
    assert float((again(others) - wanted).square().mean()) < errors[0]
    recurrent = [layer for layer in report.layers if layer.name.startswith("rnn.weight_")]
    assert len(recurrent) == 8
    assert all(0 <= layer.error < 0.9 for layer in recurrent)
