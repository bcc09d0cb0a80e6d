"""What an emulated device runs in: where it cannot be made it says why, and leaves nothing."""

import pytest

from sparsetvm.bench.emulated_machine import arm_python
from sparsetvm.errors import DeviceError


def test_without_debian_it_says_what_is_missing(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(
        DeviceError, match=r"emulated here: apt-get: it is not here\n.* real device"
    ):
        arm_python()
    assert not [*tmp_path.glob("sparsetvm/*")]


def test_without_a_network_it_says_what_apt_says(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    for name in ("http_proxy", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    with pytest.raises(DeviceError, match=r"emulated here: apt-get: (E: |it is not here)"):
        arm_python()
    assert not [*tmp_path.glob("sparsetvm/*")]
