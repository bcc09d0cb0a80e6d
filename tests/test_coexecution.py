"""Several nets in one engine give what each alone gives, and share what is equal."""

import re
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from torch import nn

import sparsetvm as st
from sparsetvm.cli import main
from sparsetvm.errors import InputError, ModelError
from sparsetvm.passes.side_by_side import Beside

PLAN = st.Plan.from_dict(
    {
        "layers": [
            {
                "match": "backbone.*",
                "min_channels": 8,
                "structure": "pattern+connectivity",
                "connectivity": 2.0,
                "group": 4,
            }
        ]
    }
)


class Backbone(nn.Module):
    """A residual block, a strided layer, and a pool between; odd sizes on purpose."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, padding=1)
        self.body = nn.Conv2d(8, 8, 3, padding=1)
        self.down = nn.Conv2d(8, 12, 3, stride=2, padding=1)

    def forward(self, x):
        x = torch.relu(self.stem(x))
        x = torch.relu(self.body(x) + x)
        return torch.tanh(self.down(nn.functional.max_pool2d(x, 2)))


class Labels(nn.Module):
    def __init__(self, backbone):
        super().__init__()
        self.backbone, self.linear = backbone, nn.Linear(12, 5)

    def forward(self, x):
        return self.linear(self.backbone(x).mean((2, 3)))


class Maps(nn.Module):
    """Two outputs, of which one is the backbone's own."""

    def __init__(self, backbone):
        super().__init__()
        self.backbone, self.conv = backbone, nn.Conv2d(12, 3, 3)

    def forward(self, x):
        features = self.backbone(x)
        return self.conv(features), features


def exported(module, x, seed=0):
    torch.manual_seed(seed)
    for parameter in module.parameters():
        nn.init.normal_(parameter, std=0.3)
    return st.export(st.prune(module.eval(), PLAN), x, PLAN)


@pytest.fixture(scope="module")
def x():
    return torch.randn(1, 3, 13, 18, generator=torch.Generator().manual_seed(1))


@pytest.fixture(scope="module")
def heads(x):
    """Two nets with one backbone."""
    torch.manual_seed(0)
    backbone = Backbone()
    labels = exported(Labels(backbone), x)
    return {"labels": labels, "maps": st.export(st.prune(Maps(backbone).eval(), PLAN), x, PLAN)}


@pytest.fixture(scope="module")
def strangers(x):
    """Three nets of one architecture, their weights drawn apart."""
    return {f"net {i}": exported(Labels(Backbone()), x, seed=i) for i in range(3)}


@pytest.fixture(scope="module")
def alone(heads, strangers):
    """Each net's own engine."""
    nets = heads | strangers
    return {name: st.load(st.compile(ir, threads=1)) for name, ir in nets.items()}


@pytest.fixture(scope="module")
def headed(heads):
    return st.coexecute(heads, threads=1, beside=Beside.NONE)


def as_tuple(outputs):
    return outputs if isinstance(outputs, tuple) else (outputs,)


def assert_each_as_alone(engine, alone, x):
    """To the bit, for sums are in the same order; all in one run and one by one."""
    results = engine(x)
    assert tuple(results) == engine.nets
    for net, own in results.items():
        for y, entry, expected in zip(
            as_tuple(own), as_tuple(engine[net](x)), as_tuple(alone[net](x)), strict=True
        ):
            assert_array_equal(y.numpy(), expected.numpy())
            assert_array_equal(entry.numpy(), expected.numpy())


def test_heads_on_one_backbone_run_it_once(headed, alone, x):
    assert_each_as_alone(headed, alone, x)
    once = {f"labels/backbone.{n}": (f"maps/backbone.{n}",) for n in ("stem", "body", "down")}
    assert headed.manifest.sharing.once == once
    names = [step.name for step in headed.manifest.steps]
    assert [names.count(name) for name in once] == [1, 1, 1]
    assert headed.manifest.sharing.read < 0.7 * headed.manifest.sharing.read_apart


@pytest.mark.parametrize("beside", Beside)
def test_strangers_give_what_they_give_alone_however_they_run(strangers, alone, x, beside):
    engine = st.coexecute(strangers, threads=1, beside=beside)
    assert_each_as_alone(engine, alone, x)
    layers = {
        "stem": tuple(f"net {i}/backbone.stem" for i in range(3)),
        "body": tuple(f"net {i}/backbone.body" for i in range(3)),
        "down": tuple(f"net {i}/backbone.down" for i in range(3)),
    }
    wanted = {Beside.NONE: [], Beside.READERS: ["stem"], Beside.ALL: ["stem", "body", "down"]}
    assert engine.manifest.sharing.beside == tuple(layers[name] for name in wanted[beside])


def test_every_way_is_measured_and_the_fastest_stays(strangers, alone, x):
    engine = st.coexecute(strangers, threads=2)
    assert engine.manifest.sharing.ms.keys() == {way.value for way in Beside}
    for net, y in engine(x).items():
        assert_allclose(y.numpy(), alone[net](x).numpy(), atol=1e-5)


