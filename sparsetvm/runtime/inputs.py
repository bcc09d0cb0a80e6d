"""Inputs for a run whose result does not matter."""

import numpy as np

from .manifest import Manifest

SEED = 0
"""What they are drawn from."""


def random_inputs(manifest: Manifest) -> dict[str, np.ndarray]:
    """Normal numbers for each input, by its name."""
    rng = np.random.default_rng(SEED)
    return {
        spec.name: rng.standard_normal(spec.shape).astype(spec.dtype) for spec in manifest.inputs
    }
