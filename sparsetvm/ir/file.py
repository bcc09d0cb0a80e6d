"""The layer IR on disk: `model.lir`, one zip or one folder, exact and guarded byte by byte.

    layers.json           format, version, layers, dense ops, and a checksum of every array and file
    weights.safetensors   the arrays
    graph.json            TVM's module as text

A path that ends in / (or is a folder already) becomes a folder, which reads and diffs well; any
other becomes a zip: stored, not compressed, the same bytes for the same net, and its comment, the
last bytes of the file, is the SHA-256 of all that comes before. Unzipped, it is such a folder.
"""

import hashlib
import json
import operator
import os
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.numpy

from ..errors import FileError, ModelError, PlanError, StructureError
from ..files import write_whole
from ..sealed_zip import open_sealed_zip, write_sealed_zip
from ..sparsity import Structure, structures
from .layer import DenseOp, Layer, LayerIR

FORMAT = "sparsetvm layer IR"
VERSION = 1

LAYERS, WEIGHTS, GRAPH = "layers.json", "weights.safetensors", "graph.json"

_KIND = "layer IR"
_NO_DIGEST = "0" * 64
_AGAIN = "copy it again from where it was written, or export the model again"


def save(ir: LayerIR, path: str | Path, overwrite: bool = False) -> None:
    """Write `ir` to a zip, or to a folder if `path` ends in / or is one; whole or not at all."""
    is_folder = str(path).endswith(os.sep) or os.path.isdir(path)
    write = _write_folder if is_folder else _write_zip
    contents = _encode(ir)
    write_whole(path, lambda new: write(new, contents), overwrite)


def load(path: str | Path) -> LayerIR:
    """The LayerIR that `save` wrote, to the bit; FileError says what is wrong with the file."""
    read = _read_folder if os.path.isdir(path) else _read_zip
    try:
        contents = read(path)
    except FileNotFoundError as err:
        raise FileError(
            f"there is no layer IR at {err.filename}\n  check the path, or export the model to it"
        ) from err
    except OSError as err:
        raise FileError(
            f"cannot read {path}: {err.strerror or err}\n  check its permissions and the disk"
        ) from err
    return _decode(path, contents)


def structure_to_dict(structure: Structure) -> dict[str, Any]:
    """{"name": "nm", "n": 2, "m": 4, ...}: the registered name and every parameter."""
    (name,) = (name for name in structures if structures[name] is type(structure))
    return {"name": name} | _record(structure)


def structure_from_dict(record: Mapping[str, Any]) -> Structure:
    """The structure that `structure_to_dict` described."""
    parameters = {key: _tuples(value) for key, value in record.items() if key != "name"}
    return structures[record["name"]](**parameters)


def _encode(ir: LayerIR) -> dict[str, bytes]:
    arrays = {name: _little_endian(array) for name, array in ir.arrays.items()}
    try:
        weights, graph = safetensors.numpy.save(arrays), ir.graph.encode()
    except safetensors.SafetensorError as err:
        raise ModelError(
            f"an array cannot be saved: {err}\n  cast it to numbers before the model is exported"
        ) from err
    table = {
        "format": FORMAT,
        "version": VERSION,
        "sha256": _NO_DIGEST,
        "source": ir.source,
        "dialect": ir.dialect,
        "inputs": list(ir.inputs),
        "outputs": list(ir.outputs),
        "layers": [_layer_to_dict(layer) for layer in ir.layers],
        "dense_ops": [_record(op) for op in ir.dense_ops],
        "arrays": {name: _describe(array) for name, array in arrays.items()},
        "files": {WEIGHTS: _sha256(weights), GRAPH: _sha256(graph)},
    }
    text = _text(table)
    return {LAYERS: _swap(text, _NO_DIGEST, _sha256(text)), WEIGHTS: weights, GRAPH: graph}


def _decode(path: str | Path, contents: Mapping[str, bytes]) -> LayerIR:
    table = _read_table(path, contents[LAYERS])
    arrays = _read_arrays(path, contents[WEIGHTS], table["arrays"])
    for name, digest in table["files"].items():
        if _sha256(contents[name]) != digest:
            raise _altered(path, name)
    try:
        layers = tuple(_layer_from_dict(record) for record in table["layers"])
    except (TypeError, PlanError, StructureError) as err:
        raise FileError(
            f"{path} holds a structure that is not known here: {err}\n"
            f"  import the plug-in that defines it, or export the model again"
        ) from err
    return LayerIR(
        layers=layers,
        dense_ops=tuple(DenseOp(**record) for record in table["dense_ops"]),
        arrays=arrays,
        graph=contents[GRAPH].decode(),
        dialect=table["dialect"],
        inputs=_tuples(table["inputs"]),
        outputs=_tuples(table["outputs"]),
        source=table["source"],
    )


