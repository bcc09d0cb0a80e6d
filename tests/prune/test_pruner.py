"""The Pruner in a training loop: zeros that follow the plan, kept, resumed, shared by processes."""

import os
import subprocess
import sys
from copy import deepcopy
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import sparsetvm as st
from sparsetvm.errors import ModelError, PlanError, TrainingError
from sparsetvm.prune import Pruner
from sparsetvm.prune.checkpoint import Checkpoints
from sparsetvm.sparsity import Plan, share_patterns
from tests.prune import parallel

ROOT = Path(__file__).resolve().parents[2]
PLAN = Plan.from_dict(
    {
        "layers": [
            {"type": "conv*", "structure": "pattern+connectivity", "connectivity": 2.0, "group": 2},
            {
                "match": "gru.weight_hh*",
                "structure": "bcr",
                "rows": 4,
                "columns": 4,
                "column_rate": 2.0,
                "group": 2,
            },
        ]
    }
)
X = torch.randn(6, 4, 7, 6, generator=torch.Generator().manual_seed(0))
Y = torch.arange(6) % 3
METHODS = {
    "oneshot": {},
    "gradual": {"steps": 6, "updates": 3},
    "admm": {"steps": 6, "updates": 3},
    "reweighted": {"steps": 6, "rounds": 3},
    "secondorder": {"samples": X},
}
each_method = pytest.mark.parametrize("method", METHODS)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(4, 7, 3, padding=1)
        self.next = nn.Conv2d(7, 6, 3)
        self.gru = nn.GRU(6, 8, batch_first=True)
        self.linear = nn.Linear(8, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        series = self.next(self.conv(x).relu()).relu().flatten(2).transpose(1, 2)
        return self.linear(self.gru(series)[0][:, -1])


class Training:
    """A net, an optimizer and a pruner, as a user's script has them."""

    def __init__(
        self, method: str, plan: Plan = PLAN, make=torch.optim.Adam, state=None, **options
    ):
        torch.manual_seed(0)
        self.net = Net()
        self.optimizer = make(self.net.parameters(), lr=1e-2)
        self.pruner = Pruner(self.net, plan, method, **(options or METHODS[method]))
        if state is not None:
            self.pruner.load_state_dict(state["pruner"])
        self.pruner.prepare(self.optimizer)
        if state is not None:
            self.net.load_state_dict(state["net"])
            self.optimizer.load_state_dict(state["optimizer"])

    def run(self, steps: int) -> "Training":
        for _ in range(steps):
            loss = nn.functional.cross_entropy(self.net(X), Y)
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()
            self.pruner.step()
        return self

    def state(self) -> dict:
        parts = {"net": self.net, "optimizer": self.optimizer, "pruner": self.pruner}
        return deepcopy({name: part.state_dict() for name, part in parts.items()})


def pruned_weights(net: nn.Module) -> dict[str, np.ndarray]:
    return {
        "conv": net.conv.weight.detach().numpy(),
        "next": net.next.weight.detach().numpy(),
        "gru.weight_hh_l0": net.gru.weight_hh_l0.detach().numpy(),
    }


@each_method
def test_the_finished_model_is_the_users_own_with_zeros_that_follow_the_plan(method):
    training = Training(method)
    names = [name for name, _ in Net().named_parameters()]
    parameters = {id(p) for p in training.net.parameters()}
    training.run(8)
    outputs = training.net(X)

    net = training.pruner.finalize()

    assert net is training.net and sorted(dict(net.named_parameters())) == sorted(names)
    assert {id(p) for p in net.parameters()} == parameters
    assert type(net.conv) is nn.Conv2d and type(net.gru) is nn.GRU
    torch.testing.assert_close(net(X), outputs)
    weights, plan = pruned_weights(net), training.pruner.plan
    for name, structure in share_patterns(
        {n: plan.structure_for(n, "conv2d", w.shape) for n, w in weights.items()}, weights
    ).items():
        structure.check(weights[name])
        assert (weights[name] == 0).mean() > 0.4, name
    deepcopy(net)  # plain tensors again, also in the recurrent layer's own list


def test_export_takes_what_a_pruner_leaves():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(4, 8, 3), nn.ReLU(), nn.Conv2d(8, 7, 3))
    plan = Plan.uniform("pattern+connectivity", connectivity=2.0, group=2)
    optimizer = torch.optim.SGD(net.parameters(), 1e-2)
    pruner = Pruner(net, plan, "admm", steps=4, updates=2)
    pruner.prepare(optimizer)
    for _ in range(5):
        net(X).square().mean().backward()
        optimizer.step()
        pruner.step()
    ir = st.export(pruner.finalize(), X, pruner.plan)
    assert [round(layer.rate, 1) for layer in ir.layers] == [4.5, 4.5]


