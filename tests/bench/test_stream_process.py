"""A process that answers by its own timer counts what comes late and what is never answered."""

import pytest

from sparsetvm.bench import stream_process
from sparsetvm.bench.stream_process import answer


@pytest.fixture
def clock(monkeypatch):
    """Time that passes only by sleeping and by runs of 2.5 s."""

    class Clock:
        time = 0.0

        def sleep(self, seconds):
            self.time += seconds

    clock = Clock()
    monkeypatch.setattr(stream_process, "now", lambda: clock.time)
    monkeypatch.setattr(stream_process.time, "sleep", clock.sleep)
    return clock


@pytest.mark.parametrize(
    ("when_busy", "latencies", "dropped"),
    [
        ("latest", [2.5, 3.0, 2.5], 3),  # requests 0, 2, 5 of 0 .. 5: one a second
        ("drop", [2.5, 2.5], 4),  # 0 and 3
        ("queue", [2.5, 4.0, 5.5, 7.0, 8.5, 10.0], 0),
    ],
)
def test_a_slow_net_misses_requests(clock, when_busy, latencies, dropped):
    def run():
        clock.time += 2.5

    assert answer(run, 0.0, 6.0, 1.0, when_busy) == (latencies, dropped)
