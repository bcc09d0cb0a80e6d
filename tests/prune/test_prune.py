"""One-shot pruning by magnitude: the plan's zeros, nothing else, and a report that adds up."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations

from sparsetvm.errors import ModelError, PlanError
from sparsetvm.prune import prune, prune_with_report
from sparsetvm.prune.layers import find_layers
from sparsetvm.sparsity import Plan
from tests.examples import example_structures, name_example

PATTERN = Plan.uniform("pattern+connectivity", connectivity=2.0, patterns=3, group=2)


def make_net() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 6, 3, padding=1),
        nn.BatchNorm2d(6),
        nn.ReLU(),
        nn.Conv2d(6, 6, 3, groups=6),
        nn.Conv2d(6, 7, 3),
        nn.Flatten(),
        nn.Linear(7 * 2 * 4, 5),
    )


def weight_of(net: nn.Module, name: str) -> np.ndarray:
    return net.get_submodule(name).weight.detach().numpy()


@pytest.mark.parametrize("structure", list(example_structures()), ids=name_example)
@pytest.mark.parametrize(
    "layer",
    [
        nn.Conv1d(7, 10, 3),
        nn.Conv2d(7, 10, 3),
        nn.Conv2d(7, 10, 1),
        nn.Conv3d(7, 10, (1, 3, 3)),
        nn.Linear(13, 10),
    ],
    ids=str,
)
def test_pruned_weights_follow_every_structure(structure, layer):
    plan = Plan(default=structure)
    pruned, report = prune_with_report(nn.Sequential(layer), plan)
    report.layers[0].structure.check(weight_of(pruned, "0"))


def test_zeros_come_and_nothing_else_changes():
    net = make_net()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    pruned = prune(net, PATTERN)
    for name, value in net.state_dict().items():
        assert torch.equal(value, before[name]), name
        kept = pruned.state_dict()[name]
        assert torch.equal(kept, value) == (name not in ("0.weight", "4.weight", "6.weight"))
        assert torch.equal(kept[kept != 0], value[kept != 0])


def test_depthwise_layers_and_batch_norm_are_left_alone():
    assert list(find_layers(make_net())) == ["0", "4", "6"]


def test_a_shared_weight_is_pruned_once():
    net = nn.Sequential(nn.Linear(8, 8), nn.Linear(8, 8))
    net[1].weight = net[0].weight
    pruned, report = prune_with_report(net, Plan.uniform("connectivity", connectivity=2.0))
    assert [layer.name for layer in report.layers] == ["0"]
    assert pruned[1].weight is pruned[0].weight


def test_layers_of_one_entry_share_their_patterns():
    pruned, report = prune_with_report(make_net(), PATTERN)
    first, second, linear = (layer.structure for layer in report.layers)
    assert first.shapes == second.shapes and len(first.shapes) == 3
    assert linear.shapes is None
    kept = np.concatenate([(weight_of(pruned, name) != 0).reshape(-1, 9) for name in ("0", "4")])
    found = {tuple(map(int, np.flatnonzero(kernel))) for kernel in kept if kernel.any()}
    assert found <= set(first.shapes)


def test_the_report_counts_what_stays():
    net = make_net()
    pruned, report = prune_with_report(net, PATTERN)
    for layer in report.layers:
        dense, sparse = weight_of(net, layer.name), weight_of(pruned, layer.name)
        assert layer.kept == np.count_nonzero(sparse)
        assert layer.rate == dense.size / layer.kept
        assert layer.kept_energy == pytest.approx(np.square(sparse).sum() / np.square(dense).sum())
        assert layer.error is None
    kept = sum(layer.kept for layer in report.layers)
    assert report.rate == sum(layer.weights for layer in report.layers) / kept
    assert str(report).splitlines()[-1] == f"{report.rate:.1f}x fewer weights"
    assert [layer["name"] for layer in report.to_json()["layers"]] == ["0", "4", "6"]


def test_a_layer_that_the_plan_leaves_dense_keeps_all():
    plan = Plan.from_dict(
        {"layers": [{"match": "4", "structure": "connectivity", "connectivity": 2.0}]}
    )
    _, report = prune_with_report(make_net(), plan)
    assert [layer.rate > 1 for layer in report.layers] == [False, True, False]


def test_a_ready_plan_goes_by_its_name():
    rate = prune_with_report(nn.Sequential(nn.Conv2d(36, 16, 3)), "pattern8x-b8")[1].rate
    assert rate == pytest.approx(8.1, abs=0.01)


def test_an_entry_that_fits_no_layer_is_the_plans_error():
    plan = Plan.from_dict({"layers": [{"match": "featurs.*", "structure": "connectivity"}]})
    with pytest.raises(PlanError, match=r"match 'featurs\.\*' fits no layer"):
        prune(make_net(), plan)


def test_weights_that_are_no_numbers_are_refused():
    net = make_net()
    net[4].weight.data[2, 1, 0, 2] = float("nan")
    with pytest.raises(ModelError, match=r"4\.weight\[2, 1, 0, 2\] is nan"):
        prune(net, PATTERN)


def test_a_dtype_that_cannot_be_pruned_is_refused():
    with pytest.raises(ModelError, match=r"0\.weight is torch\.bfloat16, pruning takes float32"):
        prune(make_net().bfloat16(), PATTERN)


def test_a_weight_that_is_computed_is_refused():
    net = nn.Sequential(parametrizations.weight_norm(nn.Linear(8, 8)))
    with pytest.raises(ModelError, match=r"0\.weight is computed from other tensors"):
        prune(net, PATTERN)
