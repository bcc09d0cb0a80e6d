"""A net on a device behind a tracker computes what it computes here."""

import gc

import numpy as np
import pytest

import sparsetvm as st
from sparsetvm.bench import nets
from sparsetvm.errors import DeviceError, InputError
from sparsetvm.runtime.device import Device
from sparsetvm.runtime.inputs import random_inputs
from sparsetvm.runtime.remote import RemoteEngine
from sparsetvm.runtime.tracker import Remote, Tracker
from tests.rpc.conftest import free_port, wait_for


@pytest.fixture(scope="module")
def artifact():
    net = nets.net("conv:5x7x3x9")
    return st.compile(net.module, net.example_inputs, plan="dense", threads=1)


def test_the_result_is_that_of_this_machine(artifact, device, tracker):
    rng = np.random.default_rng(0)
    x = rng.standard_normal(artifact.manifest.inputs[0].shape).astype(np.float32)
    with Device(Remote(device, tracker), threads=1) as there:
        engine = RemoteEngine(artifact, there)
        for _ in range(2):
            np.testing.assert_array_equal(engine(x), st.load(artifact)(x))
            x = 2 * x
        with pytest.raises(InputError, match=r"input .* is \[1, 5, 8, 9\]"):
            engine(np.zeros((1, 5, 8, 9), np.float32))
        profile = engine.profile(x, repeats=3)
    assert profile.device == device
    assert str(profile).count("\n") == 0 and 0 < profile.total.ms < 1000


def test_a_device_that_is_taken_is_busy_and_given_back(device, tracker):
    wait_for(device, tracker)
    with Device(Remote(device, tracker), threads=1):
        (one,) = Tracker(tracker).devices()
        assert (one.key, one.free, one.busy) == (device, 0, 1)
        with pytest.raises(DeviceError, match=r"all 1 devices 'this-machine' were busy for 1 s"):
            Tracker(tracker).lend(device, wait=1)
    wait_for(device, tracker)


def test_a_device_is_given_back_though_somebody_holds_what_ran_on_it(artifact, device, tracker):
    wait_for(device, tracker)
    gc.disable()
    try:
        with Device(Remote(device, tracker), threads=1) as there:
            engine = RemoteEngine(artifact, there)
            engine(random_inputs(artifact.manifest))
        wait_for(device, tracker)
    finally:
        gc.enable()


def test_a_device_that_nobody_knows_is_said(device, tracker):
    with pytest.raises(DeviceError, match=r"no device 'pixel'; it knows: this-machine\n.*--key=pi"):
        Tracker(tracker).lend("pixel")


def test_a_tracker_that_does_not_answer_is_said():
    with pytest.raises(DeviceError, match=r"no tracker answers at .*\n.*tvm\.exec\.rpc_tracker"):
        Tracker(f"127.0.0.1:{free_port()}").devices()


@pytest.mark.parametrize("address", ["pixel", "pixel:", ":9190", "pixel:port"])
def test_what_is_no_address_is_said(address):
    with pytest.raises(DeviceError, match=r"no address of a tracker\n.*host:port"):
        Tracker(address)


def test_devices_are_listed_and_run_on_from_the_command_line(
    artifact, device, tracker, sparsetvm, tmp_path
):
    wait_for(device, tracker)
    listed = sparsetvm("devices", "--tracker", tracker, "--json").json
    (one,) = listed["devices"]
    assert (one["key"], one["state"]) == (device, "free") and one["chip"] and one["cores"] >= 1
    artifact.save(tmp_path / "net.stvm")
    there = ["--device", device, "--tracker", tracker, "--repeats", "3", "--json"]
    ran = sparsetvm("run", str(tmp_path / "net.stvm"), *there).json
    assert ran["device"] == device and ran["ms"] > 0
