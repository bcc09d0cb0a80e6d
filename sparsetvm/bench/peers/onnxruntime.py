"""ONNX Runtime on its CPU provider; fp32 is what it does with an fp32 model."""

from pathlib import Path

import numpy as np

from .peer import Run, peer


@peer("onnxruntime", package="onnxruntime", reads="onnx", requirements=("onnxruntime==1.32.0",))
def load(model: Path, inputs: list[np.ndarray], threads: int) -> Run:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    names = [argument.name for argument in session.get_inputs()]
    feeds = dict(zip(names, inputs, strict=True))
    return lambda: session.run(None, feeds)
