"""An accelerated model is the same torch module: names, results, training, state dicts."""

import copy
import logging

import pytest
import torch
from torch import nn

import sparsetvm as st
from sparsetvm.errors import StructureError
from sparsetvm.train import accelerate, layers, report, restore
from sparsetvm.train.measure import Times

PLAN = st.Plan.from_dict(
    {
        "layers": [
            {
                "type": "conv*",
                "min_channels": 4,
                "structure": "pattern+connectivity",
                "connectivity": 2.0,
                "group": 4,
            }
        ]
    }
)


class Small(nn.Module):
    """7x9 pixels; the maxpool leaves a line and a column over."""

    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(2, 8, 3, padding=1),
            nn.BatchNorm2d(8),
            nn.ReLU(inplace=True),
            nn.Conv2d(8, 12, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(12, 8, 3, padding=1, bias=False),
            nn.BatchNorm2d(8),
        )
        self.strided = nn.Conv2d(8, 8, 3, stride=2, padding=1)
        self.head = nn.Linear(8, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.body(x)
        y += 1  # in place, on what our kernels wrote
        return self.head(self.strided(torch.relu(y)).mean((2, 3)))


@pytest.fixture
def faster(monkeypatch) -> None:
    """Kernels run wherever they can."""
    monkeypatch.setattr(layers, "time_both", lambda *_: Times(0.0, 1.0))


@pytest.fixture
def pruned() -> nn.Module:
    torch.manual_seed(0)
    return st.prune(Small(), PLAN).train()


@pytest.fixture
def x() -> torch.Tensor:
    return torch.randn(3, 2, 7, 9, generator=torch.Generator().manual_seed(1))


def close(a: torch.Tensor, b: torch.Tensor) -> bool:
    """float32 through five layers."""
    return bool((a - b).abs().max() <= 1e-4 * b.abs().max())


def test_it_trains_as_the_dense_model_with_its_zeros_does(pruned, x, faster):
    dense, fast = copy.deepcopy(pruned), accelerate(pruned, PLAN)
    masks = {name: p != 0 for name, p in dense.named_parameters() if p.ndim > 1}
    for model in (dense, fast):
        optimizer = torch.optim.SGD(model.parameters(), 0.1, momentum=0.9)
        for _ in range(3):
            optimizer.zero_grad()
            model(x).square().mean().backward()
            for name, parameter in model.named_parameters() if model is dense else ():
                if name in masks:
                    parameter.grad *= masks[name]
            optimizer.step()
    assert close(fast(x), dense(x))
    found, expected = fast.state_dict(), dense.state_dict()
    assert list(found) == list(expected)
    for name, tensor in expected.items():
        assert close(found[name].float(), tensor.float()), name
    assert fast.body[0].weight.grad.shape == dense.body[0].weight.shape  # dense by plan


def test_it_is_the_same_module_with_the_same_names(pruned):
    names = [name for name, _ in pruned.named_parameters()]
    kinds = [type(m) for m in pruned.modules()]
    fast = accelerate(pruned, PLAN)
    assert fast is pruned
    assert [name for name, _ in fast.named_parameters()] == names
    assert all(isinstance(m, kind) for m, kind in zip(fast.modules(), kinds, strict=True))


def test_an_optimizer_holds_state_for_the_weights_that_stay(pruned, x):
    weight = pruned.body[3].weight
    kept, size = int((weight != 0).sum()), weight.numel()
    fast = accelerate(pruned, PLAN)
    optimizer = torch.optim.Adam(fast.parameters())
    fast(x).sum().backward()
    optimizer.step()
    assert optimizer.state[fast.body[3].weight]["exp_avg"].numel() == kept < size / 3
    assert torch.count_nonzero(fast.state_dict()["body.3.weight"]) <= kept


def test_state_dicts_hold_dense_weights_both_ways(pruned, x, tmp_path):
    before = copy.deepcopy(pruned.state_dict())
    fast = accelerate(pruned, PLAN)
    for name, tensor in fast.state_dict().items():
        assert torch.equal(tensor, before[name])
    with torch.no_grad():
        for parameter in fast.parameters():
            parameter.zero_()
    fast.load_state_dict(before)
    assert torch.equal(fast.state_dict()["body.3.weight"], before["body.3.weight"])


def test_weights_that_have_no_place_are_refused(pruned):
    fast = accelerate(pruned, PLAN)
    state = fast.state_dict()
    with pytest.raises(RuntimeError, match=r"body.3.weight has weights where this layer has zeros"):
        fast.load_state_dict({**state, "body.3.weight": torch.ones(12, 8, 3, 3)})
    with pytest.raises(RuntimeError, match=r"body.3.weight is \[2\], the layer's is \[12, 8"):
        fast.load_state_dict({**state, "body.3.weight": torch.ones(2)})


def test_restore_gives_a_plain_model_back(pruned, x, faster):
    before = copy.deepcopy(pruned)
    fast = accelerate(pruned, PLAN)
    fast(x)
    plain = restore(fast)
    assert [type(m) for m in plain.modules()] == [type(m) for m in before.modules()]
    assert set(plain.body[3].__dict__) == set(before.body[3].__dict__)
    for name, parameter in before.named_parameters():
        assert torch.equal(plain.get_parameter(name), parameter)


def test_a_model_without_the_plans_zeros_is_refused():
    with pytest.raises(StructureError, match=r"(?s)body.3.weight: .*st.prune\(model, plan\)"):
        accelerate(Small(), PLAN)


def test_the_report_says_what_runs_where_and_why(pruned, x, faster, caplog):
    fast = accelerate(pruned, PLAN)
    assert str(report(fast)) == "no layer has run yet"
    with caplog.at_level(logging.INFO, "sparsetvm.train"):
        fast(x)
    said = {choice.name: choice for choice in report(fast).layers}
    assert list(said) == ["body.0", "body.3", "body.6", "strided", "head"]
    assert said["body.3"].sparse and said["body.3"].dense_ms == 1.0
    assert not said["strided"].sparse
    assert said["strided"].reason == "kernels move pixel by pixel"
    assert said["head"].reason == "fewer than 16 positions"
    assert "body.3 (pattern" in caplog.text


def test_the_slower_of_both_does_not_run(pruned, x, monkeypatch):
    monkeypatch.setattr(layers, "time_both", lambda *_: Times(1.0, 0.5))
    dense = copy.deepcopy(pruned)
    fast = accelerate(pruned, PLAN)
    y = fast(x)
    y.sum().backward()
    assert torch.equal(y, dense(x))
    assert fast.body[3].weight.grad.shape == fast.body[3].weight.shape
    choice = report(fast).layers[1]
    assert not choice.sparse
    assert "1.00 ms beside 0.50 ms of torch's dense code" in str(choice)


def test_both_are_really_timed(pruned, x):
    choice = next(c for c in _choices(accelerate(pruned, PLAN), x) if c.name == "body.3")
    assert choice.sparse == (choice.sparse_ms < choice.dense_ms)
    assert choice.sparse_ms > 0


def _choices(model, x):
    with torch.inference_mode():
        model(x)
    return report(model).layers


def test_what_kernels_cannot_take_runs_dense(pruned, x, faster):
    dense = copy.deepcopy(pruned).double()
    fast = accelerate(pruned, PLAN).double()
    assert torch.allclose(fast(x.double()), dense(x.double()))
    assert "not torch.float64" in report(fast).layers[0].reason


def test_who_listens_in_between_hears_what_torch_would_say(pruned, x, faster):
    heard = []
    dense = copy.deepcopy(pruned)
    for model in (dense, accelerate(pruned, PLAN)):
        model.body[3].register_forward_hook(lambda _module, _x, y: heard.append(y.clone()))
        model(x)
    assert (heard[0] < 0).any()
    assert close(heard[1], heard[0])


def test_a_change_in_place_of_what_is_still_needed_is_noticed(pruned, x, faster):
    fast = accelerate(pruned, PLAN)
    y = fast.body[:3](x)
    z = fast.body[3](y)
    y.mul_(2)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        z.sum().backward()


def test_two_batches_may_be_under_way_at_once(pruned, x, faster):
    dense = copy.deepcopy(pruned)
    fast = accelerate(pruned, PLAN)
    for model in (dense, fast):
        (model.body(x) * model.body(2 * x)).sum().backward()
    found = fast.body[3].dense_gradient
    expected = dense.body[3].weight.grad * (dense.body[3].weight != 0)
    assert close(found, expected)


def test_a_copy_is_a_model_of_its_own(pruned, x, faster):
    fast = accelerate(pruned, PLAN)
    y = fast(x)
    twin = copy.deepcopy(fast)
    assert torch.equal(twin(x), y)
    assert len(report(twin).layers) == 5
