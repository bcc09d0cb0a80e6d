"""Distilling: the pruned net comes nearer to its dense self, and the zeros stay where they are."""

import re
import time

import pytest
import torch
from torch import nn

from sparsetvm.errors import InputError, ModelError
from sparsetvm.prune import distill, distill_with_report, prune
from sparsetvm.sparsity import Plan
from tests.prune.test_refit import PLAN, make_net, output_error, photographs

QUICK = {"steps": 60, "rate": 0.02}
"""For small nets; large ones want small steps, and many."""


def weights(net: nn.Module) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in net.state_dict().items()}


def same(first: nn.Module, second: nn.Module) -> bool:
    return all(torch.equal(value, weights(second)[name]) for name, value in weights(first).items())


@pytest.mark.parametrize("structure", ["pattern", "connectivity", "nm", "block"])
def test_distilling_comes_nearer_on_other_samples_and_keeps_the_zeros(structure):
    net, x = make_net(), photographs(48)
    pruned = prune(net, Plan.uniform(structure))
    taught = distill(net, pruned, x[:40], **QUICK)
    assert output_error(net, taught, x[40:]) < 0.6 * output_error(net, pruned, x[40:])
    for name, before in weights(pruned).items():
        assert not weights(taught)[name][before == 0].any() or "weight" not in name, name


def test_biases_and_batch_norms_scale_learn_and_its_statistics_stay():
    net, x = make_net(), photographs(16)
    pruned = prune(net, PLAN)
    before, after = weights(pruned), weights(distill(net, pruned, x, **QUICK))
    changed = {name for name, value in before.items() if not torch.equal(value, after[name])}
    assert changed == {"0.weight", "0.bias", "1.weight", "1.bias", "3.weight", "7.weight", "7.bias"}


def test_what_is_frozen_stays():
    net = make_net()
    pruned = prune(net, PLAN)
    pruned[3].weight.requires_grad_(False)
    taught = distill(net, pruned, photographs(), **QUICK)
    assert torch.equal(taught[3].weight, pruned[3].weight)
    assert not torch.equal(taught[0].weight, pruned[0].weight)


def test_one_seed_and_a_number_of_steps_give_one_result():
    net, x = make_net(), photographs(12)
    pruned = prune(net, PLAN)
    first, again, other = (distill(net, pruned, x, **QUICK, seed=seed) for seed in (0, 0, 1))
    assert same(first, again) and not same(first, other)


def test_the_callers_nets_keep_mode_weights_and_hooks():
    net = make_net().train()
    pruned = prune(net, PLAN)
    before = weights(net), weights(pruned)
    taught = distill(net, pruned, photographs(), steps=3)
    for part in [*net.modules(), *pruned.modules(), *taught.modules()]:
        assert part.training and not part._forward_hooks
    assert all(parameter._backward_hooks in (None, {}) for parameter in taught.parameters())
    for one, values in zip((net, pruned), before, strict=True):
        assert all(torch.equal(value, values[name]) for name, value in one.state_dict().items())


def test_the_report_tells_errors_steps_and_time():
    net, said = make_net(), []
    _, report = distill_with_report(
        net, prune(net, PLAN), photographs(24), steps=40, rate=0.02, progress=said.append
    )
    assert report.steps == 40 and report.stopped is None
    assert [step for step, _ in report.errors] == [0, 5, 10, 15, 20, 25, 30, 35, 40]
    assert report.after < report.before and report.seconds > 0 and report.cpu_seconds > 0
    assert re.fullmatch(r"distilling: 50%, step 20, error 0\.\d{4}", said[4])


def test_minutes_end_it():
    net, began = make_net(), time.monotonic()
    _, report = distill_with_report(net, prune(net, PLAN), photographs(), minutes=0.02)
    assert 1.2 <= report.seconds <= time.monotonic() - began < 60
    assert report.steps > 0


def test_a_training_that_goes_astray_stops_with_the_best_net_and_says_so(caplog):
    net, x = make_net(), photographs(16)
    pruned = prune(net, PLAN)
    taught, report = distill_with_report(net, pruned, x, steps=200, rate=1e12)
    assert re.match(r"the training went astray at step \d+, its error is (nan|inf)", report.stopped)
    assert "give it a smaller rate than 1e+12" in report.stopped and report.stopped in caplog.text
    assert report.steps < 200 and all(p.isfinite().all() for p in taught.parameters())
    assert output_error(net, taught, x) <= output_error(net, pruned, x)


def test_a_last_step_that_goes_astray_is_said_too():
    net, x = make_net(), photographs(16)
    pruned = prune(net, PLAN)
    taught, report = distill_with_report(net, pruned, x, steps=1, rate=1e38)
    assert "the net of step 0 is kept" in report.stopped and same(taught, pruned)


def test_no_time_is_refused():
    net = make_net()
    with pytest.raises(InputError, match="distilling takes time, not 0 minutes or None steps"):
        distill(net, net, photographs(), minutes=0)


def test_a_net_that_gives_no_numbers_is_refused():
    net = make_net()
    pruned = prune(net, PLAN)
    pruned[7].bias.data[2] = float("nan")
    with pytest.raises(ModelError, match="the pruned net's error on the samples is nan"):
        distill(net, pruned, photographs(), steps=3)


def test_samples_that_are_no_numbers_or_of_two_counts_are_refused():
    net, x = make_net(), photographs()
    pruned = prune(net, PLAN)
    with pytest.raises(InputError, match="hold 6, 5 samples"):
        distill(net, pruned, (x, x[1:]), steps=3)
    x[2, 0, 1, 1] = float("inf")
    with pytest.raises(InputError, match="hold numbers that are not finite"):
        distill(net, pruned, x, steps=3)


def test_a_hint_that_a_net_does_not_have_is_refused():
    net = make_net()
    with pytest.raises(ModelError, match="a net has no module 9 to take hints from"):
        distill_with_report(net, prune(net, PLAN), photographs(), steps=3, hints=["9"])


def test_hints_teach_a_layer_that_the_output_hardly_needs():
    net, x = make_net(), photographs(24)
    net[7].weight.data *= 1e-3  # what the output is, its bias says
    pruned = prune(net, PLAN)

    def error_inside(taught: nn.Module) -> float:
        return output_error(net[:4], taught[:4], x)

    with_hints, without = (distill(net, pruned, x, **QUICK, hints=hints) for hints in (["3"], []))
    assert error_inside(with_hints) < error_inside(without)


def test_nets_with_several_inputs_and_outputs_and_layers_called_twice_are_taught():
    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(3, 3, 3, padding=1)

        def forward(self, x, y):
            once = self.conv(x).relu()
            return {"both": (once, self.conv(once + y)), "count": torch.tensor(2)}

    torch.manual_seed(0)
    net, inputs = Twice(), (photographs(16), photographs(16).flip(0))
    pruned = prune(net, Plan.uniform("pattern"))
    _, report = distill_with_report(net, pruned, inputs, **QUICK)
    assert report.after < 0.6 * report.before


def test_a_single_sample_serves_to_learn_and_to_judge():
    net, x = make_net(), photographs(1)
    _, report = distill_with_report(net, prune(net, PLAN), x, **QUICK)
    assert report.after < 0.6 * report.before
