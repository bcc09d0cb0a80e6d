"""The folder of checkpoints on disk: parts named by their digest, tables that refer to them.

    000012-5f2c….checkpoint    the table of checkpoint 12, JSON; its digest stands in its name
    parts/91ab….safetensors    arrays, named by the SHA-256 of the file; written once
    twins/91ab….safetensors    a second copy of what several checkpoints refer to
    latest                     the name of the newest whole table; moved last

Whatever byte of whatever file is altered, the file no longer fits its name, and at most one
checkpoint is lost with it.
"""

import hashlib
import json
import logging
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ..errors import FileError
from ..files import write_whole

log = logging.getLogger(__name__)

VERSION = 1


class CheckpointFolder:
    """Writes and reads tables and parts; a table's "parts" are the names of those it needs."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._parts, self._twins = self.path / "parts", self.path / "twins"

    def put(self, data: bytes) -> str:
        """Store a part unless it is there already; its name. Durable when this returns.

        A part that an earlier checkpoint wrote gets a twin; one altered on disk is written anew.
        """
        name = f"{hashlib.sha256(data).hexdigest()}.safetensors"
        is_shared = (self._parts / name).exists()
        for folder in (self._parts, self._twins) if is_shared else (self._parts,):
            folder.mkdir(parents=True, exist_ok=True)
            if _read(folder / name) != data:
                write_whole(folder / name, lambda new: new.write_bytes(data), overwrite=True)
        return name

    def get(self, name: str) -> bytes:
        """A part as it was put, from its twin if need be; FileError if there is neither."""
        for folder in (self._parts, self._twins):
            data = _read(folder / name)
            if data is not None and f"{hashlib.sha256(data).hexdigest()}.safetensors" == name:
                return data
        raise FileError(f"{self._parts / name} is altered or missing")

    def add(self, table: Mapping[str, Any]) -> None:
        """Write the next checkpoint's table, whose parts are there; then move `latest`."""
        number = max((int(name.partition("-")[0]) for name in self.names()), default=0) + 1
        text = json.dumps({"version": VERSION, **table}, indent=1).encode()
        name = f"{number:06d}-{_digest(text)}.checkpoint"
        write_whole(self.path / name, lambda new: new.write_bytes(text), overwrite=True)
        write_whole(self.path / "latest", lambda new: new.write_text(name), overwrite=True)

    def table(self, name: str) -> dict[str, Any]:
        """The table of that name; FileError if it is not as it was written."""
        text = _read(self.path / name)
        if text is None or not name.endswith(f"-{_digest(text)}.checkpoint"):
            raise FileError(f"{self.path / name} is altered")
        table = json.loads(text)
        if table["version"] != VERSION:
            raise FileError(
                f"{self.path / name} is of version {table['version']}, "
                f"this SparseTVM reads version {VERSION}"
            )
        return table

    def names(self) -> list[str]:
        """Of all tables: first the one that `latest` names, then the others, newest first."""
        latest = (_read(self.path / "latest") or b"").decode(errors="replace")
        return sorted(self._newest_first(), key=lambda name: name != latest)

    def clean(self, keep: int) -> None:
        """Remove all but the newest `keep` checkpoints, then the parts that none of these needs.

        What a killed process left half written goes too.
        """
        kept: set[str] = set()
        needed: set[str] = set()
        for name in self._newest_first():
            try:
                parts = self.table(name)["parts"]
            except FileError as err:
                log.warning("%s; it is removed", err)
            else:
                if len(kept) < keep:
                    kept.add(name)
                    needed.update(parts)
        for path in self._files():
            if path.name not in kept | needed:
                shutil.rmtree(path) if path.is_dir() else path.unlink()

    def _newest_first(self) -> list[str]:
        return sorted((path.name for path in self.path.glob("[0-9]*-*.checkpoint")), reverse=True)

    def _files(self) -> Iterator[Path]:
        """All that may go: tables first, for a table without its parts would be a broken one."""
        yield from self.path.glob("[0-9]*-*.checkpoint")
        yield from self.path.glob(".*.checkpoint.*.tmp")
        yield from self.path.glob(".latest.*.tmp")
        for folder in (self._parts, self._twins):
            yield from folder.glob("*.safetensors")
            yield from folder.glob(".*.safetensors.*.tmp")


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except OSError:
        return None


def _digest(text: bytes) -> str:
    return hashlib.sha256(text).hexdigest()[:16]
