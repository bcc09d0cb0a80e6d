"""Tuning records in SQL: one SQLite file, or any database that SQLAlchemy has a URL for.

Several tuners may write at once. Each record is one transaction: when `commit` returns, the record
is on the disk; a process killed before that leaves nothing of it.
"""

import dataclasses
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path
from typing import TypeVar

import sqlalchemy as sql
from sqlalchemy import exc

from ..errors import FileError
from .connect import engine_of, is_sqlite, url_of
from .record import (
    MEASURED,
    QUARANTINED,
    VERIFIED,
    LayerTimes,
    Place,
    Record,
    Session,
    TaskTimes,
    Workload,
)
from .tables import ABOUT, FEATURES, RECORD, SESSION, TABLES, VERSION, WORKLOAD

T = TypeVar("T")

STATES = (MEASURED, VERIFIED, QUARANTINED)
"""A record only moves on in this order: what was quarantined once stays so."""


@dataclasses.dataclass(frozen=True)
class Summary:
    """What is known of one workload at one place."""

    place: Place
    workload: str
    measured: int
    """Records with a time that were not compared with the reference."""
    verified: int
    quarantined: int
    best_ms: float | None
    """Of the verified ones."""
    latest: str
    """When the last record came, in UTC."""


def now() -> str:
    """The moment, in UTC: 2026-11-23T07:19:08Z."""
    return datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


