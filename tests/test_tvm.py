"""Only the TVM that this is written for will do."""

import pytest

from sparsetvm import _tvm
from sparsetvm._tvm import INSTALL, INSTALL_RELAY, tvm, wrong_tvm
from sparsetvm.errors import TargetError


def test_the_pinned_versions_are_right_and_installed():
    assert wrong_tvm("0.27.0.post1", "0.1.14.post1") is None
    assert tvm.__version__.startswith("0.27.")


@pytest.mark.parametrize(
    ("versions", "reason"),
    [
        ((None, None), "TVM is not installed"),
        (("0.26.0", "0.1.14"), "TVM 0.26.0 is not 0.27"),
        (("0.27.0.post1", "0.1.15.post2"), "0.1.15.post2 crashes when a module is saved"),
        (("0.27.0.post1", None), "crashes when a module is saved"),
    ],
)
def test_any_other_version_is_refused_with_what_to_install(versions, reason):
    message = wrong_tvm(*versions)
    assert reason in message
    assert message.endswith(INSTALL)


def test_the_tvm_that_has_relay_is_right_too():
    assert wrong_tvm(None, None, "0.19.0.12") is None


def test_both_in_one_environment_are_refused():
    reason = wrong_tvm("0.27.0.post1", "0.1.14.post1", "0.19.0.12")
    assert reason.startswith("TVM 0.27.0.post1 and TVM 0.19.0.12 have overwritten each other; make")


def test_asking_for_relay_here_names_the_environment_that_has_it():
    with pytest.raises(TargetError, match="has no Relay; in an environment of its own") as caught:
        _tvm.relay  # noqa: B018
    assert str(caught.value).endswith(INSTALL_RELAY)
