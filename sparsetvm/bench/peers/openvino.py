"""OpenVINO on its CPU plugin; left alone it computes in bf16 where the processor can."""

from pathlib import Path

import numpy as np

from .peer import Run, peer


@peer(
    "openvino",
    package="openvino",
    reads="onnx",
    environment=".venv-peers",
    requirements=("openvino==2026.4.1",),
)
def load(model: Path, inputs: list[np.ndarray], threads: int) -> Run:
    import openvino

    settings = {
        "INFERENCE_NUM_THREADS": threads,
        "NUM_STREAMS": 1,
        "INFERENCE_PRECISION_HINT": "f32",
    }
    compiled = openvino.Core().compile_model(model, "CPU", settings)
    request = compiled.create_infer_request()

    def run() -> list[np.ndarray]:
        results = request.infer(inputs, share_inputs=True, share_outputs=True)
        return [results[output] for output in compiled.outputs]

    return run
