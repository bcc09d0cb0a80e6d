"""A zip that guards every byte of itself: stored as it is, and its end is a SHA-256 of the rest."""

import hashlib
import os
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from .errors import FileError

_NO_DIGEST = b"0" * 64


def write_sealed_zip(path: Path, kind: str, members: Mapping[str, bytes]) -> None:
    """The same members give the same bytes; the zip's comment is its kind and the digest."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.comment = _seal(kind) + _NO_DIGEST
        for name, data in members.items():
            entry = zipfile.ZipInfo(name)  # dated 1980
            entry.create_system, entry.external_attr = 3, 0o644 << 16
            archive.writestr(entry, data)
    with path.open("r+b") as file:
        end = file.seek(-len(_NO_DIGEST), os.SEEK_END)
        digest = _sha256_until(file, end)
        file.seek(end)
        file.write(digest)


@contextmanager
def open_sealed_zip(path: str | Path, kind: str, next_step: str) -> Iterator[zipfile.ZipFile]:
    """The zip, once its seal is found whole; FileError says what is wrong, and `next_step`."""
    try:
        with open(path, "rb") as file:
            _check_seal(file, path, kind, next_step)
            with zipfile.ZipFile(file) as archive:
                yield archive
    except FileNotFoundError as err:
        raise FileError(f"there is no {kind} at {path}\n  check the path") from err
    except OSError as err:
        raise FileError(
            f"cannot read {path}: {err.strerror or err}\n  check its permissions and the disk"
        ) from err


def _check_seal(file: BinaryIO, path: str | Path, kind: str, next_step: str) -> None:
    seal = _seal(kind)
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - len(seal) - len(_NO_DIGEST)))
    found, digest = file.read(len(seal)), file.read()
    if found != seal:
        raise FileError(f"{path} is no {kind} of SparseTVM, or its end is missing\n  {next_step}")
    if digest != _sha256_until(file, size - len(digest)):
        raise FileError(f"{path} was altered after it was written\n  {next_step}")


def _seal(kind: str) -> bytes:
    return f"sparsetvm {kind}, sha256 ".encode()


def _sha256_until(file: BinaryIO, end: int) -> bytes:
    """The digest, in hexadecimal, of the first `end` bytes."""
    digest = hashlib.sha256()
    file.seek(0)
    while chunk := file.read(min(end - file.tell(), 1 << 20)):
        digest.update(chunk)
    return digest.hexdigest().encode()