def _read_table(path: str | Path, data: bytes) -> dict[str, Any]:
    """layers.json, once it is known to be ours, of our version, and unaltered."""
    try:
        table = json.loads(data)
        form, version, digest = table["format"], table["version"], table["sha256"]
    except (ValueError, TypeError, KeyError) as err:
        raise _altered(path, LAYERS) from err
    if form == FORMAT and version != VERSION:
        raise FileError(
            f"{path} is layer IR version {version}; this SparseTVM reads version {VERSION}\n"
            f"  export the model again, or use the SparseTVM that wrote it"
        )
    if form != FORMAT or _sha256(_swap(data, digest, _NO_DIGEST)) != digest:
        raise _altered(path, LAYERS)
    return table


def _read_arrays(
    path: str | Path, data: bytes, table: Mapping[str, Mapping[str, Any]]
) -> dict[str, np.ndarray]:
    """Each array as the table describes it, in the table's order."""
    try:
        arrays = safetensors.numpy.load(data)
    except Exception as err:  # an altered header can trip its reader anywhere
        raise _altered(path, WEIGHTS) from err
    for name, description in table.items():
        if name not in arrays or _describe(arrays[name]) != description:
            raise _altered(path, f"array {name}")
    return {name: arrays[name] for name in table}


def _write_folder(new: Path, contents: Mapping[str, bytes]) -> None:
    new.mkdir()
    for name, data in contents.items():
        (new / name).write_bytes(data)


def _read_folder(path: str | Path) -> dict[str, bytes]:
    return {name: (Path(path) / name).read_bytes() for name in (LAYERS, WEIGHTS, GRAPH)}


def _write_zip(new: Path, contents: Mapping[str, bytes]) -> None:
    write_sealed_zip(new, _KIND, contents)


def _read_zip(path: str | Path) -> dict[str, bytes]:
    with open_sealed_zip(path, _KIND, _AGAIN) as archive:
        return {name: archive.read(name) for name in (LAYERS, WEIGHTS, GRAPH)}


def _layer_to_dict(layer: Layer) -> dict[str, Any]:
    return _record(layer) | {"structure": structure_to_dict(layer.structure)}


def _layer_from_dict(record: Mapping[str, Any]) -> Layer:
    values = {key: _tuples(value) for key, value in record.items()}
    return Layer(**values | {"structure": structure_from_dict(record["structure"])})


def _record(thing: Any) -> dict[str, Any]:
    return {field.name: getattr(thing, field.name) for field in fields(thing)}


def _tuples(value: Any) -> Any:
    """JSON knows lists only; what is frozen holds tuples."""
    return tuple(_tuples(item) for item in value) if isinstance(value, list) else value


def _little_endian(array: np.ndarray) -> np.ndarray:
    return np.asarray(array, dtype=array.dtype.newbyteorder("<"), order="C")


def _describe(array: np.ndarray) -> dict[str, Any]:
    return {
        "dtype": array.dtype.name,
        "shape": [*array.shape],
        "sha256": _sha256(array.ravel().view(np.uint8)),
    }


def _text(table: Mapping[str, Any]) -> bytes:
    """JSON with one layer, op or array a line."""
    rows = ",\n".join(f"{_json(key)}: {_rows(value)}" for key, value in table.items())
    return f"{{\n{rows}\n}}\n".encode()


def _rows(value: Any) -> str:
    if isinstance(value, list):
        return "[\n" + ",\n".join(f" {_json(item)}" for item in value) + "\n]"
    if isinstance(value, dict):
        return "{\n" + ",\n".join(f" {_json(k)}: {_json(v)}" for k, v in value.items()) + "\n}"
    return _json(value)


def _json(value: Any) -> str:
    return json.dumps(value, default=operator.index)  # numpy's integers


def _swap(text: bytes, old: str, new: str) -> bytes:
    """`text` with the first `old` digest replaced: layers.json holds its own, taken over zeros."""
    return text.replace(old.encode(), new.encode(), 1)


def _sha256(data: bytes | np.ndarray) -> str:
    return hashlib.sha256(data).hexdigest()


def _altered(path: str | Path, part: str) -> FileError:
    return FileError(f"{path}: {part} was altered or cut short\n  {_AGAIN}")
