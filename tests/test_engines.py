"""A net meets shapes that it was not compiled for: Engines compile for each, or say why not."""

import numpy as np
import pytest
import torch
from torch import nn

import sparsetvm as st
from sparsetvm.errors import InputError, ModelError

TOLERANCE = 1e-4
"""Of the largest value."""


class Hidden(nn.Module):
    """A recurrent layer's states after each step."""

    def __init__(self, rnn: nn.RNNBase):
        super().__init__()
        self.rnn = rnn

    def forward(self, x):
        return self.rnn(x)[0]


def images() -> nn.Module:
    layers = nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(8, 16, 3)
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 5))


def clips() -> nn.Module:
    layers = nn.Conv3d(3, 8, 3, padding=1), nn.ReLU(), nn.MaxPool3d((1, 2, 2))
    return nn.Sequential(*layers, nn.Conv3d(8, 8, 3, padding=1), nn.ReLU())


NETS = {
    "sequence lengths and batches": (
        Hidden(nn.GRU(16, 32)),
        {"match": "*weight_*", "structure": "bcr", "rows": 16, "columns": 8},
        [(3, 1, 16), (5, 1, 16), (5, 4, 16)],
    ),
    "batches and image sizes": (
        images(),
        {"match": "3", "structure": "connectivity", "connectivity": 2.0, "group": 4},
        [(1, 3, 12, 14), (3, 3, 12, 14), (1, 3, 9, 11)],
    ),
    "clip lengths": (
        clips(),
        {"match": "3", "structure": "vanilla", "rate": 2.0},
        [(1, 3, 4, 8, 8), (1, 3, 7, 8, 8)],
    ),
}


@pytest.mark.parametrize("name", NETS)
def test_a_net_is_compiled_for_each_shape_that_it_meets(name, rng):
    net, layers, shapes = NETS[name]
    plan = st.Plan.from_dict({"layers": [layers]})
    net = st.prune(net.eval(), plan)
    engines = st.Engines(net, plan=plan, threads=1)
    for shape in shapes:
        x = torch.from_numpy(rng.standard_normal(shape, np.float32))
        with torch.no_grad():
            wanted = net(x)
        assert (engines(x) - wanted).abs().max() <= TOLERANCE * wanted.abs().max()
    assert len(engines) == len(shapes)
    assert any(layer.rate > 1 for layer in engines.engine_for(x).manifest.layers)


def test_a_shape_that_was_met_is_not_compiled_again_and_numpy_will_do():
    engines = st.Engines(nn.Linear(8, 4), keep=1, threads=1)
    x = np.ones((2, 8), np.float32)
    first = engines.engine_for(x)
    assert engines.engine_for(torch.from_numpy(x)) is first
    assert isinstance(engines(x), np.ndarray)
    engines(np.ones((3, 8), np.float32))
    assert len(engines) == 1
    assert engines.engine_for(x) is not first


def test_engines_share_the_weights_that_are_packed_alike():
    engines = st.Engines(Hidden(nn.GRU(16, 32)), threads=1)
    short, long = (engines.engine_for(torch.zeros(steps, 1, 16)) for steps in (3, 5))
    pointers = [{w.data_ptr() for w in engine._weights} for engine in (short, long)]
    assert pointers[0] == pointers[1]


def test_the_model_is_the_one_that_was_given_whatever_becomes_of_it():
    net = nn.Linear(8, 4)
    engines = st.Engines(net, threads=1)
    x = torch.ones(2, 8)
    wanted = net(x).detach()
    nn.init.zeros_(net.weight)
    assert (engines(x) - wanted).abs().max() <= TOLERANCE


def test_a_size_that_the_net_cannot_take_is_refused_in_one_sentence():
    net = nn.Sequential(nn.Conv2d(3, 8, 3), nn.Flatten(), nn.Linear(8 * 4 * 4, 5))
    engines = st.Engines(net, threads=1)
    assert engines(torch.zeros(1, 3, 6, 6)).shape == (1, 5)
    with pytest.raises(ModelError, match=r"torch\.export cannot trace it"):
        engines(torch.zeros(1, 3, 9, 9))


def test_a_net_of_one_shape_says_which():
    program = torch.export.export(nn.Linear(8, 4), (torch.zeros(2, 8),))
    with pytest.raises(
        InputError, match=r"takes float32 \[2, 8\] alone; got float32 \[3, 8\]\n  give Engines the"
    ):
        st.Engines(program, threads=1)(torch.zeros(3, 8))


@pytest.mark.parametrize(
    ("x", "message"), [({"x": 1}, "an input is a dict"), ([1.0], "an input is a float")]
)
def test_what_is_no_tensor_is_refused(x, message):
    with pytest.raises(InputError, match=message):
        st.Engines(nn.Linear(8, 4), threads=1)(x)


def test_keeping_no_engine_is_refused():
    with pytest.raises(InputError, match="keep 1 engine or more; got keep=0"):
        st.Engines(nn.Linear(8, 4), keep=0)
