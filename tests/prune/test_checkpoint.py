"""Checkpoints: taken at once, small, whole or absent, and resumed to the bit."""

import io
import os
import random
import resource
import shutil
import subprocess
import sys
from collections import Counter
from contextlib import contextmanager

import numpy as np
import pytest
import torch
from torch import nn

from sparsetvm.errors import FileError, ModelError, PlanError
from sparsetvm.prune.checkpoint import Checkpoints
from sparsetvm.sparsity import Plan
from tests.prune import training
from tests.prune.training import Training

KILLS = int(os.environ.get("SPARSETVM_KILLS", "3"))


class Thing:
    """Has whatever state it is given."""

    def __init__(self, state=None):
        self.state = state

    def state_dict(self):
        return self.state

    def load_state_dict(self, state):
        self.state = state


def files_in(folder):
    return sorted(path for path in folder.rglob("*") if path.is_file())


def bytes_in(folder):
    return sum(path.stat().st_size for path in files_in(folder))


def flip_a_byte(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


@contextmanager
def disk_that_takes(count):
    """Files of at most `count` bytes: the system refuses more, as it does when it is full."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (count, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def same(one, other):
    if isinstance(one, torch.Tensor):
        return (one.dtype, one.shape, one.stride()) == (
            other.dtype,
            other.shape,
            other.stride(),
        ) and one.reshape(-1).contiguous().view(torch.uint8).equal(
            other.reshape(-1).contiguous().view(torch.uint8)
        )
    if isinstance(one, np.ndarray):
        return one.dtype == other.dtype and np.array_equal(one, other)
    if isinstance(one, dict):
        return (
            type(one) is type(other)
            and [*one] == [*other]
            and all(same(one[key], other[key]) for key in one)
        )
    if isinstance(one, list | tuple):
        return type(one) is type(other) and len(one) == len(other) and all(map(same, one, other))
    return type(one) is type(other) and repr(one) == repr(other)


def test_state_of_every_kind_comes_back_to_the_bit(tmp_path):
    sparse = torch.randn(300, 70) * (torch.rand(300, 70) < 0.1)  # holds 0 and -0
    state = {
        "sparse": sparse,
        "again": sparse * 2,
        "channels last": torch.randn(2, 3, 4, 5).to(memory_format=torch.channels_last),
        "half": sparse.to(torch.bfloat16),
        "complex": torch.zeros(100, dtype=torch.complex64),
        "mask": sparse != 0,
        "whole": torch.arange(1000) % 3 - 1,
        "no elements": torch.zeros(0, 3),
        "step": torch.tensor(3.0),
        "array": np.zeros((30, 20), np.uint32),
        "$odd": {0: {"betas": (0.9, 1e-300)}, None: [float("inf"), float("nan"), -0.0, 2**80]},
        "milestones": Counter({3: 1, 5: 2}),
    }
    thing = Thing(state)
    checkpoints = Checkpoints(tmp_path, thing=thing)
    checkpoints.save(epoch=3, name="x")
    thing.state = None
    assert checkpoints.restore() == {"epoch": 3, "name": "x"}
    assert same(thing.state, state)


def test_what_changes_after_save_is_not_in_the_checkpoint(tmp_path):
    net = nn.Linear(1000, 1000)
    weight = net.weight.detach().clone()
    checkpoints = Checkpoints(tmp_path, net=net)
    checkpoints.save()
    with torch.no_grad():
        net.weight.fill_(7.0)
    checkpoints.restore()
    assert net.weight.equal(weight)


def test_without_a_checkpoint_the_training_begins(tmp_path):
    assert Checkpoints(tmp_path / "none", net=nn.Linear(2, 2)).restore() is None
    assert not (tmp_path / "none").exists()


def test_at_8x_a_checkpoint_takes_a_fifth_of_model_and_adam(tmp_path):
    training = Training(tmp_path, width=128)
    for images, labels in training.batches:
        training.step(images, labels)
    training.checkpoints.save()
    training.checkpoints.wait()
    dense = io.BytesIO()
    torch.save([training.net.state_dict(), training.adam.state_dict()], dense)
    assert bytes_in(tmp_path) <= dense.tell() / 5


def test_what_did_not_change_is_written_once(tmp_path):
    frozen = nn.Linear(300, 300)
    moving = nn.Linear(2, 2)
    checkpoints = Checkpoints(tmp_path, keep=10, frozen=frozen, moving=moving)
    sizes = []
    for _ in range(6):
        moving.weight.data += 1
        checkpoints.save()
        checkpoints.wait()
        sizes.append(bytes_in(tmp_path))
    first, twin, *later = np.diff([0, *sizes])
    assert first > 4 * 90000 and twin > 4 * 90000  # a second copy of what two refer to
    assert max(later) < 20000


def test_the_last_ones_stay_and_only_what_they_need(tmp_path):
    training = Training(tmp_path, keep=2)
    training.train(2)
    tables = [path for path in files_in(tmp_path) if path.suffix == ".checkpoint"]
    assert [int(path.name[:6]) for path in tables] == [11, 12]
    assert (tmp_path / "latest").read_text() == tables[-1].name
    text = "".join(path.read_text() for path in tables)
    assert all(path.name in text for path in (tmp_path / "parts").iterdir())


@pytest.mark.parametrize("workers", [0, 2])
def test_a_training_that_stopped_anywhere_ends_as_one_that_did_not(tmp_path, workers):
    whole = Training(tmp_path / "whole").train(2).bits()
    for stop in (4, 6, 7):  # within an epoch, at its last batch, in the next
        folder = tmp_path / str(stop)
        stopped, left = Training(folder), iter(range(stop - 1))
        with pytest.raises(StopIteration):
            stopped.train(2, saved=lambda left=left: next(left))
        stopped.checkpoints.wait()
        resumed = Training(folder, workers=workers)
        torch.rand(3), random.random(), np.random.rand()
        resumed.checkpoints.restore()
        assert resumed.batches.epoch * 6 + resumed.batches.batch == stop
        assert resumed.train(2).bits() == whole


def test_an_altered_byte_of_any_file_costs_one_checkpoint_at_most(tmp_path, caplog):
    folder = tmp_path / "run"
    states = []
    training = Training(folder, keep=3)
    training.train(1, saved=lambda: states.append(training.bits()))
    newest = (folder / "latest").read_text()
    table = (folder / newest).read_text()
    for path in files_in(folder):
        broken = tmp_path / "broken"
        shutil.copytree(folder, broken)
        flip_a_byte(broken / path.relative_to(folder))
        caplog.clear()
        resumed = Training(broken)
        resumed.checkpoints.restore()
        has_twin = (folder / "twins" / path.name).exists()
        hurts = path.name == newest or (path.name in table and not has_twin)
        assert resumed.bits() == states[-2 if hurts else -1], path
        assert ("going back to the checkpoint before" in caplog.text) == hurts, path
        shutil.rmtree(broken)


def test_a_lost_part_is_named_when_no_checkpoint_is_whole(tmp_path):
    checkpoints = Checkpoints(tmp_path, net=nn.Linear(3, 3))
    checkpoints.save()
    checkpoints.wait()
    for path in (tmp_path / "parts").iterdir():
        path.unlink()
    with pytest.raises(FileError, match=r"holds no whole checkpoint: .* is altered or missing\n"):
        checkpoints.restore()


def test_a_part_altered_on_disk_is_written_anew(tmp_path):
    net = nn.Linear(200, 200)
    checkpoints = Checkpoints(tmp_path, net=net)
    checkpoints.save()
    checkpoints.wait()
    for path in (tmp_path / "parts").iterdir():
        flip_a_byte(path)
    checkpoints.save()
    assert checkpoints.restore() == {}


def test_a_full_disk_is_said_and_the_checkpoint_before_stays(tmp_path, caplog):
    net = nn.Linear(300, 300)
    weight = net.weight.detach().clone()
    checkpoints = Checkpoints(tmp_path, net=net)
    checkpoints.save(step=1)
    checkpoints.wait()
    net.weight.data += 1
    with disk_that_takes(100_000):
        checkpoints.save(step=2)
        with pytest.raises(FileError, match=r"cannot write .*: File too large\n  make room"):
            checkpoints.wait()
        goes_on = Checkpoints(tmp_path, must_write=False, net=net)
        goes_on.save(step=2)
        goes_on.save(step=3)
        goes_on.wait()
    assert caplog.text.count("the training goes on without this checkpoint") == 2
    assert checkpoints.restore() == {"step": 1}
    assert net.weight.equal(weight)


def test_weights_that_are_no_numbers_are_not_saved(tmp_path):
    net = nn.Linear(3, 3)
    checkpoints = Checkpoints(tmp_path, net=net)
    checkpoints.save(step=1)
    net.bias.data[1] = float("nan")
    with pytest.raises(ModelError, match=r"net: bias holds numbers that are not finite"):
        checkpoints.save(step=2)
    assert checkpoints.restore() == {"step": 1}
    assert net.bias.isfinite().all()


def test_a_checkpoint_of_another_training_is_refused_before_anything_changes(tmp_path):
    Training(tmp_path).train(1)
    other = Training(tmp_path, width=32)
    before = other.bits()
    with pytest.raises(
        ModelError,
        match=r"another model: net has float32\[32, 1, 3, 3\] 0.weight, .* float32\[64, 1, 3, 3\]",
    ):
        other.checkpoints.restore()
    assert other.bits() == before
    with pytest.raises(PlanError, match=r"was written under another plan\n  give the plan"):
        Training(
            tmp_path, plan=Plan.uniform("connectivity", connectivity=2.0)
        ).checkpoints.restore()
    with pytest.raises(ModelError, match=r"you gave net, random; they differ in adam\n"):
        Checkpoints(tmp_path, plan=training.PLAN, net=other.net).restore()


def test_state_that_only_pickle_could_hold_is_refused(tmp_path):
    checkpoints = Checkpoints(tmp_path, thing=Thing({"f": [print]}))
    checkpoints.save()
    with pytest.raises(ModelError, match=r"thing/f/0 is a builtin_function_or_method, which"):
        checkpoints.wait()


def test_checkpoints_of_nothing_are_refused(tmp_path):
    with pytest.raises(FileError, match=r"keep=3 and 0 parts make no checkpoint\n  keep one"):
        Checkpoints(tmp_path)


def test_killed_at_random_moments_it_ends_as_if_never_killed(tmp_path):
    """SPARSETVM_KILLS sets how often; with a checkpoint a batch, most kills hit a write."""
    command = [sys.executable, training.__file__, str(tmp_path), str(KILLS)]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1"}
    ran = subprocess.run(command, capture_output=True, env=environment, text=True)
    assert ran.returncode == 0, ran.stderr
    torn, *bits = ran.stdout.split()
    print(f"{KILLS} kills, {torn} of them in a write")
    assert len(bits) == 1
