"""The whole bench: pruned, compiled, checked and timed beside a peer."""

import json

import pytest

from sparsetvm.bench.compare import bench
from sparsetvm.errors import ModelError, PlanError, SparseTVMError


def test_a_layer_is_compared_with_its_dense_form_and_a_peer():
    said = []
    result = bench(
        "conv:16x24x3x10",
        "pattern8x-b8",
        peers=["onnxruntime", "sparsetvm"],
        seconds=0.1,
        progress=said.append,
    )
    table = json.loads(json.dumps(result.to_json(), allow_nan=False))
    assert list(table["peers"]) == [table["fastest_dense"]] == ["onnxruntime"]
    assert table["skipped"] == {}
    assert all(error < 1e-5 for error in table["errors"].values())
    assert table["operations"]["reduction"] == pytest.approx(9)  # 4 of 9 entries, 4 of 16 channels
    (layer,) = table["layers"]
    assert (layer["name"], layer["form"]) == ("conv", "sparse direct")
    assert layer["realised"] == pytest.approx(layer["dense_ms"] / layer["ms"] / layer["rate"])
    assert table["plan"] == "pattern8x-b8"
    assert said[0] == "pruning conv:16x24x3x10"


def test_the_dense_form_computes_the_dense_weights():
    """Its weights are not pruned: a packed form drops zeros wherever it finds them."""
    result = bench("conv:16x16x3x12", "block4x1-70", peers=[], seconds=0.1)
    assert result.ours_dense.error < 1e-5 and result.ours.error < 1e-5
    assert result.fastest_dense is None


@pytest.mark.parametrize(
    ("net", "plan", "peers", "error"),
    [
        ("vgg61", "pattern8x-b8", [], ModelError),
        ("conv:8x8x3x8", "no-such-plan", [], PlanError),
        ("conv:8x8x3x8", "pattern8x-b8", ["tensorrt"], SparseTVMError),
    ],
)
def test_what_is_not_known_is_refused_before_anything_runs(net, plan, peers, error):
    said = []
    with pytest.raises(error):
        bench(net, plan, peers, progress=said.append)
    assert said == []
