"""PyTorch as most people run it: eager, fp32, inference mode."""

from pathlib import Path

import numpy as np

from .peer import Run, peer


@peer("torch", package="torch", reads="pt2", requirements=("torch==2.13.0",))
def load(model: Path, inputs: list[np.ndarray], threads: int) -> Run:
    import torch

    torch.set_num_threads(threads)
    module = torch.export.load(model).module()
    tensors = [torch.from_numpy(array) for array in inputs]

    def run() -> list[np.ndarray]:
        with torch.inference_mode():
            outputs = module(*tensors)
        return [y.numpy() for y in (outputs if isinstance(outputs, (tuple, list)) else [outputs])]

    return run
