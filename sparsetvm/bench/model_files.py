"""The files that engines read, written once for each net: ONNX, torch.export, and the inputs."""

import warnings
from pathlib import Path

import numpy as np
import torch

from .nets import Net


def write_model(net: Net, folder: Path, kind: str) -> Path:
    """`folder`/model.onnx or model.pt2, by `kind` (what a peer reads); taken if it is there."""
    path = folder / f"model.{kind}"
    if not path.exists():
        folder.mkdir(exist_ok=True)
        {"onnx": _write_onnx, "pt2": _write_exported}[kind](net, path)
    return path


def write_inputs(net: Net, folder: Path) -> Path:
    path = folder / "inputs.npz"
    np.savez(path, **{f"input{i}": x.numpy() for i, x in enumerate(net.example_inputs)})
    return path


def expected_outputs(net: Net) -> tuple[np.ndarray, ...]:
    """What torch computes; every engine has to agree with it."""
    with torch.inference_mode():
        outputs = net.module(*net.example_inputs)
    return tuple(y.numpy() for y in (outputs if isinstance(outputs, (tuple, list)) else [outputs]))


def _write_onnx(net: Net, path: Path) -> None:
    with warnings.catch_warnings():
        # the exporter that needs no further package warns of its age and of what it leaves unfolded
        warnings.simplefilter("ignore", DeprecationWarning)
        warnings.simplefilter("ignore", UserWarning)
        torch.onnx.export(
            net.module,
            net.example_inputs,
            str(path),
            dynamo=False,
            opset_version=13,
            input_names=[f"input{i}" for i in range(len(net.example_inputs))],
        )


def _write_exported(net: Net, path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # a recurrent module gathers its weights anew
        torch.export.save(torch.export.export(net.module, net.example_inputs), path)
