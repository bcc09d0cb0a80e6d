"""Files that are whole or absent: written under a temporary name, synced, then renamed."""

import os
import tempfile
from collections.abc import Callable
from pathlib import Path

from .errors import FileError


def write_whole(path: str | Path, write: Callable[[Path], object], overwrite: bool = False) -> None:
    """Let `write` make a file or a folder at a temporary path, then give it the name `path`.

    write_whole("net.stvm", lambda new: new.write_bytes(data))

    The temporary path ends in the same name, for writers that look at the suffix. Whatever stops
    us before the end, the old content stays; a killed process leaves `.net.stvm.*.tmp` beside it.
    """
    check_writable(path, overwrite)
    target = Path(os.path.realpath(path))  # a link stays; what it points to is replaced
    try:
        with tempfile.TemporaryDirectory(
            prefix=f".{target.name}.", suffix=".tmp", dir=target.parent, ignore_cleanup_errors=True
        ) as folder:
            new = Path(folder) / target.name
            write(new)
            _sync(new)
            check_writable(path, overwrite)  # writing took a while: look again
            _rename(new, target)
            _sync_one(target.parent)
    except OSError as err:
        raise FileError(
            f"cannot write {path}: {err.strerror or err}\n"
            f"  make room or choose another path; what was there before is untouched"
        ) from err


def check_writable(path: str | Path, overwrite: bool = False) -> None:
    """Raise FileError if `path` is taken or its folder takes no files; ask before long work."""
    target = os.path.realpath(path)
    folder = os.path.dirname(target)
    if os.path.exists(target) and not (os.path.isfile(target) or os.path.isdir(target)):
        raise FileError(f"{path} is neither a file nor a folder\n  choose another path")
    if os.path.exists(target) and not overwrite:
        raise FileError(
            f"{path} exists\n"
            f"  choose another path, or allow it to be replaced (--overwrite, overwrite=True)"
        )
    if not os.path.isdir(folder):
        raise FileError(
            f"cannot write {path}: there is no folder {folder}\n  make it first: mkdir -p {folder}"
        )
    if not os.access(folder, os.W_OK | os.X_OK):
        raise FileError(
            f"cannot write {path}: folder {folder} takes no new files\n"
            f"  choose a path in a folder of yours, or change its permissions"
        )


def _rename(new: Path, target: Path) -> None:
    if not target.is_dir():
        os.replace(new, target)
        return
    if lost := sorted(_names(target) - _names(new)):
        raise FileError(
            f"{target} holds {lost[0]}, which the new folder would not replace\n"
            f"  remove it yourself or choose another path"
        )
    # No portable call swaps two folders; killed between the two renames, both lie in .*.tmp.
    old = new.with_name("old")
    target.rename(old)
    try:
        new.rename(target)
    except BaseException:
        old.rename(target)
        raise


def _names(path: Path) -> set[str]:
    return {str(inner.relative_to(path)) for inner in path.rglob("*")}


def _sync(path: Path) -> None:
    if path.is_symlink():
        return  # its folder holds it
    if path.is_dir():
        for inner in path.iterdir():
            _sync(inner)
    _sync_one(path)


def _sync_one(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
