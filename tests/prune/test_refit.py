"""Refitting: what stays gives the dense outputs better, and the zeros stay where they are."""

import numpy as np
import pytest
import torch
from torch import nn

from sparsetvm.errors import InputError, ModelError
from sparsetvm.prune import prune, prune_with_report, refit
from sparsetvm.prune.selection import select
from sparsetvm.prune.statistics import input_rows, output_rows, summarise
from sparsetvm.sparsity import Plan
from sparsetvm.sparsity.connectivity import Connectivity

PLAN = Plan.uniform("pattern+connectivity", connectivity=1.5, group=2)


def make_net() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.Conv2d(8, 7, 3, stride=2, bias=False),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(3),
        nn.Flatten(),
        nn.Linear(63, 5),
    )


def photographs(count: int = 6, height: int = 11, width: int = 13) -> torch.Tensor:
    """Smooth random pictures, whose neighbouring pixels are alike."""
    noise = torch.randn(count, 3, height, width, generator=torch.Generator().manual_seed(1))
    return nn.functional.avg_pool2d(noise, 3, 1, 1)


def output_error(dense: nn.Module, sparse: nn.Module, x: torch.Tensor) -> float:
    with torch.no_grad():
        wanted, given = dense.eval()(x), sparse.eval()(x)
    return float((wanted - given).square().sum() / wanted.var(0).sum())


@pytest.mark.parametrize("structure", ["pattern", "connectivity", "nm", "block"])
def test_refitting_comes_nearer_and_keeps_the_zeros(structure):
    net, x = make_net(), photographs()
    pruned = prune(net, Plan.uniform(structure))
    fitted = refit(net, pruned, x)
    assert output_error(net, fitted, x) < 0.5 * output_error(net, pruned, x)
    for (name, before), (_, after) in zip(
        pruned.state_dict().items(), fitted.state_dict().items(), strict=True
    ):
        assert not after[before == 0].any() or "weight" not in name, name


def test_zeros_chosen_by_what_they_cost_beat_magnitude():
    net, x = make_net(), photographs()
    by_magnitude = refit(net, prune(net, PLAN), x)
    by_cost, report = prune_with_report(net, PLAN, refit_on=x)
    assert output_error(net, by_cost, x) < output_error(net, by_magnitude, x)
    for layer in report.layers:
        layer.structure.check(by_cost.get_submodule(layer.name).weight.detach().numpy())
        assert 0 <= layer.error < 1


def test_a_net_without_zeros_stays_as_it_is():
    net, x = make_net(), photographs()
    fitted = refit(net, net, x)
    for before, after in zip(net.parameters(), fitted.parameters(), strict=True):
        assert torch.equal(before, after)


def test_one_seed_gives_one_result():
    net, x = make_net(), photographs(2, 41, 43)  # more positions than are drawn
    first, again, other = (
        prune_with_report(net, PLAN, x, seed)[0].state_dict()["0.weight"] for seed in (0, 0, 1)
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_the_callers_nets_keep_mode_and_weights():
    net = make_net().train()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    pruned = prune(net, PLAN, refit_on=photographs())
    assert all(part.training for part in [*net.modules(), *pruned.modules()])
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())


def test_a_layer_that_is_called_twice_is_fitted_once():
    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(3, 3, 3, padding=1)

        def forward(self, x):
            return self.conv(self.conv(x).relu())

    torch.manual_seed(0)
    net, x = Twice(), photographs()
    pruned = prune(net, Plan.uniform("pattern"))
    assert output_error(net, refit(net, pruned, x), x) < output_error(net, pruned, x)


def test_what_the_net_does_not_call_keeps_its_weights_and_is_named(caplog):
    net = make_net()
    net[0].add_module("spare", nn.Linear(8, 8))
    fitted = prune(net, PLAN, refit_on=photographs())
    by_magnitude = prune(net, PLAN)
    assert torch.equal(fitted[0].spare.weight, by_magnitude[0].spare.weight)
    assert "0.spare" in caplog.text


def test_samples_that_are_no_numbers_are_refused():
    x = photographs()
    x[2, 0, 1, 1] = float("inf")
    with pytest.raises(InputError, match="samples to refit on hold numbers that are not finite"):
        prune(make_net(), PLAN, refit_on=x)


def test_another_net_is_refused():
    pruned = prune(make_net(), PLAN)
    with pytest.raises(ModelError, match="the dense net has no layer 0"):
        refit(nn.ReLU(), pruned, photographs())


@pytest.mark.parametrize(
    "layer, shape",
    [
        (nn.Conv1d(3, 4, 3, padding=1, stride=2), (2, 3, 9)),
        (nn.Conv2d(3, 4, (3, 5), padding=(0, 2), dilation=(2, 1)), (2, 3, 9, 8)),
        (nn.Conv2d(3, 4, 4, padding="same"), (2, 3, 6, 7)),
        (nn.Conv2d(3, 4, 3, padding=1, padding_mode="reflect"), (2, 3, 6, 7)),
        (nn.Conv2d(3, 4, 3, padding="valid", stride=2), (2, 3, 7, 9)),
        (nn.Conv3d(3, 4, (1, 3, 3), padding=(0, 1, 1)), (2, 3, 4, 5, 6)),
        (nn.Linear(5, 4), (2, 7, 5)),
    ],
    ids=str,
)
@torch.no_grad()
def test_rows_times_weights_are_the_layers_outputs(layer, shape):
    x = torch.randn(shape)
    y = layer(x)
    places, outputs = output_rows(layer, y, 11, torch.Generator().manual_seed(0))
    inputs = input_rows(layer, x, places, tuple(y.shape[2:]))
    matrix = layer.weight.reshape(4, -1).numpy()
    # float32 sums of up to 45 products in another order
    np.testing.assert_allclose(inputs @ matrix.T + layer.bias.numpy(), outputs, atol=1e-5)


def test_statistics_know_the_error_without_the_rows(rng):
    inputs, outputs, matrix = (rng.standard_normal(s) for s in ((50, 6), (50, 4), (4, 6)))
    x, y = inputs - inputs.mean(0), outputs - outputs.mean(0)
    error = np.square(y - x @ matrix.T).sum() / np.square(y).sum()
    assert summarise(inputs, outputs, has_bias=True).error(matrix) == pytest.approx(error)


def test_selection_keeps_the_columns_that_the_outputs_need(rng):
    """Channels 0 and 1 carry the same; magnitude keeps both, the outputs need one and channel 2."""
    first, second = rng.standard_normal((2, 200, 1))
    rows = np.concatenate([first, first, second, 0.01 * second], axis=1)
    weight = np.array([[3.0, 3.0, 2.0, 0.0]])
    structure = Connectivity(connectivity=2.0, group=1)
    np.testing.assert_array_equal(structure.mask(weight), [[True, True, False, False]])
    statistics = summarise(rows, rows @ weight.T, has_bias=True)
    mask = select(structure, weight, statistics, ridge=0.1)
    assert mask[0, :2].sum() == 1 and mask[0, 2]
