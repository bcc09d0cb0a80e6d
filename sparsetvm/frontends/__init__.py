"""Front ends: a torch module or an ONNX file becomes a Relax module with named weights."""

from pathlib import Path
from typing import Any

from .imported import Imported as Imported


def read(model: Any, example_inputs: Any = None) -> Imported:
    """An ONNX path or ModelProto, or a torch module (with example inputs) or ExportedProgram."""
    if isinstance(model, str | Path) or hasattr(model, "graph") and hasattr(model, "opset_import"):
        from .onnx import from_onnx  # onnx and torch are slow to import, and one is enough

        return from_onnx(model)
    from .torch_export import from_torch

    return from_torch(model, example_inputs)
