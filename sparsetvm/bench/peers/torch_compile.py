"""PyTorch through its compiler: inductor with frozen weights; it needs a C++ compiler."""

from pathlib import Path

import numpy as np

from .peer import Run, peer


@peer("torch_compile", package="torch", reads="pt2", requirements=("torch==2.13.0",))
def load(model: Path, inputs: list[np.ndarray], threads: int) -> Run:
    import torch
    import torch._inductor.config as inductor

    torch.set_num_threads(threads)
    inductor.freezing = True
    compiled = torch.compile(torch.export.load(model).module())
    tensors = [torch.from_numpy(array) for array in inputs]

    def run() -> list[np.ndarray]:
        with torch.no_grad():  # inference mode would keep inductor from freezing
            outputs = compiled(*tensors)
        return [y.numpy() for y in (outputs if isinstance(outputs, (tuple, list)) else [outputs])]

    return run
