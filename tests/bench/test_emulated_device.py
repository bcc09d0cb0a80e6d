"""An emulated 64-bit ARM device: nets made for it run there and compute what torch computes."""

import subprocess
import sys
import time

import numpy as np
import pytest
import torch
from torch import nn

import sparsetvm as st
from sparsetvm.bench.emulated_device import START, EmulatedDevice
from sparsetvm.bench.nets.small import DigitsVGG
from sparsetvm.errors import DeviceError
from sparsetvm.runtime.device import Device
from sparsetvm.runtime.remote import RemoteEngine
from sparsetvm.runtime.tracker import Remote, Tracker
from sparsetvm.tune.record import VERIFIED
from sparsetvm.tune.store import Store

pytestmark = [pytest.mark.arm, pytest.mark.timeout(1200)]  # on two quiet cores, two minutes for all
PLAN = "pattern8x-b8"
TRIALS = 16


@pytest.fixture(scope="module")
def device(arm_machine):
    with EmulatedDevice("arm64") as device:
        yield device


def test_a_net_made_for_arm_computes_what_torch_computes(device):
    torch.manual_seed(0)
    image = torch.randn(1, 1, 28, 28)
    model = st.prune(DigitsVGG().eval(), PLAN)
    with torch.inference_mode():
        expected = model(image).numpy()

    artifact = st.compile(model, image, plan=PLAN, target="linux-arm64", threads=1)
    with Device(Remote(device.key, device.tracker), threads=1) as there:
        outputs = RemoteEngine(artifact, there)(image.numpy())

    assert np.abs(outputs - expected).max() <= 1e-3 * np.abs(expected).max()


def test_what_was_made_for_another_system_is_refused_with_the_next_step(device):
    artifact = st.compile(nn.Linear(8, 4).eval(), torch.randn(1, 8), threads=1)
    with (
        Device(Remote(device.key, device.tracker), threads=1) as there,
        pytest.raises(DeviceError, match=r"Failed to load .*\n  compile for its system: linux-arm"),
    ):
        RemoteEngine(artifact, there)


def test_a_net_is_tuned_there_and_still_computes_what_torch_computes(device, tmp_path):
    torch.manual_seed(0)
    image = torch.randn(1, 3, 12, 12)
    model = st.prune(like_vgg().eval(), PLAN)
    with torch.inference_mode():
        expected = model(image).numpy()
    ir = st.export(model, image, PLAN)
    where = {"target": "linux-arm64", "threads": 1, "database": tmp_path / "tuning.db"}

    tuned = st.tune(ir, trials=TRIALS, device=device.key, tracker=device.tracker, **where)
    artifact = st.compile(ir, device=device.key, **where)
    with Device(Remote(device.key, device.tracker), threads=1) as there:
        outputs = RemoteEngine(artifact, there)(image.numpy())

    assert np.abs(outputs - expected).max() <= 1e-3 * np.abs(expected).max()
    assert tuned.session.place.device == "arm64 linux-arm64 generic"
    tasks, store = tuned.session.tasks, Store(where["database"])
    assert tuned.trials == TRIALS * len(tasks) or any(task.exhausted for task in tasks)
    for task in tasks:
        best, *_ = store.records(tuned.session.place, task.workload, [VERIFIED])
        assert 1e3 * best.seconds == pytest.approx(task.best_ms)
        assert task.best_ms <= task.default_ms
    assert {layer.schedule for layer in artifact.manifest.layers} != {"default"}


def like_vgg():
    """3x3 convolutions of one width, ReLUs, max-pools and a linear layer."""
    layers, channels = [], 3
    for convolutions in (1, 2):
        for _ in range(convolutions):
            layers += [nn.Conv2d(channels, 8, 3, padding=1), nn.ReLU()]
            channels = 8
        layers.append(nn.MaxPool2d(2))
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(8 * 3 * 3, 10))


def test_it_ends_with_the_command_that_started_it(device):
    verb = ["emulate", "--key", "another", "--tracker", device.tracker]
    command = subprocess.Popen([sys.executable, "-m", "sparsetvm", *verb])
    try:
        wait_for({"arm64", "another"}, device.tracker)
    finally:
        command.kill()
        command.wait()
    wait_for({"arm64"}, device.tracker)


def test_without_a_tracker_it_does_not_start(sparsetvm, arm_machine):
    run = sparsetvm("emulate", "--tracker", "127.0.0.1:9")
    assert run.code == 1 and "no tracker answers at 127.0.0.1:9" in run.err


def wait_for(keys, tracker):
    end = time.monotonic() + START
    while {one.key for one in Tracker(tracker).devices()} != keys:
        assert time.monotonic() < end
        time.sleep(0.3)
