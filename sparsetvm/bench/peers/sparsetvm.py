"""Our own engine, measured like every other; its threads were settled when it was compiled."""

from pathlib import Path

import numpy as np

from .peer import Run, peer


@peer("sparsetvm", package="sparsetvm", reads="stvm")
def load(model: Path, inputs: list[np.ndarray], threads: int) -> Run:
    import sparsetvm

    engine = sparsetvm.load(model)

    def run() -> list[np.ndarray]:
        outputs = engine(inputs)
        return list(outputs) if isinstance(outputs, (tuple, list)) else [outputs]

    return run