class Store:
    """The tables of a tuning database, and the few questions that are asked of them.

    Store("tuning.db")      Store("postgresql://team@host/tuning")      Store(None), the user's own
    """

    def __init__(self, where: str | Path | None = None, must_exist: bool = False):
        """FileError if it cannot be opened; with `must_exist` also if there is no such file."""
        url = url_of(where, must_exist)
        self.name = url.database if is_sqlite(url) else url.render_as_string(hide_password=True)
        self._engine = engine_of(url)
        self._write(self._make_tables, attempts=10)

    def close(self) -> None:
        self._engine.dispose()

    def has_workload(self, tvm: str, hash: str) -> bool:
        with self._transaction() as connection:
            return _workload_id(connection, tvm, hash) is not None

    def commit_workload(self, tvm: str, workload: Workload) -> None:
        """Keep a workload, if it is not there yet."""
        self._write(lambda connection: _keep_workload(connection, tvm, workload))

    def commit(self, record: Record, features: tuple[int, bytes] | None = None) -> None:
        """Keep a record; once this returns, nothing that happens to this process takes it away.

        Each trace has one record at a place. Measured again, it has the new times; quarantined
        once, it stays so. `features` are what the cost model learns from: their version, a vector.
        """
        self._write(lambda connection: _keep_record(connection, record, features))

    def experience(self, place: Place, version: int) -> list[tuple[str, float, bytes]]:
        """(workload's hash, seconds, features) of all that was timed here, the latest last."""
        wanted = [*_at(place), RECORD.c.state != QUARANTINED, FEATURES.c.version == version]
        query = sql.select(WORKLOAD.c.hash, RECORD.c.seconds, FEATURES.c.vector)
        query = query.select_from(sql.join(_joined(), FEATURES)).where(*wanted)
        with self._transaction() as connection:
            return [tuple(row) for row in connection.execute(query.order_by(RECORD.c.id))]

    def record(self, place: Place, hash: str, digest: str) -> Record | None:
        """What became of one trace, known by `Record.digest`."""
        found = self._select(place, *_of_workload(hash), RECORD.c.digest == digest)
        return found[0] if found else None

    def digests(self, place: Place, hash: str) -> set[str]:
        """The names of all traces that are known of a workload, whatever became of them."""
        query = sql.select(RECORD.c.digest).select_from(_joined())
        with self._transaction() as connection:
            return set(connection.scalars(query.where(*_at(place), *_of_workload(hash))))

    def records(
        self,
        place: Place,
        hash: str | None = None,
        states: Sequence[str] = (VERIFIED, MEASURED),
        limit: int | None = None,
    ) -> list[Record]:
        """Records of one workload, or of all; the fastest first."""
        return self._select(place, *_of_workload(hash), RECORD.c.state.in_(states), limit=limit)

    def count(
        self,
        place: Place,
        hash: str | None = None,
        states: Sequence[str] = (VERIFIED, MEASURED),
    ) -> int:
        """Records of one workload, or of all."""
        wanted = [*_at(place), *_of_workload(hash), RECORD.c.state.in_(states)]
        query = sql.select(sql.func.count()).select_from(_joined()).where(*wanted)
        with self._transaction() as connection:
            return connection.scalar(query)

    def history(self, place: Place, hash: str) -> list[float | None]:
        """Seconds of a workload's candidates in the order in which they came; None: it failed."""
        seconds = sql.case((RECORD.c.state != QUARANTINED, RECORD.c.seconds))
        query = sql.select(seconds).select_from(_joined()).where(*_at(place), *_of_workload(hash))
        with self._transaction() as connection:
            return list(connection.scalars(query.order_by(RECORD.c.id)))

    def summary(self) -> list[Summary]:
        """One line for each workload and place."""
        keys = [RECORD.c.device, RECORD.c.threads, WORKLOAD.c.tvm, WORKLOAD.c.hash]
        counts = [sql.func.count(sql.case((RECORD.c.state == state, 1))) for state in STATES]
        best = sql.func.min(sql.case((RECORD.c.state == VERIFIED, RECORD.c.seconds)))
        latest = sql.func.max(RECORD.c.created)
        query = sql.select(*keys, *counts, best, latest).select_from(_joined())
        with self._transaction() as connection:
            rows = connection.execute(query.group_by(*keys).order_by(*keys)).all()
        return [
            Summary(Place(*row[:3]), *row[3:7], None if row[7] is None else row[7] * 1e3, row[8])
            for row in rows
        ]

    def prune(self, keep: int, quarantined: bool = False) -> int:
        """Leave `keep` records of each workload at each place; how many went.

        Verified ones stay before others, fast before slow ones. Quarantined ones stay, for they
        are not to be tried again, unless `quarantined`.
        """
        is_unverified = sql.case((RECORD.c.state == VERIFIED, 0), else_=1)
        rank = sql.func.row_number().over(
            partition_by=(RECORD.c.workload_id, RECORD.c.device, RECORD.c.threads),
            order_by=(is_unverified, RECORD.c.seconds, RECORD.c.id),
        )
        ranked = sql.select(RECORD.c.id, rank.label("rank"))
        ranked = ranked.where(RECORD.c.state != QUARANTINED).subquery()
        gone = RECORD.c.id.in_(sql.select(ranked.c.id).where(ranked.c.rank > keep))
        if quarantined:
            gone = gone | (RECORD.c.state == QUARANTINED)
        delete = sql.delete(RECORD).where(gone)
        return self._write(lambda connection: connection.execute(delete).rowcount)

    def commit_session(self, session: Session) -> None:
        """Keep a session, in the stead of an earlier one of its net, plan and place."""
        self._write(lambda connection: _keep_session(connection, session))

    def sessions(self, net: str | None = None, plan: str | None = None) -> list[Session]:
        """All sessions, or those of a net or a plan; the latest last."""
        query = sql.select(SESSION).order_by(SESSION.c.date, SESSION.c.id)
        wanted = [(SESSION.c.net, net), (SESSION.c.plan, plan)]
        query = query.where(*(column == name for column, name in wanted if name is not None))
        with self._transaction() as connection:
            return [_to_session(row) for row in connection.execute(query)]

    def _make_tables(self, connection: sql.Connection) -> None:
        TABLES.create_all(connection)
        version = connection.scalar(sql.select(ABOUT.c.version))
        if version is None:
            connection.execute(sql.insert(ABOUT).values(version=VERSION))
        elif version != VERSION:
            raise FileError(
                f"{self.name} is a database of version {version}, this is version {VERSION}\n"
                f"  use the sparsetvm that wrote it, or name another database (--db)"
            )

    def _select(
        self, place: Place, *where: sql.ColumnElement[bool], limit: int | None = None
    ) -> list[Record]:
        query = sql.select(RECORD).select_from(_joined()).where(*_at(place), *where)
        query = query.order_by(RECORD.c.seconds, RECORD.c.id).limit(limit)
        with self._transaction() as connection:
            rows = connection.execute(query).all()
            # a module is long and its records are many: each is read once
            ids = {row.workload_id for row in rows}
            modules = sql.select(WORKLOAD.c.id, WORKLOAD.c.hash, WORKLOAD.c.module)
            workloads = {
                id: Workload(hash, module)
                for id, hash, module in connection.execute(modules.where(WORKLOAD.c.id.in_(ids)))
            }
        return [_to_record(row, place, workloads[row.workload_id]) for row in rows]

    def _write(self, work: Callable[[sql.Connection], T], attempts: int = 3) -> T:
        """Do `work` in one transaction; again where another just made the same row or table."""
        for attempt in range(1, attempts + 1):
            try:
                with self._transaction(writes=True) as connection:
                    return work(connection)
            except FileError as err:
                if attempt == attempts or not isinstance(err.__cause__, _RACES):
                    raise

    @contextmanager
    def _transaction(self, writes: bool = False) -> Iterator[sql.Connection]:
        try:
            engine = self._engine.execution_options(writes=writes)
            with engine.begin() as connection:
                yield connection
        except exc.DBAPIError as err:
            raise self._error(err) from err

    def _error(self, err: exc.DBAPIError) -> FileError:
        said = str(err.orig).strip().split("\n")[0]
        return FileError(
            f"the tuning database {self.name} fails: {said}\n"
            f"  make room, mend its permissions, or name another database (--db)"
        )


