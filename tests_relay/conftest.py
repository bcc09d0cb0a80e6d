"""What every test of the Relay side may ask for. TVM 0.19 alone is in its environment."""

import os

os.environ["TOPHUB_LOCATION"] = "NONE"  # or TVM asks the network for tuned schedules

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)