@pytest.mark.parametrize(
    "make",
    [
        lambda p, lr: torch.optim.SGD(p, lr, momentum=0.9, nesterov=True),
        lambda p, lr: torch.optim.AdamW(p, lr, weight_decay=0.1),
        lambda p, lr: torch.optim.RMSprop(p, lr, centered=True),
    ],
    ids=["SGD", "AdamW", "RMSprop"],
)
def test_every_optimizer_keeps_the_zeros(make):
    training = Training("oneshot", make=make)
    zeros = {name: ~mask for name, mask in training.pruner.masks.items()}
    before = training.net.conv.weight.detach().clone()
    net = training.run(5).net
    assert not torch.equal(net.conv.weight, before)
    for name, weight in pruned_weights(net).items():
        assert not weight[zeros[name]].any()


@each_method
@pytest.mark.parametrize("taken", [1, 4, 7])
def test_a_resumed_run_is_bit_equal_to_one_that_was_never_stopped(method, taken):
    whole = Training(method).run(9)
    stopped = Training(method).run(taken)
    resumed = Training(method, state=stopped.state()).run(9 - taken)
    first, second = whole.pruner.finalize(), resumed.pruner.finalize()
    for name, value in first.state_dict().items():
        assert torch.equal(value, second.state_dict()[name]), name
    assert whole.pruner.plan == resumed.pruner.plan
    assert str(whole.pruner.report()) == str(resumed.pruner.report())


@each_method
def test_what_is_masked_for_good_is_zero_in_weights_and_moments(method):
    def make(parameters, lr):
        return torch.optim.AdamW(parameters, lr, weight_decay=0.1, amsgrad=True)

    training = Training(method, make=make).run(9)
    for name, mask in training.pruner.masks.items():
        module, _, parameter = name.rpartition(".") if "gru" in name else (name, "", "weight")
        original = training.net.get_submodule(module).parametrizations[parameter].original
        moments = training.optimizer.state[original]
        for value in (original, *(moments[key] for key in ("exp_avg", "max_exp_avg_sq"))):
            assert value[mask].any() and not value[~mask].any(), name


@each_method
def test_checkpoints_hold_a_pruner(method, tmp_path):
    def checkpoints(one: Training) -> Checkpoints:
        parts = {"net": one.net, "optimizer": one.optimizer, "pruner": one.pruner}
        return Checkpoints(tmp_path / "run", plan=PLAN, **parts)

    whole = Training(method).run(4)
    before = checkpoints(whole)
    before.save()
    before.wait()
    resumed = Training(method)
    assert checkpoints(resumed).restore() is not None
    first, second = (one.run(4).pruner.finalize().state_dict() for one in (whole, resumed))
    for name, value in first.items():
        assert torch.equal(value, second[name]), name


def test_a_state_may_be_loaded_after_prepare_too():
    stopped = Training("gradual").run(4)
    state, other = stopped.state(), Training("gradual")
    other.pruner.load_state_dict(state["pruner"])
    assert other.pruner.steps == 4
    for name, mask in stopped.pruner.masks.items():
        assert torch.equal(other.pruner.masks[name], mask)


