"""What a bench found is printed so that a person sees who is fastest, and against what."""

from sparsetvm.bench.contest import Outcome
from sparsetvm.bench.machine import Machine
from sparsetvm.bench.operations import Operations
from sparsetvm.bench.result import BenchResult
from sparsetvm.bench.timing import summarise
from sparsetvm.cli.bench import _text


def timed(ms, quiet=True):
    blocks = [(ms * 0.9, ms, ms * 1.1)]
    return Outcome(summarise(blocks if quiet else [], [] if quiet else blocks), 1e-6, "1.0")


RESULT = BenchResult(
    net="vgg16",
    description="VGG-16's conv part",
    plan="pattern8x-b8",
    threads=1,
    seconds=1.2,
    seed=0,
    machine=Machine("a CPU", 2, "Linux"),
    operations=Operations(dense=810, kept=100),
    ours=timed(40.0),
    ours_dense=timed(162.0),
    ours_direct=timed(324.0),
    dense_peers={"torch": timed(200.0, quiet=False), "onnxruntime": timed(160.0)},
    sparse_peers={"deepsparse_sparse": Outcome(skipped="it is not installed")},
    layers=(),
)


def test_engines_are_listed_from_the_fastest_with_ratio_error_and_spread():
    assert _text(RESULT).splitlines()[2:6] == [
        "  sparsetvm                  40.000 ms   1.00x  error 1e-06  (36.800 to 43.200)",
        "  onnxruntime               160.000 ms   4.00x  error 1e-06  (147.200 to 172.800)",
        "  sparsetvm_dense           162.000 ms   4.05x  error 1e-06  (149.040 to 174.960)",
        "  torch                     200.000 ms   5.00x  error 1e-06  (184.000 to 216.000)"
        "   others disturbed every run",
    ]


def test_the_conditions_come_first_and_the_gain_last():
    lines = _text(RESULT).splitlines()
    assert lines[0] == "VGG-16's conv part; plan pattern8x-b8"
    assert lines[1].startswith("1 thread on a CPU, medians (p10 to p90) of interleaved runs")
    assert lines[-3:] == [
        "  deepsparse_sparse      skipped: it is not installed",
        "4.00x over onnxruntime, the fastest dense engine",
        "8.1x fewer operations than our own dense direct form, 100% of that realised",
    ]
