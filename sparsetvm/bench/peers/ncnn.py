"""ncnn, converted by pnnx's own program (its Python package would ask for all of PyTorch)."""

import subprocess
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from .peer import Run, peer


@peer(
    "ncnn",
    package="ncnn",
    reads="onnx",
    environment=".venv-peers",
    requirements=("ncnn==1.0.20261020",),
    bare_requirements=("pnnx==20261020",),
)
def load(model: Path, inputs: list[np.ndarray], threads: int) -> Run:
    import ncnn

    if any(len(x) != 1 for x in inputs):
        raise ValueError("ncnn runs one sample at a time")
    network = ncnn.Net()
    network.opt.num_threads = threads
    for narrow in ("fp16_packed", "fp16_storage", "fp16_arithmetic", "bf16_packed", "bf16_storage"):
        setattr(network.opt, f"use_{narrow}", False)
    parameters, weights = _convert(model)
    network.load_param(str(parameters))
    network.load_model(str(weights))
    # without the batch axis; a Mat only borrows the array that it is made of
    mats = [ncnn.Mat(x[0]).clone() for x in inputs]

    def run() -> list[np.ndarray]:
        extractor = network.create_extractor()
        for name, mat in zip(network.input_names(), mats, strict=True):
            extractor.input(name, mat)
        return [np.array(extractor.extract(name)[1])[None] for name in network.output_names()]

    return run


def _convert(model: Path) -> tuple[Path, Path]:
    package = find_spec("pnnx")
    if package is None or package.origin is None:
        raise ModuleNotFoundError("No module named 'pnnx'")
    program = Path(package.origin).with_name("pnnx")
    subprocess.run([program, model.name, "fp16=0"], cwd=model.parent, check=True)
    return model.with_suffix(".ncnn.param"), model.with_suffix(".ncnn.bin")
