"""MNN; its converter is called as an extension, for the mnnconvert command installs and reports."""

from pathlib import Path

import numpy as np

from .peer import Run, peer


@peer(
    "mnn",
    package="MNN",
    reads="onnx",
    environment=".venv-peers",
    requirements=("MNN==3.6.1",),
    tolerance=5e-3,  # its Winograd convolutions differ by up to 2.7e-3 on one layer
)
def load(model: Path, inputs: list[np.ndarray], threads: int) -> Run:
    import _tools
    import MNN

    converted = model.with_suffix(".mnn")
    _tools.mnnconvert(
        ["mnnconvert", "-f", "ONNX", "--modelFile", str(model), "--MNNModel", str(converted)]
    )
    runtime = MNN.nn.create_runtime_manager(
        ({"backend": "CPU", "numThread": threads, "precision": "high"},)
    )
    module = MNN.nn.load_module_from_file(str(converted), [], [], runtime_manager=runtime)

    def run() -> list[np.ndarray]:
        variables = [MNN.expr.const(x, list(x.shape), MNN.expr.NCHW) for x in inputs]
        outputs = module.onForward(variables)
        return [MNN.expr.convert(y, MNN.expr.NCHW).read() for y in outputs]

    return run
