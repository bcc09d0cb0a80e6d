"""The files that engines read, written once for each net: ONNX, torch.export, and the inputs."""

import warnings
from pathlib import Path

import numpy as np
import torch

Inputs = tuple[torch.Tensor, ...]


def write_model(module: torch.nn.Module, inputs: Inputs, folder: Path, kind: str) -> Path:
    """model.onnx or model.pt2 in `folder`, as `kind` (what a peer reads) asks."""
    path = folder / f"model.{kind}"
    {"onnx": _write_onnx, "pt2": _write_exported}[kind](module, inputs, path)
    return path


def write_inputs(inputs: Inputs, folder: Path) -> Path:
    path = folder / "inputs.npz"
    np.savez(path, **{f"input{i}": x.numpy() for i, x in enumerate(inputs)})
    return path


def expected_outputs(module: torch.nn.Module, inputs: Inputs) -> tuple[np.ndarray, ...]:
    """What torch computes; every engine has to agree with it."""
    with torch.inference_mode():
        outputs = module(*inputs)
    return tuple(y.numpy() for y in (outputs if isinstance(outputs, (tuple, list)) else [outputs]))


def _write_onnx(module: torch.nn.Module, inputs: Inputs, path: Path) -> None:
    with warnings.catch_warnings():
        # the exporter that needs no further package calls itself legacy and remarks on what it leaves unfolded
        warnings.simplefilter("ignore", DeprecationWarning)
        warnings.simplefilter("ignore", UserWarning)
        torch.onnx.export(
            module,
            inputs,
            str(path),
            dynamo=False,
            opset_version=13,
            input_names=[f"input{i}" for i in range(len(inputs))],
        )


def _write_exported(module: torch.nn.Module, inputs: Inputs, path: Path) -> None:
    torch.export.save(torch.export.export(module, inputs), path)
