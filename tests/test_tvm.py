"""Only the TVM that this is written for will do."""

import pytest

from sparsetvm._tvm import INSTALL, tvm, wrong_tvm


def test_the_pinned_versions_are_right_and_installed():
    assert wrong_tvm("0.27.0.post1", "0.1.14.post1") is None
    assert tvm.__version__.startswith("0.27.")


@pytest.mark.parametrize(
    ("versions", "reason"),
    [
        ((None, None), "TVM is not installed"),
        (("0.19.0.12", None), "TVM 0.19.0.12 has Relay but not this Relax"),
        (("0.26.0", "0.1.14"), "TVM 0.26.0 is not 0.27"),
        (("0.27.0.post1", "0.1.15.post2"), "0.1.15.post2 crashes when a module is saved"),
        (("0.27.0.post1", None), "crashes when a module is saved"),
    ],
)
def test_any_other_version_is_refused_with_what_to_install(versions, reason):
    message = wrong_tvm(*versions)
    assert reason in message
    assert message.endswith(INSTALL)
