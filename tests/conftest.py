"""What every test may ask for."""

import numpy as np
import pytest

from sparsetvm.bench.emulated_machine import arm_python
from sparsetvm.errors import DeviceError
from tests.command import sparsetvm  # noqa: F401  a fixture


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


@pytest.fixture(autouse=True, scope="session")
def no_records(tmp_path_factory) -> None:
    """Tests know nothing of what was tuned on this machine."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_DATA_HOME", str(tmp_path_factory.mktemp("data")))
        yield


@pytest.fixture(scope="session")
def arm_machine() -> None:
    """What an emulated 64-bit ARM device runs in; a test is skipped where it cannot be made."""
    try:
        arm_python()
    except DeviceError as err:
        pytest.skip(str(err))
