"""A machine's ceilings are measured, and a kernel is held against the lower one."""

from sparsetvm.bench import ceilings
from sparsetvm.bench.ceilings import Ceilings, measure_ceilings


def test_few_operations_a_byte_are_held_against_memory_many_against_arithmetic():
    machine = Ceilings(threads=1, gflops=200.0, bandwidth=40.0)
    assert [machine.at(intensity) for intensity in (0.5, 5, 50)] == [20.0, 200.0, 200.0]


def test_a_core_multiplies_faster_than_memory_brings_numbers(monkeypatch):
    monkeypatch.setattr(ceilings, "SECONDS", 0.1)
    machine = measure_ceilings(1)
    assert machine.threads == 1
    assert 0.5 < machine.bandwidth < machine.gflops < 2000  # of one core, whichever it is
