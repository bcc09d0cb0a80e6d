"""What a layer may take follows from its kind and shape."""

import pytest

import sparsetvm as st
from sparsetvm.codesign.candidates import families
from tests.codesign.nets import small


@pytest.fixture(scope="module")
def layers():
    return {layer.name: layer for layer in st.export(*small()).layers}


def test_first_and_depthwise_layers_stay_dense(layers):
    assert families(layers["features.0"]) == families(layers["features.4"]) == ()


@pytest.mark.parametrize(
    ("name", "kinds"),
    [
        ("features.2", {"PatternConnectivity", "Connectivity"}),
        ("features.5", {"Block"}),
        ("head", {"Block"}),
    ],
)
def test_kernels_get_patterns_and_connectivity_and_single_places_get_blocks(layers, name, kinds):
    assert {type(family.base).__name__ for family in families(layers[name])} == kinds


def test_rates_between_the_measured_ones_rise_from_the_first_to_the_last(layers):
    for family in families(layers["features.2"]):
        rates = family.rates()
        assert set(family.measured) < set(rates)
        assert list(rates) == sorted(set(rates))
        assert (rates[0], rates[-1]) == (family.measured[0], family.measured[-1])
