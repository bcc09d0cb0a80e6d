"""Our own engine, measured like every other; its threads were settled when it was compiled."""

from pathlib import Path

import numpy as np

from .peer import Run, peer


@peer("sparsetvm", package="sparsetvm", reads="stvm")
def load(model: Path, inputs: list[np.ndarray], threads: int) -> Run:
    """Of a folder, its nets one after the other on the same inputs."""
    import sparsetvm

    files = sorted(model.glob("*.stvm")) if model.is_dir() else [model]
    engines = [sparsetvm.load(file) for file in files]

    def run() -> list[np.ndarray]:
        return [y for engine in engines for y in _tensors(engine(inputs))]

    return run


def _tensors(outputs) -> list[np.ndarray]:
    """An engine's outputs one by one; one of several nets gives a table of theirs."""
    if isinstance(outputs, dict):
        return [y for own in outputs.values() for y in _tensors(own)]
    return list(outputs) if isinstance(outputs, (tuple, list)) else [outputs]
