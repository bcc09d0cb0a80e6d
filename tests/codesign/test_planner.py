"""A plan for a time, on a net so small that only the way there is tested, not the time."""

import json

import numpy as np
import pytest
import torch
from torch import nn

import sparsetvm as st
from sparsetvm.codesign import latency, trial
from sparsetvm.codesign.known import Known
from sparsetvm.errors import FileError, InputError, ModelError
from tests.codesign.nets import small

PRUNABLE = {"features.2", "features.5", "head"}


@pytest.fixture(scope="module", autouse=True)
def quick(tmp_path_factory):
    """Two rounds each, and a file of numbers that begins empty."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_DATA_HOME", str(tmp_path_factory.mktemp("data")))
        patch.setattr(latency, "ROUNDS", 2)
        patch.setattr(trial, "ROUNDS", 2)
        yield


@pytest.fixture(scope="module")
def design(quick):
    model, x = small()
    return st.plan_for(model, x, speedup=1.2, threads=1)


def test_every_layer_that_may_be_pruned_has_a_rule_and_a_reason(design):
    assert {layer.name for layer in design.layers} == PRUNABLE
    assert {rule.match for rule in design.plan.rules} == PRUNABLE
    for layer in design.layers:
        assert layer.ms > 0 and layer.dense_ms > 0 and 0 <= layer.error <= 1
        assert layer.reason in design.to_toml()


def test_the_file_is_the_plan(design, tmp_path):
    design.save(tmp_path / "plan.toml")
    assert st.Plan.load(tmp_path / "plan.toml") == design.plan
    json.dumps(design.to_json())


def test_times_add_up(design):
    assert design.speedup == design.dense_ms / design.ms
    layers = sum(layer.dense_ms for layer in design.layers)
    assert design.rest_ms == pytest.approx(design.dense_ms - layers)


def test_what_was_measured_is_not_measured_again(design):
    said = []
    model, x = small()
    st.plan_for(model, x, speedup=1.2, threads=1, progress=said.append)
    assert not [line for line in said if "measure layers" in line or "zeros cost" in line]


def test_a_time_out_of_reach_gives_the_fastest_plan_and_one_sentence(design):
    model, x = small()
    found = st.plan_for(model, x, ms=1e-6, threads=1)
    assert found.is_fastest and not found.is_reached
    assert "1e-06 ms cannot be reached" in str(found)
    assert "\n" not in str(found)
    pruned = st.prune(model, found.plan)
    engine = st.load(st.compile(pruned, x, plan=found.plan, threads=1))
    with torch.inference_mode():
        wanted = pruned(x)
    np.testing.assert_allclose(engine(x), wanted, atol=1e-4)


def test_samples_say_what_zeros_cost_the_outputs(design):
    model, x = small()
    samples = torch.randn(8, *x.shape[1:])
    found = st.plan_for(model, x, speedup=1.2, threads=1, samples=samples)
    assert "samples" in found.error
    assert "no samples" in design.error
    again = st.plan_for(model, x, speedup=1.2, threads=1, samples=samples.numpy())
    assert {layer.name for layer in again.layers} == PRUNABLE


@pytest.mark.parametrize(
    ("goal", "message"),
    [
        ({}, "say one of the two"),
        ({"speedup": 3, "ms": 2}, "say one of the two"),
        ({"speedup": 0}, "speedup must be a number above 0; got 0"),
        ({"ms": float("nan")}, "ms must be a number above 0; got nan"),
    ],
)
def test_a_goal_is_one_positive_number(goal, message):
    with pytest.raises(InputError, match=message):
        st.plan_for(*small(), threads=1, **goal)


def test_a_net_that_is_pruned_already_is_refused():
    model, x = small()
    plan = st.Plan.from_dict({"layers": [{"match": "features.5", "structure": "block"}]})
    ir = st.export(st.prune(model, plan), x, plan)
    with pytest.raises(ModelError, match=r"features\.5 is pruned already"):
        st.plan_for(ir, speedup=2)


def test_a_net_without_layers_to_prune_is_refused():
    with pytest.raises(ModelError, match="no layer to prune"):
        st.plan_for(nn.Conv2d(3, 8, 3).eval(), torch.randn(1, 3, 8, 8), speedup=2)


def test_samples_need_the_module():
    ir = st.export(*small())
    with pytest.raises(InputError, match="samples run through a torch module"):
        st.plan_for(ir, speedup=2, samples=torch.randn(2, 3, 5, 6))


def test_a_spoilt_file_of_numbers_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    known = Known()
    known.add({("a", 1): [1.0, 2.0]})
    assert Known().get(("a", 1)) == 1.5
    known.path.write_text("{")
    with pytest.raises(FileError, match="remove it; it is measured again"):
        Known()
