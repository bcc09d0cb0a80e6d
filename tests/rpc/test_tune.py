"""A net is tuned on a device as on this machine, and compiled and run with what was found there."""

import numpy as np
import pytest

import sparsetvm as st
from sparsetvm.errors import DeviceError
from sparsetvm.runtime.tracker import Remote
from sparsetvm.targets import resolve
from sparsetvm.tune.session import tune
from sparsetvm.tune.store import Store
from sparsetvm.tune.worker import run_limit
from tests.rpc.conftest import wait_for
from tests.tune.conftest import ir  # noqa: F401  a fixture

NET = "conv:5x7x3x9"


def test_what_is_tuned_on_a_device_is_found_for_that_device_alone(
    device, tracker, sparsetvm, tmp_path
):
    wait_for(device, tracker)
    there = ["--device", device, "--tracker", tracker]
    common = [NET, "--threads", "1", "--db", "tuning.db", "--json"]

    tuned = sparsetvm("tune", *common, "--trials", "2", *there).json

    assert (tuned["quarantined"], tuned["happened"]) == (0, [])
    store = Store("tuning.db")
    assert {line.place.device for line in store.summary()} == {resolve("cpu", 1, device).device}
    (session,) = store.sessions()
    assert set(session.layers[0].ms) == {"dense direct", "dense F(2x2)", "dense F(4x4)"}
    for name, options in {"there": ["--device", device], "here": []}.items():
        sparsetvm("compile", *common, *options, "-o", f"{name}.stvm")
    (layer,) = st.load("there.stvm").manifest.layers
    assert layer.schedule != "default" and layer.forms_ms == session.layers[0].ms
    (other,) = st.load("here.stvm").manifest.layers
    assert other.schedule == "default" and not other.forms_ms
    np.save("x.npy", np.ones((1, 5, 9, 9), np.float32))
    for name, options in {"there": there, "here": []}.items():
        run = ["--input", "x.npy", "--output", f"{name}.npy", "--repeats", "1", "--json"]
        assert sparsetvm("run", "there.stvm", *run, *options).json["ms"] > 0
    np.testing.assert_array_equal(np.load("there.npy"), np.load("here.npy"))


def test_our_forms_are_benched_on_a_device(device, tracker, sparsetvm):
    wait_for(device, tracker)
    there = ["--device", device, "--tracker", tracker]
    found = sparsetvm("bench", NET, "--plan", "pattern8x-b8", *there, "--json").json
    assert found["machine"]["cpu"] == resolve("cpu", 1, device).device
    assert 0 < found["ours"]["ms"] < 1e3 and found["ours"]["realised"] > 0
    assert max(found["errors"].values()) < 1e-3


def test_a_device_that_nobody_knows_is_said_before_long_work(tracker, ir):  # noqa: F811
    with pytest.raises(DeviceError, match=r"no device 'pixel'"):
        tune(ir, device="pixel", tracker=tracker, database=None)


@pytest.mark.parametrize("key", ["", "my phone", "my\tphone"])
def test_a_key_with_a_space_is_refused(key):
    with pytest.raises(DeviceError, match=r"holds no spaces.*\n.*--key"):
        resolve("cpu", 1, key)


def test_a_device_has_more_time_for_a_larger_kernel():
    small, large = (run_limit(operations, Remote("pixel")) for operations in (10**6, 10**9))
    assert small < 11 and large > 100
