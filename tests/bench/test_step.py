"""A training step is timed on our kernels and dense, and its gradients are checked."""

import json

from sparsetvm.bench.step import step


def test_a_step_is_timed_beside_torchs_dense_one():
    result = step("conv:16x16x3x14", "pattern8x-b8", batch=2, seconds=0.1)
    assert result.ours.error < 1e-4
    assert result.dense.error < 1e-4
    assert result.speedup == result.dense.timing.ms / result.ours.timing.ms
    table = json.loads(json.dumps(result.to_json()))
    assert table["speedup"] == result.speedup
    assert table["ours"]["timing"]["ms"] == result.ours.timing.ms
