"""Contenders are checked before they are timed, and none takes the others down with it."""

import os
import signal
from dataclasses import replace
from importlib.metadata import version

import numpy as np
import pytest

from sparsetvm.bench import process as process_module
from sparsetvm.bench.contest import contest, relative_error
from sparsetvm.bench.model_files import write_inputs
from sparsetvm.bench.peers import peers
from sparsetvm.bench.peers.peer import OURS
from sparsetvm.bench.process import PeerFailed, PeerProcess

from .small import contender, small_net


@pytest.fixture
def entry(tmp_path):
    """ONNX Runtime on the small net, and the file of its inputs."""
    net = small_net()
    return contender(net, "onnxruntime", tmp_path), write_inputs(net, tmp_path)


def start(entry, inputs, threads=1) -> PeerProcess:
    return PeerProcess(entry.name, entry.peer, entry.model, inputs, threads)


def test_contenders_are_timed_in_one_run_and_told_apart(entry):
    onnxruntime, inputs = entry
    twin = replace(onnxruntime, name="twin")
    said = []
    found = contest([onnxruntime, twin], inputs, threads=1, seconds=0.6, progress=said.append)
    assert list(found) == ["onnxruntime", "twin"]
    for outcome in found.values():
        assert outcome.timing.runs >= outcome.timing.blocks >= 1
        assert outcome.version == version("onnxruntime")
    assert said[:2] == ["loading onnxruntime", "loading twin"]
    assert sorted(said[2:4]) == ["round 1 of 2: onnxruntime", "round 1 of 2: twin"]


def test_what_disagrees_gets_no_time(entry):
    contender, inputs = entry
    (expected,) = contender.expected
    off = expected + np.float32(0.01) * np.abs(expected).max()
    found = contest([replace(contender, expected=(off,))], inputs, threads=1, seconds=0.1)
    outcome = found["onnxruntime"]
    assert outcome.timing is None
    assert outcome.error == pytest.approx(0.01, rel=0.1)
    assert outcome.skipped == (
        "its outputs are off by 1.0e-02 of the largest value; 1e-03 is allowed"
    )


def test_outputs_of_other_shapes_get_no_time(entry):
    contender, inputs = entry
    found = contest([replace(contender, expected=())], inputs, threads=1, seconds=0.1)
    assert found["onnxruntime"].skipped == "its outputs have other shapes or are no numbers"


def test_a_model_that_the_peer_cannot_read_is_its_own_failure(entry, tmp_path):
    contender, inputs = entry
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(b"no model")
    found = contest([replace(contender, model=broken, name="broken"), contender], inputs, 1, 0.1)
    assert "broken.onnx" in found["broken"].skipped
    assert found["onnxruntime"].timing


def test_a_peer_without_its_environment_is_skipped_with_the_line_that_installs_it(entry):
    contender, inputs = entry
    peer = replace(contender.peer, environment=".venv-nowhere")
    (outcome,) = contest([replace(contender, peer=peer)], inputs, 1, seconds=0.1).values()
    assert outcome.skipped == (
        "not installed (there is no .venv-nowhere); install it: "
        "python -m venv .venv-nowhere && .venv-nowhere/bin/pip install onnxruntime==1.32.0"
    )


def test_a_peer_without_its_package_is_skipped_with_the_line_that_installs_it(entry):
    contender, inputs = entry
    peer = replace(peers["deepsparse"], environment=OURS)  # where its pins keep it from being
    (outcome,) = contest([replace(contender, peer=peer)], inputs, 1, seconds=0.1).values()
    assert outcome.skipped == (
        "not installed (No module named 'deepsparse'); install it: pip install deepsparse==1.8.0"
    )


def test_a_process_that_dies_is_told_with_its_signal(entry):
    with start(*entry) as process:
        assert len(process.run(3).ms) == 3
        os.kill(process.pid, signal.SIGKILL)
        with pytest.raises(PeerFailed, match="its process ended by SIGKILL"):
            process.run(3)


def test_a_process_that_hangs_is_given_up(entry, monkeypatch):
    with start(*entry) as process:
        monkeypatch.setattr(process_module, "RUN_SECONDS", 0.2)
        os.kill(process.pid, signal.SIGSTOP)
        with pytest.raises(PeerFailed, match=r"gave no answer in 0\.2 s"):
            process.run(3)


def test_a_failure_among_the_runs_leaves_the_others_their_times(entry):
    contender, inputs = entry

    def kill_the_victim(said):
        if said.startswith("round 1"):
            for process in running:
                if process.name == "victim":
                    os.kill(process.pid, signal.SIGKILL)

    running = []

    class Watched(PeerProcess):
        def __init__(self, name, *arguments):
            super().__init__(name, *arguments)
            self.name = name
            running.append(self)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sparsetvm.bench.contest.PeerProcess", Watched)
        victim = replace(contender, name="victim")
        found = contest([contender, victim], inputs, 1, 0.1, progress=kill_the_victim)
    assert found["onnxruntime"].timing
    assert "SIGKILL" in found["victim"].skipped
    assert found["victim"].timing is None


def test_no_process_is_left_behind(entry):
    with start(*entry) as process:
        pass
    with pytest.raises(ProcessLookupError):
        os.kill(process.pid, 0)


@pytest.mark.parametrize(
    ("output", "expected", "error"),
    [
        ([2.0, -4.0], [2.0, -4.0], 0.0),
        ([2.0, -4.0], [2.0, -5.0], 0.2),
        ([np.nan, 1.0], [0.0, 1.0], float("inf")),
        ([1.0], [1.0, 1.0], float("inf")),
        ([0.0], [0.0], 0.0),
    ],
)
def test_relative_error_is_of_the_largest_value(output, expected, error):
    found = relative_error([np.float32(output)], [np.float32(expected)])
    assert found == pytest.approx(error)


def test_the_worst_output_counts():
    good, bad = np.ones(3, np.float32), np.full(3, np.nan, np.float32)
    assert relative_error([good, bad], [good, good]) == float("inf")
