"""Figures are medians of quiet blocks, and a block that others disturbed is known."""

import subprocess
import sys

import pytest

from sparsetvm.bench.contest import contest
from sparsetvm.bench.machine import activity, cores, machine
from sparsetvm.bench.measure import Use, is_quiet
from sparsetvm.bench.model_files import write_inputs
from sparsetvm.bench.timing import summarise

from .small import contender, small_net


def test_the_median_is_of_all_runs_of_quiet_blocks():
    timing = summarise([(1.0, 2.0, 3.0), (4.0, 5.0)], [(90.0, 91.0)])
    assert (timing.ms, timing.runs, timing.blocks, timing.disturbed) == (3.0, 5, 2, 1)
    assert timing.p10 == pytest.approx(1.4) and timing.p90 == pytest.approx(4.6)
    assert timing.quiet


def test_the_quickest_disturbed_block_counts_where_none_was_quiet_and_it_is_said():
    timing = summarise([], [(9.0, 9.0), (1.0, 7.0, 8.0)])
    assert (timing.ms, timing.blocks, timing.disturbed, timing.quiet) == (7.0, 1, 2, False)


@pytest.mark.parametrize(
    ("use", "threads", "free", "quiet"),
    [
        (Use(seconds=1, others=0.05, stolen=0, waited=0), 2, 0, True),
        (Use(seconds=1, others=0.20, stolen=0, waited=0), 2, 0, False),
        (Use(seconds=1, others=1.00, stolen=0, waited=0), 1, 1, True),  # others on the free core
        (Use(seconds=1, others=1.00, stolen=0, waited=0.1), 1, 1, False),  # we had to wait for ours
        (Use(seconds=1, others=0.00, stolen=0.1, waited=0), 1, 1, False),
        (Use(seconds=0.3, others=0.05, stolen=0, waited=0), 2, 0, False),  # 0.17 of a core
    ],
)
def test_others_may_use_the_free_cores_only(use, threads, free, quiet):
    assert is_quiet(use, threads, free) is quiet


@pytest.mark.skipif(activity() is None, reason="this system does not tell how busy it is")
def test_a_busy_machine_is_noticed(tmp_path):
    spin = [sys.executable, "-c", "while True: pass"]
    busy = [subprocess.Popen(spin) for _ in range(cores())]
    try:
        net = small_net()
        entry = contender(net, "onnxruntime", tmp_path)
        timing = contest([entry], write_inputs(net, tmp_path), 1, seconds=0.3)["onnxruntime"].timing
    finally:
        for process in busy:
            process.kill()
            process.wait()
    assert timing.disturbed


def test_the_machine_has_a_name_and_cores():
    found = machine()
    assert found.cpu and found.system and 1 <= found.cores