_RACES = (exc.IntegrityError, exc.ProgrammingError)
"""What databases say where another writer made the same row, or the same table, first."""


def _joined() -> sql.Join:
    return sql.join(RECORD, WORKLOAD)


def _at(place: Place) -> list[sql.ColumnElement[bool]]:
    return [
        RECORD.c.device == place.device,
        RECORD.c.threads == place.threads,
        WORKLOAD.c.tvm == place.tvm,
    ]


def _of_workload(hash: str | None) -> list[sql.ColumnElement[bool]]:
    return [] if hash is None else [WORKLOAD.c.hash == hash]


def _workload_id(connection: sql.Connection, tvm: str, hash: str) -> int | None:
    query = sql.select(WORKLOAD.c.id).where(WORKLOAD.c.tvm == tvm, WORKLOAD.c.hash == hash)
    return connection.scalar(query)


def _keep_workload(connection: sql.Connection, tvm: str, workload: Workload) -> int:
    known = _workload_id(connection, tvm, workload.hash)
    if known is not None:
        return known
    row = sql.insert(WORKLOAD).values(tvm=tvm, hash=workload.hash, module=workload.module)
    return connection.execute(row).inserted_primary_key[0]


def _keep_record(
    connection: sql.Connection, new: Record, features: tuple[int, bytes] | None
) -> None:
    id = _keep_outcome(connection, new)
    if features is not None:
        connection.execute(sql.delete(FEATURES).where(FEATURES.c.record_id == id))
        row = dict(zip(("version", "vector"), features, strict=True))
        connection.execute(sql.insert(FEATURES).values(record_id=id, **row))


def _keep_outcome(connection: sql.Connection, new: Record) -> int:
    """The record's id."""
    key = {
        "workload_id": _keep_workload(connection, new.place.tvm, new.workload),
        "device": new.place.device,
        "threads": new.place.threads,
        "digest": new.digest,
    }
    is_same = [RECORD.c[name] == value for name, value in key.items()]
    old = connection.execute(sql.select(RECORD).where(*is_same).with_for_update()).one_or_none()
    outcome = {
        "run_secs": json.dumps(new.run_secs),
        "seconds": new.seconds,
        "state": new.state,
        "reason": new.reason,
    }
    if old is None:
        rest = {"trace": new.trace, "target": new.target, "args": new.args}
        row = sql.insert(RECORD).values(**key, **rest, **outcome, created=new.created or now())
        return connection.execute(row).inserted_primary_key[0]
    if not new.run_secs:
        outcome |= {"run_secs": old.run_secs, "seconds": old.seconds}
    if STATES.index(old.state) > STATES.index(new.state):
        outcome |= {"state": old.state, "reason": old.reason}
    connection.execute(sql.update(RECORD).where(RECORD.c.id == old.id).values(**outcome))
    return old.id


def _keep_session(connection: sql.Connection, new: Session) -> None:
    key = {"net": new.net, "plan": new.plan, **dataclasses.asdict(new.place)}
    rest = {
        "seed": new.seed,
        "trials": new.trials,
        "date": new.date,
        "versions": json.dumps(dict(new.versions)),
        "tasks": json.dumps([dataclasses.asdict(task) for task in new.tasks]),
        "layers": json.dumps([dataclasses.asdict(layer) for layer in new.layers]),
    }
    is_same = [SESSION.c[name] == value for name, value in key.items()]
    if connection.execute(sql.update(SESSION).where(*is_same).values(**rest)).rowcount == 0:
        connection.execute(sql.insert(SESSION).values(**key, **rest))


def _to_record(row: sql.Row, place: Place, workload: Workload) -> Record:
    return Record(
        workload=workload,
        place=place,
        trace=row.trace,
        run_secs=tuple(json.loads(row.run_secs)),
        target=row.target,
        args=row.args,
        state=row.state,
        reason=row.reason,
        created=row.created,
    )


def _to_session(row: sql.Row) -> Session:
    return Session(
        net=row.net,
        plan=row.plan,
        place=Place(row.device, row.threads, row.tvm),
        seed=row.seed,
        trials=row.trials,
        date=row.date,
        versions=json.loads(row.versions),
        tasks=tuple(TaskTimes(**task) for task in json.loads(row.tasks)),
        layers=tuple(LayerTimes(**layer) for layer in json.loads(row.layers)),
    )