def test_the_state_holds_tensors_numbers_and_strings_only():
    def leaves(tree):
        return [x for v in tree.values() for x in (leaves(v) if isinstance(v, dict) else [v])]

    for method in METHODS:
        state = Training(method).run(3).pruner.state_dict()
        assert {type(leaf) for leaf in leaves(state)} <= {torch.Tensor, int, float, str}
        assert {mask.dtype for mask in state["masks"].values()} == {torch.bool}


def test_gradual_zeros_come_by_the_cubic_schedule():
    training = Training("gradual", steps=4, updates=4)
    final = {name: 1 - 1 / 4.5 for name in ("conv", "next")}
    for step in range(1, 6):
        training.run(1)
        gone = 1 - (1 - min(step, 4) / 4) ** 3
        for name, share in final.items():
            zeros = 1 - training.pruner.masks[name].float().mean()
            assert zeros == pytest.approx(gone * share, abs=0.05), (step, name)


def test_admm_draws_weights_to_the_plan_before_they_are_cut():
    def energy(rho: float) -> float:
        training = Training("admm", steps=80, updates=8, rho=rho).run(80)
        return min(layer.kept_energy for layer in training.pruner.report().layers)

    assert energy(rho=1.0) > 0.85 > 0.6 > energy(rho=0.0)


def test_admm_has_a_split_for_each_part_of_a_joined_structure():
    state = Training("admm").run(3).pruner.state_dict()["state"]
    assert {name: len(parts) for name, parts in state["sparse"].items()} == {
        "conv": 2,
        "next": 2,
        "gru.weight_hh_l0": 1,
    }
    pattern, connectivity = state["sparse"]["next"].values()
    assert int((pattern != 0).sum(dim=(2, 3)).max()) == 4
    assert set((connectivity != 0).sum(dim=(2, 3)).unique().tolist()) == {0, 9}


def test_reweighting_finds_each_layers_rate_for_the_work_that_is_wanted():
    plan = Plan.uniform("kgs", filters=2, channels=1)
    training = Training("reweighted", plan, steps=6, strength=0.3, target=3.0).run(6)
    layers = {layer.name: layer for layer in training.pruner.report().layers}
    positions = {"conv": 42, "next": 20, "linear": 1}  # of 7x6 pixels, of 5x4
    work = {name: positions.get(name, 20) for name in layers}  # as many steps of the GRU
    dense = sum(work[name] * layer.weights for name, layer in layers.items())
    kept = sum(work[name] * layer.kept for name, layer in layers.items())
    assert dense / kept == pytest.approx(3.0, rel=0.15)
    assert len({round(layer.rate, 1) for layer in layers.values()}) > 2
    rules = {rule.match: rule.structure.rate for rule in training.pruner.plan.rules}
    assert rules.keys() == layers.keys()


def test_a_shared_weight_is_masked_wherever_it_is_used():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 8))
    net[2].weight = net[0].weight
    optimizer = torch.optim.SGD(net.parameters(), 0.1)
    pruner = Pruner(net, Plan.uniform("connectivity", connectivity=2.0, group=1), "oneshot")
    pruner.prepare(optimizer)
    assert torch.equal(net[0].weight, net[2].weight) and (net[2].weight == 0).sum() == 32
    net(torch.randn(3, 8)).sum().backward()
    optimizer.step()
    pruner.step()
    pruner.finalize()
    assert net[2].weight is net[0].weight and (net[0].weight == 0).sum() == 32


def test_finishing_early_brings_the_end_about_and_says_so(caplog):
    training = Training("admm").run(2)
    weights = pruned_weights(training.pruner.finalize())
    assert "finalized after 2 of 6 steps" in caplog.text
    assert all((weight == 0).any() for weight in weights.values())


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_diverged_loss_stops_before_it_spoils_the_weights(bad):
    training = Training("admm").run(3)
    before = training.state()
    loss = training.net(X).sum() * bad
    training.optimizer.zero_grad()
    loss.backward()
    with pytest.raises(TrainingError, match=r"step 4: the gradient of \w+\.weight\S* holds \d+"):
        training.optimizer.step()
    for name, value in training.net.state_dict().items():
        assert torch.equal(value, before["net"][name]), name
    training.run(2)  # a sound step goes on from there


