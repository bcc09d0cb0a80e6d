"""torch's own files, model.pt2: read so that nothing in them is executed.

torch.export.load unpickles what a file asks it to, evaluates its expressions and calls whatever
its graph names. So the file is first looked through, and only one that holds plain tensors and a
graph of aten operators is handed on.
"""

import io
import json
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch.export import ExportedProgram

from ..errors import FileError, ModelError

MODEL = "models/model.json"
INPUTS = "data/sample_inputs/model.pt"

_PLAIN = re.compile(
    r"models/model\.json|data/sample_inputs/model\.pt|byteorder|archive_(format|version)"
    r"|\.data/(version|serialization_id)|\.format_version|\.storage_alignment"
    r"|data/(weights/weight|constants/tensor)_\d+"
    r"|data/(weights/model_weights|constants/model_constants)_config\.json"
)
"""Members of an archive that hold numbers or JSON."""


def read_pt2(path: str | Path) -> ExportedProgram:
    """The program that torch.export.save wrote; ModelError where it asks for more than tensors."""
    folder, members = _members(path)
    graph = _json(path, members, MODEL)
    _check_graph(path, graph)
    for name in members:
        if name.endswith("_config.json"):
            _check_payload(path, _json(path, members, name))
    _check_inputs(path, members.get(INPUTS, b""))
    members[MODEL] = json.dumps(graph | {"guards_code": []}).encode()  # Python, to be executed
    checked = io.BytesIO()
    with zipfile.ZipFile(checked, "w") as archive:
        for name, data in members.items():
            archive.writestr(f"{folder}/{name}", data)
    checked.seek(0)
    try:
        return torch.export.load(checked)
    except Exception as err:  # torch.export has no error class of its own
        reason = str(err).strip().split("\n")[0] or type(err).__name__
        raise ModelError(f"{path}: torch.export cannot read it ({reason})\n  {_AGAIN}") from err


_AGAIN = "write it again with torch.export.save, by the torch that is used here"
_FIXED = "export it with example inputs of one fixed shape"


def _members(path: str | Path) -> tuple[str, dict[str, bytes]]:
    """The archive's one folder, and what lies in it; all of it known to be plain."""
    try:
        with zipfile.ZipFile(path) as archive:
            contents = {name: archive.read(name) for name in archive.namelist()}
    except FileNotFoundError as err:
        raise FileError(f"there is no file {path}\n  check the path") from err
    except (OSError, zipfile.BadZipFile) as err:
        raise FileError(f"cannot read {path}: {err}\n  {_AGAIN}") from err
    folders = {name.partition("/")[0] for name in contents}
    members = {name.partition("/")[2]: data for name, data in contents.items()}
    if len(folders) != 1 or MODEL not in members:
        raise FileError(f"{path} is no ExportedProgram\n  {_AGAIN}")
    for name in members:
        if not _PLAIN.fullmatch(name):
            raise ModelError(
                f"{path} holds {name}, which may be code; only plain tensors are read\n"
                f"  if you trust it, load it with torch.export.load and pass the program"
            )
    return folders.pop(), members


def _json(path: str | Path, members: dict[str, bytes], name: str) -> dict[str, Any]:
    try:
        table = json.loads(members[name])
    except ValueError as err:
        raise FileError(f"{path}: {name} cannot be read ({err})\n  {_AGAIN}") from err
    if not isinstance(table, dict):
        raise FileError(f"{path}: {name} cannot be read\n  {_AGAIN}")
    return table


def _check_graph(path: str | Path, graph: dict[str, Any]) -> None:
    for table in _tables(graph):
        if "expr_str" in table:
            raise ModelError(f"{path} has free shapes\n  {_FIXED}")
        target = table.get("target")
        if isinstance(target, str) and not re.fullmatch(r"torch\.ops\.aten\.\w+\.\w+", target):
            raise ModelError(f"{path} calls {target}; only torch.ops.aten is read from files")
    if graph.get("range_constraints"):
        raise ModelError(f"{path} has free shapes\n  {_FIXED}")


def _check_payload(path: str | Path, table: dict[str, Any]) -> None:
    if any(entry.get("use_pickle") for entry in _tables(table)):
        raise ModelError(
            f"{path} holds a pickled tensor; only plain tensors are read\n"
            f"  write it again from tensors that are contiguous and of a plain dtype"
        )


def _check_inputs(path: str | Path, data: bytes) -> None:
    """torch.export.load falls back to unpickling anything where this fails."""
    if data:
        try:
            torch.load(io.BytesIO(data), weights_only=True)
        except Exception as err:
            raise ModelError(
                f"{path}: its example inputs are not plain tensors\n  {_AGAIN}"
            ) from err


def _tables(value: Any) -> Iterator[dict[str, Any]]:
    """Every JSON table in `value`, at any depth."""
    if isinstance(value, dict):
        yield value
        value = list(value.values())
    if isinstance(value, list):
        for inner in value:
            yield from _tables(inner)
