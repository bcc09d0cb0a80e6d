"""Blocks that several plans prune alike, trained once and put together."""

import json

import pytest
import torch
from torch import nn

import sparsetvm as st
from sparsetvm.errors import ModelError, PlanError
from sparsetvm.prune.blocks import pretrain, shared_blocks
from sparsetvm.prune.explore import explore

LAYERS = ("features.0", "features.3", "features.5", "head")


class Tiny(nn.Module):
    """[n, 2, 6, 5] -> [n, 4]; a norm, activations in place, and a head outside of any sequence."""

    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(2, 8, 3, padding=1),
            nn.BatchNorm2d(8),
            nn.ReLU(inplace=True),
            nn.Conv2d(8, 8, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(8, 8, 1),
        )
        self.head = nn.Linear(8, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.features(x).mean((2, 3)))


@pytest.fixture
def net() -> nn.Module:
    torch.manual_seed(0)
    return Tiny().eval()


@pytest.fixture
def images() -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return list(torch.randn(4, 16, 2, 6, 5, generator=generator))


def plan(*rates: float | None) -> st.Plan:
    """2x1 blocks at these rates in LAYERS; None: dense."""
    rules = [
        {"match": name, "structure": "block", "filters": 2, "rate": rate}
        for name, rate in zip(LAYERS, rates, strict=True)
        if rate
    ]
    return st.Plan.from_dict({"layers": rules})


PLANS = {
    "a": plan(None, 2.0, 2.0, 2.0),
    "b": plan(None, 2.0, 2.0, 4.0),
    "c": plan(None, 4.0, 4.0, 4.0),
}


def test_neighbours_that_change_together_are_one_block(net):
    first, head = shared_blocks(net, PLANS)
    assert first.modules == ("features.3", "features.4", "features.5")
    assert first.layers == ("features.3", "features.5")
    assert list(first.variants.values()) == [("a", "b")]
    assert head.modules == ("head",)
    assert list(head.variants.values()) == [("b", "c")]


def test_layers_that_change_apart_are_blocks_apart(net):
    plans = {"a": plan(2.0, 2.0, 4.0, None), "b": plan(2.0, 2.0, 8.0, None)}
    (block,) = shared_blocks(net, plans)
    assert block.modules == tuple(f"features.{i}" for i in range(5))
    assert list(block.variants.values()) == [("a", "b")]


def test_plans_that_share_nothing_have_no_blocks(net, images):
    plans = {"a": plan(2.0, 2.0, 2.0, 2.0), "b": plan(4.0, 4.0, 4.0, 4.0)}
    assert shared_blocks(net, plans) == ()
    trained = pretrain(net, plans, images)
    assert trained.net_epochs == 0
    assert torch.equal(trained.assemble("a").head.weight, st.prune(net, plans["a"]).head.weight)


def test_a_trained_block_is_nearer_to_the_dense_one_and_keeps_its_zeros(net, images):
    before = {name: value.clone() for name, value in net.state_dict().items()}
    trained = pretrain(net, PLANS, images, epochs=20, learning_rate=1e-2)
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
    pruned, assembled = st.prune(net, PLANS["a"]), trained.assemble("a").eval()
    x = torch.cat(images)
    with torch.inference_mode():
        wanted = net.features(x)
        errors = [(one.features(x) - wanted).square().mean() for one in (pruned, assembled)]
    assert errors[1] < 0.5 * errors[0]
    st.export(assembled, x[:1], PLANS["a"])  # raises where weights do not follow the plan
    shared, own = (trained.assemble(name).features[3].weight for name in ("b", "c"))
    assert torch.equal(shared, assembled.features[3].weight)
    assert torch.equal(own, st.prune(net, PLANS["c"]).features[3].weight)


def test_the_cost_of_blocks_counts_the_layers_that_are_trained(net, images):
    assert pretrain(net, PLANS, images, epochs=2).net_epochs == 2 * 3 / 4


def test_two_trainings_give_the_same_blocks(net, images):
    one, other = (pretrain(net, PLANS, images, epochs=2).assemble("b") for _ in range(2))
    assert torch.equal(one.features[5].weight, other.features[5].weight)


def test_one_plan_shares_nothing(net):
    with pytest.raises(PlanError, match="two plans or more; got 1"):
        shared_blocks(net, {"a": PLANS["a"]})


def test_a_layer_that_is_no_call_cannot_be_trained_alone(images):
    class Functional(Tiny):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.features(x).mean((2, 3)) @ self.head.weight.T

    with pytest.raises(ModelError, match="head is not called as a module"):
        pretrain(Functional(), PLANS, images)


def test_exploring_counts_the_epochs_that_shared_blocks_save(net, images):
    with torch.no_grad():
        batches = [(x, net(x).argmax(1)) for x in images]

    def accuracy(model: nn.Module) -> float:
        with torch.inference_mode():
            right = [(model(x).argmax(1) == y).float().mean() for x, y in batches]
        return float(torch.stack(right).mean())

    found = explore(
        net, PLANS, batches, accuracy, goal=0.9, block_epochs=4, learning_rate=1e-2, compare=True
    )
    assert [training.plan for training in found.assembled] == list(PLANS)
    for training in (*found.assembled, *found.alone):
        assert training.is_reached or training.epochs == 20
    assert found.epochs == 4 * 3 / 4 + sum(training.epochs for training in found.assembled)
    alone = sum(training.epochs for training in found.alone)
    assert found.epochs_saved == alone - found.epochs
    assert f"{found.epochs:.1f} epochs instead of {alone}" in str(found)
    json.dumps(found.to_json())
    for name, model in found.models.items():
        assert not model.training
        st.export(model, images[0][:1], PLANS[name])
