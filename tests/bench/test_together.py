"""Several nets in one engine are timed beside engines of their own."""

import json

from sparsetvm.bench.together import AT_ONCE, IN_TURN, TOGETHER, together


def test_two_nets_are_timed_in_three_ways():
    result = together("conv:16x16x3x14", "pattern8x-b8", nets=2, threads=1, seconds=0.1)
    assert result.timings.keys() == {TOGETHER, IN_TURN, AT_ONCE}
    assert result.difference < 1e-5
    assert result.sharing.read <= result.sharing.read_apart
    table = json.loads(json.dumps(result.to_json()))
    assert table["speedup"][f"over {IN_TURN}"] == result.speedup(IN_TURN)
    if result.memory is not None:
        assert 0 < table["memory_ratio"] < 1.5
