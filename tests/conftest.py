"""What every test may ask for."""

import numpy as np
import pytest

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
