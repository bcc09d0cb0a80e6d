"""64-bit ARM from afar: what its CPUs have, and what this machine needs to make code for them."""

import pytest

from sparsetvm.errors import TargetError
from sparsetvm.targets import resolve, survey


def test_every_arm_cpu_has_neon_and_a_named_one_what_it_has():
    assert (resolve("android-cpu").lanes, resolve("linux-arm64").lanes) == (4, 4)
    assert resolve("android-cpu:cortex-a76").features >= {"neon", "dotprod"}
    assert resolve("android-cpu:cortex-a76").device == "android-cpu cortex-a76"


def test_an_unknown_cpu_is_refused():
    with pytest.raises(TargetError, match=r"no 64-bit ARM CPU 'haswell'\n.*android-cpu:cortex-a76"):
        resolve("android-cpu:haswell")


def test_the_survey_says_what_is_ready_and_what_is_missing(monkeypatch, tmp_path):
    monkeypatch.setenv("ANDROID_NDK_HOME", str(tmp_path))
    found = {one.name: one for one in survey()}
    assert found["cpu"].missing is None and found["cpu"].linker
    assert "ANDROID_NDK_HOME" in found["android-cpu"].missing
