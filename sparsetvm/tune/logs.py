"""Tuning logs: a session's best records as text, in MetaSchedule's own two files.

    tuning_logs/cpu-znver5/tvm-0.27/vgg16-pattern8x-b8-t1/
        session.json                   seed, trials, date, each task's times, a SHA-256 of it all
        database_workload.json         one kernel a line
        database_tuning_record.json    one record a line: its kernel's line, trace, seconds, target

They are what git keeps and what compile reads. MetaSchedule's JSONDatabase reads such a folder as
it is, and we read any folder that it wrote.
"""

import dataclasses
import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ..errors import FileError
from ..files import write_whole
from .database import TuningRecord, compact, load_workload, place, plain
from .record import VERIFIED, LayerTimes, Place, Record, Session, TaskTimes, Workload
from .store import Store

FORMAT = "sparsetvm tuning log"
VERSION = 1

SESSION = "session.json"
WORKLOADS = "database_workload.json"
RECORDS = "database_tuning_record.json"

_NO_DIGEST = "0" * 64
_CHECKOUT = Path(__file__).resolve().parents[2]
_AGAIN = "take the folder again from where it came, or tune again and export it"


def logs_folder() -> Path | None:
    """The checkout's tuning_logs/; None in an installed package, which has none."""
    return _CHECKOUT / "tuning_logs" if (_CHECKOUT / "pyproject.toml").is_file() else None


def folder_of(session: Session) -> Path:
    """Where a session's log lies below tuning_logs/."""
    at = session.place
    name = f"{session.net}-{session.plan}-t{at.threads}"
    return Path(_word(at.device), f"tvm-{at.tvm}", _word(name))


def export_logs(store: Store, session: Session, root: str | Path, overwrite: bool = False) -> Path:
    """Write the fastest verified record of each kernel that compile takes; the folder it is in.

    Whole or not at all. FileError if it is there already, unless `overwrite`.
    """
    best = []
    for hash in dict.fromkeys(task.workload for task in session.tasks if task.ships):
        best += store.records(session.place, hash, [VERIFIED], limit=1)
    if not best:
        raise FileError(
            f"{store.name} has no verified record of {session.net} under {session.plan} "
            f"({session.place})\n  tune it first: sparsetvm tune"
        )
    folder = Path(root) / folder_of(session)
    folder.parent.mkdir(parents=True, exist_ok=True)
    contents = _encode(session, best)
    write_whole(folder, lambda new: _write(new, contents), overwrite)
    return folder


def read_logs(folder: str | Path) -> tuple[Session, list[Record]]:
    """What `export_logs` wrote, to the bit; FileError says what is wrong."""
    contents = {name: _read(Path(folder) / name) for name in (SESSION, WORKLOADS, RECORDS)}
    session = _decode_session(Path(folder) / SESSION, contents)
    workloads = [Workload(*line) for line in _lines(contents[WORKLOADS])]
    records = [
        Record(
            workload=workloads[index],
            place=session.place,
            trace=compact(trace),
            run_secs=tuple(run_secs),
            target=compact(target),
            args=compact(args),
            state=VERIFIED,
            created=session.date,
        )
        for index, (trace, run_secs, target, args) in _lines(contents[RECORDS])
    ]
    return session, records


def read_metaschedule(folder: str | Path, device: str, threads: int) -> list[Record]:
    """What MetaSchedule's JSONDatabase wrote in its `work_dir`; on what, only you know."""
    folder, at = Path(folder), place(device, threads)
    files = {name: _read(folder / name) for name in (WORKLOADS, RECORDS)}
    file = WORKLOADS
    try:
        workloads = [load_workload(Workload(*line)) for line in _lines(files[file])]
        file = RECORDS
        rows = _lines(files[file])
        return [plain(TuningRecord.from_json(row, workloads[index]), at) for index, row in rows]
    except FileError as err:
        raise FileError(f"{folder / file}: {err}") from err
    except Exception as err:  # whatever the text makes TVM's reader stumble over
        said = "is no file of MetaSchedule's, or is torn"
        raise FileError(f"{folder / file} {said}\n  {_AGAIN}") from err


