"""Every peer that is installed computes what torch does; the others say how to get them."""

import sys
from dataclasses import replace
from pathlib import Path
from shutil import which

import pytest

from sparsetvm.bench.contest import contest
from sparsetvm.bench.environments import install_line, install_peers, interpreter
from sparsetvm.bench.model_files import write_inputs
from sparsetvm.bench.peers import peers
from sparsetvm.bench.peers.peer import OURS
from sparsetvm.errors import FileError, SparseTVMError

from .small import contender, small_net

THEIRS = [name for name in peers if name != "sparsetvm"]


def installed(name: str) -> bool:
    return interpreter(peers[name]) is not None and (name != "torch_compile" or which("g++"))


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[] if installed(name) else pytest.mark.skip(f"no {name} here"))
        for name in THEIRS
    ],
)
def test_a_peer_computes_what_torch_computes(name, tmp_path):
    net = small_net()
    found = contest(
        [contender(net, name, tmp_path)], write_inputs(net, tmp_path), threads=1, seconds=0.1
    )[name]
    assert found.skipped is None
    assert found.error < 1e-5  # of the largest value; sums of 63 products in another order
    assert found.timing.p10 <= found.timing.ms <= found.timing.p90


def test_an_unknown_peer_is_answered_with_the_known_ones():
    with pytest.raises(SparseTVMError, match="unknown peer 'tensorrt'; known: deepsparse, mnn"):
        peers["tensorrt"]


def test_the_install_line_makes_the_environment_and_leaves_out_what_is_large():
    assert install_line(peers["ncnn"]) == (
        "python -m venv .venv-peers"
        " && .venv-peers/bin/pip install ncnn==1.0.20261020"
        " && .venv-peers/bin/pip install --no-deps pnnx==20261020"
    )


@pytest.mark.parametrize("name", THEIRS)
def test_peers_are_pinned(name):
    peer = peers[name]
    assert all("==" in line for line in (*peer.requirements, *peer.bare_requirements))


@pytest.mark.parametrize("name", [name for name in THEIRS if peers[name].environment == OURS])
def test_peers_beside_ours_are_pinned_as_the_project_pins_them(name):
    pyproject = (Path(__file__).resolve().parents[2] / "pyproject.toml").read_text()
    assert all(f'"{line}' in pyproject for line in peers[name].requirements)


def test_a_package_that_cannot_be_had_is_answered_with_the_line_to_try(tmp_path, monkeypatch):
    peer = replace(peers["mnn"], environment="env", requirements=("no-such-package-of-ours==1",))
    monkeypatch.setattr("sparsetvm.bench.environments.package_root", lambda: tmp_path)
    monkeypatch.setattr("sparsetvm.bench.environments.peers", {"mnn": peer})
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    (tmp_path / "env/bin").mkdir(parents=True)
    (tmp_path / "env/bin/python").symlink_to(sys.executable)
    with pytest.raises(
        FileError, match=r"mnn could not be installed: .*\n  try it by hand: python"
    ):
        install_peers(["mnn"])