def test_one_file_holds_all_nets_and_what_they_share_once(strangers, x, tmp_path):
    engine = st.coexecute(strangers, threads=1, beside=Beside.ALL)
    engine.save(tmp_path / "all.stvm")
    again = st.load(tmp_path / "all.stvm")
    assert again.manifest == engine.manifest
    for net, y in engine(x).items():
        assert_array_equal(again(x)[net].numpy(), y.numpy())
        assert_array_equal(again[net](x).numpy(), y.numpy())
    alone = [st.compile(ir, threads=1) for ir in strangers.values()]
    # the weights are there once; side by side they have other columns and rows than alone
    assert again.artifact.weight_bytes < 1.5 * sum(artifact.weight_bytes for artifact in alone)
    values = sum(a.nbytes for n, a in again.artifact.weights.items() if n.endswith(".values"))
    assert again.artifact.weight_bytes < values


def test_the_command_line_runs_all_nets_of_a_file(headed, x, tmp_path):
    headed.save(tmp_path / "heads.stvm")
    np.save(tmp_path / "x.npy", x.numpy())
    files = {"--input": "x.npy", "--output": "y.npz"}
    options = [part for name, file in files.items() for part in (name, str(tmp_path / file))]
    with pytest.raises(SystemExit) as end:
        main(["run", str(tmp_path / "heads.stvm"), "--repeats", "1", *options])
    assert not end.value.code
    with np.load(tmp_path / "y.npz") as outputs:
        assert set(outputs.files) == {"labels/y0", "maps/y0", "maps/y1"}
        assert_array_equal(outputs["labels/y0"], headed(x)["labels"].numpy())


def test_equal_nets_are_one(x):
    ir = exported(Labels(Backbone()), x)
    engine = st.coexecute([ir, ir], threads=1)
    assert engine.nets == ("a", "b")
    first, second = engine(x).values()
    assert_array_equal(first.numpy(), second.numpy())
    assert len(engine.manifest.steps) == len(engine["b"].manifest.steps)
    assert engine.artifact.weight_bytes == st.compile(ir, threads=1).weight_bytes


def test_equal_weights_on_other_inputs_run_apart_and_are_kept_once(strangers, alone, x):
    ir = strangers["net 0"]
    engine = st.coexecute({"left": ir, "right": ir}, threads=1, shared=False)
    left, right = x.numpy(), x.numpy()[..., ::-1]
    assert [spec.name for spec in engine.manifest.inputs] == ["left/x", "right/x"]
    results = engine({"left/x": left, "right/x": right})
    assert_array_equal(results["left"], alone["net 0"](left))
    assert_array_equal(results["right"], alone["net 0"](right))
    assert_array_equal(engine["right"](right), results["right"])
    assert engine.artifact.weight_bytes == st.compile(ir, threads=1).weight_bytes


def test_nets_on_inputs_of_their_own_run_side_by_side(strangers, alone, x):
    engine = st.coexecute(strangers, threads=1, shared=False, beside=Beside.ALL)
    assert len(engine.manifest.sharing.beside) == 3
    images = [x.numpy(), x.numpy()[..., ::-1], x.numpy()[:, ::-1]]
    results = engine(images)
    for net, image in zip(strangers, images, strict=True):
        assert_array_equal(results[net], alone[net](image))
        assert_array_equal(engine[net](image), results[net])


def test_a_table_says_which_inputs_are_one(strangers, alone, x):
    nets = {"left": strangers["net 0"], "right": strangers["net 1"]}
    engine = st.coexecute(nets, threads=1, shared={"image": ["left/x", "right/x"]})
    assert [spec.name for spec in engine.manifest.inputs] == ["image"]
    assert_array_equal(engine(x)["right"].numpy(), alone["net 1"](x).numpy())


def test_inputs_that_do_not_agree_are_said(strangers, x):
    other = exported(Labels(Backbone()), x[:, :, :11])
    nets = {"a": strangers["net 0"], "b": other}
    message = "shared input image: a/x is float32 (1, 3, 13, 18), b/x float32 (1, 3, 11, 18)"
    with pytest.raises(ModelError, match=re.escape(message)):
        st.coexecute(nets, shared={"image": ["a/x", "b/x"]})
    with pytest.raises(ModelError, match="shared input image: a/y is no input of the nets"):
        st.coexecute(nets, shared={"image": ["a/y"]})


def test_a_net_that_is_not_there_is_said(headed):
    with pytest.raises(
        InputError, match="no net 'depth' in this engine; its nets are labels, maps"
    ):
        headed["depth"]


def test_an_engine_of_no_nets_is_refused():
    with pytest.raises(ModelError, match="0 nets have no names"):
        st.coexecute([])


def test_entries_run_at_the_same_time(headed, alone, x):
    with ThreadPoolExecutor(2) as threads:
        runs = {
            net: threads.submit(lambda net=net: [as_tuple(headed[net](x))[0] for _ in range(50)])
            for net in headed.nets
        }
    for net, run in runs.items():
        expected = as_tuple(alone[net](x))[0].numpy()
        assert all(np.array_equal(y.numpy(), expected) for y in run.result())