def import_logs(
    store: Store, folder: str | Path, device: str | None = None, threads: int | None = None
) -> int:
    """Put a folder's records into the database, and its session if there is one; how many.

    A folder that MetaSchedule itself wrote has no session: `device` and `threads` say whose it is;
    its records count as measured, not as verified.
    """
    if (Path(folder) / SESSION).exists():
        session, records = read_logs(folder)
        store.commit_session(session)
    elif device is not None and threads is not None:
        records = read_metaschedule(folder, device, threads)
    else:
        raise FileError(
            f"there is no {SESSION} in {folder}\n"
            f"  check the path; of a folder that MetaSchedule wrote, say --device and --threads"
        )
    for record in records:
        store.commit(record)
    return len(records)


def find_logs(
    device: str, threads: int, extra: str | Path | None = None
) -> Iterator[tuple[Session, list[Record]]]:
    """What was exported of a device, out of the checkout's tuning_logs/ and the folder `extra`."""
    at = place(device, threads)
    for root in filter(None, (logs_folder(), extra)):
        for file in sorted(Path(root, _word(device), f"tvm-{at.tvm}").glob(f"*/{SESSION}")):
            session, records = read_logs(file.parent)
            if session.place == at:
                yield session, records


def _encode(session: Session, records: list[Record]) -> dict[str, bytes]:
    workloads = list(dict.fromkeys(record.workload for record in records))
    lines = [[workload.hash, workload.module] for workload in workloads]
    rows = [
        [
            workloads.index(record.workload),
            [
                json.loads(record.trace),
                record.run_secs,
                json.loads(record.target),
                json.loads(record.args),
            ],
        ]
        for record in records
    ]
    contents = {WORKLOADS: _text(lines), RECORDS: _text(rows)}
    table = {"format": FORMAT, "version": VERSION, "sha256": _NO_DIGEST, **_to_json(session)}
    contents[SESSION] = f"{json.dumps(table, indent=2)}\n".encode()
    contents[SESSION] = contents[SESSION].replace(_NO_DIGEST.encode(), _sha256(contents), 1)
    return contents


def _decode_session(path: Path, contents: Mapping[str, bytes]) -> Session:
    """The session, once all three files are found to be what was written."""
    try:
        table = json.loads(contents[SESSION])
        kind, version, digest = (table.pop(key) for key in ("format", "version", "sha256"))
    except (ValueError, KeyError, TypeError, AttributeError) as err:
        raise FileError(f"{path} is no {FORMAT}, or is torn\n  {_AGAIN}") from err
    if (kind, version) != (FORMAT, VERSION):
        raise FileError(
            f"{path} is {kind!r}, version {version}; this reads {FORMAT!r}, version {VERSION}\n"
            f"  tune again and export it, or use the sparsetvm that wrote it"
        )
    blank = contents[SESSION].replace(str(digest).encode(), _NO_DIGEST.encode(), 1)
    if _sha256({**contents, SESSION: blank}) != str(digest).encode():
        raise FileError(f"{path.parent} was altered after it was written\n  {_AGAIN}")
    return _from_json(table)


def _to_json(session: Session) -> dict[str, Any]:
    """One level: the place's words stand beside the session's own."""
    table = dataclasses.asdict(session)
    place, tasks, layers = (table.pop(name) for name in ("place", "tasks", "layers"))
    return {**place, **table, "tasks": tasks, "layers": layers}


def _from_json(table: dict[str, Any]) -> Session:
    place = Place(*(table.pop(field.name) for field in dataclasses.fields(Place)))
    tasks = tuple(TaskTimes(**task) for task in table.pop("tasks"))
    layers = tuple(LayerTimes(**layer) for layer in table.pop("layers"))
    return Session(place=place, tasks=tasks, layers=layers, **table)


def _text(rows: list) -> bytes:
    return "".join(f"{compact(row)}\n" for row in rows).encode()


def _lines(text: bytes) -> list:
    return [json.loads(line) for line in text.splitlines()]


def _sha256(contents: Mapping[str, bytes]) -> bytes:
    """In hexadecimal, of the files one after the other, each after its name and length."""
    digest = hashlib.sha256()
    for name in (SESSION, WORKLOADS, RECORDS):
        digest.update(f"{name} {len(contents[name])}\n".encode() + contents[name])
    return digest.hexdigest().encode()


def _write(folder: Path, contents: Mapping[str, bytes]) -> None:
    folder.mkdir()
    for name, data in contents.items():
        (folder / name).write_bytes(data)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as err:
        raise FileError(f"cannot read {path}: {err.strerror or err}\n  {_AGAIN}") from err


def _word(name: str) -> str:
    """A name that every file system takes: 'cpu znver5' -> 'cpu-znver5'."""
    return re.sub(r"[^A-Za-z0-9._]+", "-", name)
