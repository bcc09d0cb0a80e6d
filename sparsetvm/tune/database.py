"""MetaSchedule's database interface on our store, for its search and its lookups."""

import json
from pathlib import Path
from typing import Any

import tvm_ffi

from .._tvm import s_tir, tvm
from ..errors import FileError
from .record import MEASURED, QUARANTINED, VERIFIED, Place, Record, Workload, digest_of
from .store import Store

ms = s_tir.meta_schedule
TuningRecord = ms.database.TuningRecord

UNMEASURED = 1e10
"""The seconds that MetaSchedule writes for a candidate that never finished a run."""

NO_WORKLOAD = ms.database.Workload(tvm.IRModule())

NEVER_RAN = "it did not build or run"


@tvm.ir.utils.derived_object
class Database(ms.database.PyDatabase):
    """A store seen from one device and number of threads, under this TVM.

    MetaSchedule itself does not look at the target of a record; here every answer is of this place.
    The search (get_top_k, get_all_tuning_records, len) sees all records with a time; a lookup
    (query_*, best) only verified ones, whose results agree with the reference.
    """

    def __init__(self, where: str | Path | None = None, *, device: str, threads: int):
        """`where` is a path or an SQLAlchemy URL; None: the user's own database."""
        super().__init__()
        self.store = Store(where)
        self.place = place(device, threads)
        self._modules: dict[str, ms.database.Workload] = {}

    def has_workload(self, mod: tvm.IRModule) -> bool:
        return self.store.has_workload(self.place.tvm, workload_hash(mod))

    def commit_workload(self, mod: tvm.IRModule) -> ms.database.Workload:
        workload = ms.database.Workload(mod)
        self.store.commit_workload(self.place.tvm, _plain_workload(workload))
        return self._modules.setdefault(workload_hash(mod), workload)

    def commit_tuning_record(self, record: TuningRecord) -> None:
        """Keep a measured record; one without a time is quarantined."""
        self.store.commit(plain(record, self.place))

    def verify(self, record: TuningRecord, features: tuple[int, bytes] | None = None) -> None:
        """Keep a record whose result agrees with the reference."""
        self.store.commit(plain(record, self.place, VERIFIED), features)

    def quarantine(self, record: TuningRecord, reason: str) -> None:
        """Keep a candidate apart that hangs, crashes or errs; it is never tried again."""
        self.store.commit(plain(record, self.place, QUARANTINED, reason))

    def best(self, mod: tvm.IRModule) -> Record | None:
        """The fastest verified record of a workload."""
        found = self.store.records(self.place, workload_hash(mod), [VERIFIED], limit=1)
        return found[0] if found else None

    def get_top_k(self, workload: ms.database.Workload, top_k: int) -> list[TuningRecord]:
        hash = workload_hash(workload.mod)
        return [self._own(record) for record in self.store.records(self.place, hash, limit=top_k)]

    def get_all_tuning_records(self) -> list[TuningRecord]:
        return [self._own(record) for record in self.store.records(self.place)]

    def query_tuning_record(
        self, mod: tvm.IRModule, target: Any, workload_name: str | None = None
    ) -> TuningRecord | None:
        record = self.best(mod)
        return None if record is None else self._own(record)

    def __len__(self) -> int:
        return self.store.count(self.place)

    def _own(self, record: Record) -> TuningRecord:
        """A record as MetaSchedule has it; each module is read once."""
        hash = record.workload.hash
        if hash not in self._modules:
            self._modules[hash] = load_workload(record.workload)
        return tuning_record(record, self._modules[hash])


def open_database(where: str | Path | None = None, *, device: str, threads: int) -> Database:
    """The tuning database at a path or a URL, made if there is none; None: the user's own."""
    return Database(where, device=device, threads=threads)


def place(device: str, threads: int) -> Place:
    """A device and a number of threads, under the TVM that runs."""
    return Place(device, threads, ".".join(tvm.__version__.split(".")[:2]))


def workload_hash(mod: tvm.IRModule) -> str:
    """What a workload is known by; names of variables and buffers do not count."""
    return str(tvm_ffi.structural_hash(mod) % 2**64)


def trace_digest(trace: s_tir.schedule.Trace) -> str:
    """What a record of this trace is known by, its Record.digest."""
    parts, *_ = TuningRecord(trace, NO_WORKLOAD).as_json()
    return digest_of(compact(parts))


def load_workload(workload: Workload) -> ms.database.Workload:
    """The module of a workload; FileError where it is not what its hash says."""
    try:
        loaded = ms.database.Workload.from_json([workload.hash, workload.module])
    except Exception as err:  # whatever the text makes TVM's reader stumble over
        raise FileError(_altered(workload)) from err
    if workload_hash(loaded.mod) != workload.hash:
        raise FileError(_altered(workload))
    return loaded


def tuning_record(record: Record, workload: ms.database.Workload | None = None) -> TuningRecord:
    """A record as MetaSchedule has it, with its module."""
    workload = workload or load_workload(record.workload)
    parts = [json.loads(part) for part in (record.trace, record.target, record.args)]
    trace, target, args = parts
    run_secs = list(record.run_secs) or [UNMEASURED]
    return TuningRecord.from_json([trace, run_secs, target, args], workload)


def plain(
    record: TuningRecord, place: Place, state: str | None = None, reason: str | None = None
) -> Record:
    """What MetaSchedule hands over, as a Record; without a time it goes into quarantine."""
    trace, run_secs, target, args = record.as_json()
    run_secs = tuple(seconds for seconds in run_secs or () if seconds < UNMEASURED)
    if state is None:
        state, reason = (MEASURED, None) if run_secs else (QUARANTINED, NEVER_RAN)
    return Record(
        workload=_plain_workload(record.workload),
        place=place,
        trace=compact(trace),
        run_secs=run_secs,
        target=compact(target),
        args=compact(args),
        state=state,
        reason=reason,
    )


def compact(value: Any) -> str:
    """JSON in one line, the same text for the same value."""
    return json.dumps(value, separators=(",", ":"), sort_keys=True)


def _plain_workload(workload: ms.database.Workload) -> Workload:
    return Workload(*workload.as_json())


def _altered(workload: Workload) -> str:
    return (
        f"workload {workload.hash} is not what its hash says: altered, or of another TVM\n"
        f"  tune again, or import records that this TVM wrote"
    )
