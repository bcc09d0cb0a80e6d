"""A result says everything in JSON, and compares with the fastest dense engine."""

import json

import pytest

from sparsetvm.bench.contest import Outcome
from sparsetvm.bench.machine import machine
from sparsetvm.bench.operations import Operations, count_operations
from sparsetvm.bench.result import BenchResult
from sparsetvm.bench.timing import summarise

from .small import small_net, with_zeros


def timed(ms: float, error: float = 1e-6) -> Outcome:
    return Outcome(summarise([(ms, ms)], []), error, "1.0")


def result(**changes) -> BenchResult:
    facts = {
        "net": "vgg16",
        "description": "VGG-16",
        "plan": "pattern8x-b8",
        "threads": 1,
        "seconds": 1.2,
        "seed": 0,
        "machine": machine(),
        "operations": Operations(dense=800, kept=100),
        "ours": timed(10.0, error=2e-6),
        "ours_dense": timed(50.0),
        "ours_direct": timed(60.0),
        "dense_peers": {
            "onnxruntime": timed(50.0),
            "ncnn": timed(30.0),
            "mnn": Outcome(skipped="gone"),
        },
        "sparse_peers": {"deepsparse_sparse": timed(20.0)},
        "layers": ({"name": "features.0", "ms": 1.0},),
    }
    return BenchResult(**{**facts, **changes})


def test_the_json_has_what_the_design_promises():
    table = json.loads(json.dumps(result().to_json(), allow_nan=False))
    assert table["ours"] == {
        "ms": 10.0,
        "dense_ms": 50.0,
        "dense_direct_ms": 60.0,
        "realised": 0.75,
    }
    assert table["peers"] == {"onnxruntime": 50.0, "ncnn": 30.0, "deepsparse_sparse": 20.0}
    assert table["fastest_dense"] == "ncnn"
    assert table["speedup_over_fastest_dense"] == 3.0
    assert table["max_relative_error"] == 2e-6
    assert table["skipped"] == {"mnn": "gone"}
    assert table["operations"]["reduction"] == 8.0
    ours = {"sparsetvm", "sparsetvm_dense", "sparsetvm_dense_direct"}
    assert set(table["spread"]) == {*ours, *table["peers"]}
    assert table["layers"] == [{"name": "features.0", "ms": 1.0}]
    assert {"net", "plan", "threads", "machine", "versions", "seconds", "seed"} <= set(table)


def test_what_was_not_measured_is_null():
    table = result(ours=Outcome(skipped="its process ended"), dense_peers={}).to_json()
    assert table["ours"] == {
        "ms": None,
        "dense_ms": 50.0,
        "dense_direct_ms": 60.0,
        "realised": None,
    }
    assert table["fastest_dense"] is None and table["speedup_over_fastest_dense"] is None
    assert table["skipped"] == {"sparsetvm": "its process ended"}


def test_operations_are_counted_without_the_zeros():
    operations = count_operations(with_zeros(small_net(), keep=5))
    # 10 filters of 7x3x3 at 5x7 places, then 5 of 10x3x3 at 3x5
    dense = 2 * (10 * 63 * 35 + 5 * 90 * 15)
    assert operations.dense == dense
    assert operations.reduction == pytest.approx(5.0)
