"""DeepSparse 1.8.0, which gains from zeros; licensed for evaluation, so it is only measured."""

import os
from pathlib import Path

import numpy as np

from .peer import Run, peer


@peer(
    "deepsparse",
    package="deepsparse",
    reads="onnx",
    environment=".venv-deepsparse",  # it pins old versions of onnx and numpy
    requirements=("deepsparse==1.8.0",),  # a later one only says that it has ended
    gains_from_zeros=True,
)
def load(model: Path, inputs: list[np.ndarray], threads: int) -> Run:
    os.environ["NM_DISABLE_ANALYTICS"] = "1"
    from deepsparse import Engine

    engine = Engine(
        str(model), batch_size=len(inputs[0]), num_cores=threads, scheduler="single_stream"
    )
    return lambda: engine.run(inputs)
