"""Front ends: a torch module or an ONNX file becomes a Relax module with named weights."""

from pathlib import Path
from typing import Any

import numpy as np

from .imported import Imported as Imported


def read(model: Any, example_inputs: Any = None) -> Imported:
    """A torch module, an ExportedProgram or its .pt2 file, an ONNX file or ModelProto.

    `example_inputs` is a tensor or a tuple of them. A torch module needs it; it fixes the sizes
    that an ONNX model leaves free, and whole numbers without axes, as a sample rate, altogether; a
    program has its own.
    """
    # torch and onnx are slow to import, and one of them is enough
    is_file = isinstance(model, str | Path)
    is_program = is_file and Path(model).suffix == ".pt2"
    if hasattr(model, "opset_import") or (is_file and not is_program):
        from .onnx import from_onnx

        if example_inputs is None:
            return from_onnx(model)
        inputs = example_inputs if isinstance(example_inputs, tuple | list) else (example_inputs,)
        numbers = [x if _is_whole_number(x) else None for x in inputs]
        return from_onnx(model, [np.shape(x) for x in inputs], numbers)
    from .torch_export import from_torch

    if is_program:
        from .pt2 import read_pt2

        model = read_pt2(model)
    return from_torch(model, example_inputs)


def _is_whole_number(x: Any) -> bool:
    return np.ndim(x) == 0 and np.issubdtype(np.asarray(x).dtype, np.integer)