def test_a_weight_that_overflowed_is_named():
    training = Training("oneshot").run(1)
    with torch.no_grad():
        training.net.linear.weight[1, 2] = float("inf")
    training.net.conv.parametrizations.weight.original.grad = None
    with pytest.raises(TrainingError, match=r"step 2: linear\.weight holds 1 numbers of 24"):
        training.optimizer.step()


def test_a_plan_that_does_not_fit_the_model_is_refused():
    with pytest.raises(PlanError, match=r"match 'features\.\*' fits no layer"):
        Pruner(Net(), Plan.from_dict({"layers": [{"match": "features.*", "structure": "nm"}]}))
    with pytest.raises(PlanError, match="leaves every layer of this model dense"):
        Pruner(Net(), "dense")


def test_an_unknown_method_is_refused_with_those_there_are():
    with pytest.raises(PlanError, match="unknown pruning method 'adm'; known: admm, gradual"):
        Pruner(Net(), PLAN, "adm")


def test_weights_that_are_no_numbers_are_refused():
    net = Net()
    net.gru.weight_hh_l0.data[3, 1] = float("nan")
    with pytest.raises(ModelError, match=r"gru\.weight_hh_l0\[3, 1\] is nan"):
        Pruner(net, PLAN)


@pytest.mark.parametrize(
    "plan, net, method, message",
    [
        (Plan.uniform("nm"), Net(), "oneshot", "the pruner's state is of plan"),
        (PLAN, Net(), "gradual", "is of method oneshot, this pruner of gradual"),
        (PLAN, None, "oneshot", r"of another model: next is \(6, 7, 3, 3\) in the state"),
    ],
    ids=["plan", "method", "model"],
)
def test_a_state_of_something_else_is_refused(plan, net, method, message):
    state = Training("oneshot").pruner.state_dict()
    if net is None:
        net = Net()
        net.next = nn.Conv2d(7, 5, 3)
    with pytest.raises(TrainingError, match=message):
        Pruner(net, plan, method).load_state_dict(state)


def test_calls_out_of_turn_say_what_comes_first():
    pruner = Pruner(Net(), PLAN, "oneshot")
    with pytest.raises(TrainingError, match=r"step\(\) is out of turn: prepare\(\) comes first"):
        pruner.step()
    training = Training("oneshot")
    with pytest.raises(TrainingError, match=r"prepare\(\) was called already"):
        training.pruner.prepare(training.optimizer)
    training.pruner.finalize()
    with pytest.raises(TrainingError, match="this pruner has done its work"):
        training.pruner.step()


def test_an_optimizer_of_another_model_is_refused():
    pruner = Pruner(Net(), PLAN, "oneshot")
    with pytest.raises(TrainingError, match="none of the optimizers has a weight"):
        pruner.prepare(torch.optim.SGD(Net().parameters(), 0.1))


def test_an_optimizer_that_runs_the_loss_itself_is_refused():
    training = Training("admm")
    with pytest.raises(TrainingError, match=r"Adam\.step\(closure\) finds its gradients itself"):
        training.optimizer.step(lambda: 0.0)


def test_processes_of_a_torchrun_have_equal_masks_and_weights(tmp_path):
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    run = subprocess.run(
        [*launch, parallel.__file__, str(tmp_path)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=250,
    )
    assert run.returncode == 0, run.stderr
    for method in parallel.METHODS:
        first, second = (torch.load(tmp_path / f"{method}.{rank}.pt") for rank in range(2))
        for name, mask in first["masks"].items():
            assert not mask.all() and torch.equal(mask, second["masks"][name]), method
        for name, weight in first["weights"].items():
            assert torch.equal(weight, second["weights"][name]), (method, name)
