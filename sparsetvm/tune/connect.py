"""How a tuning database is reached: the user's own file, another file, or a server by its URL."""

import sqlite3
import time
from collections.abc import Callable
from pathlib import Path

import platformdirs
import sqlalchemy as sql
from sqlalchemy import exc

from ..errors import FileError

PATIENCE = 60.0
"""Seconds that a writer waits for its turn; a turn takes milliseconds."""

_NAP = 0.001
"""Seconds between a writer's attempts. SQLite's own waiting naps ever longer, up to 0.1 s, and
beside a writer that hardly pauses would not meet the moments between two of its turns for minutes.
"""


def default_path() -> Path:
    """The user's own database, where no other is named."""
    return Path(platformdirs.user_data_dir("sparsetvm")) / "tuning.db"


def url_of(where: str | Path | None, must_exist: bool) -> sql.URL:
    """A path or a URL as a URL; None: the user's own. The parent of a path must be there."""
    if where is None:
        default_path().parent.mkdir(parents=True, exist_ok=True)
        return sql.URL.create("sqlite", database=str(default_path()))
    if "://" not in str(where):
        path = Path(where).resolve()
        if not path.parent.is_dir():
            folder = path.parent
            raise FileError(f"there is no folder {folder}\n  make it first: mkdir -p {folder}")
        if must_exist and not path.is_file():
            raise FileError(f"there is no tuning database at {where}\n  check the path or URL")
        return sql.URL.create("sqlite", database=str(path))
    try:
        url = sql.make_url(str(where))
    except exc.ArgumentError as err:
        said = f"{where} is no URL of a database"
        raise FileError(f"{said}\n  write a path, or postgresql://…") from err
    return url.set(drivername="postgresql+psycopg") if url.drivername == "postgresql" else url


def is_sqlite(url: sql.URL) -> bool:
    return url.get_backend_name() == "sqlite"


def engine_of(url: sql.URL) -> sql.Engine:
    """What makes connections to a database; FileError where its driver is not installed."""
    try:
        if not is_sqlite(url):
            return sql.create_engine(url, pool_pre_ping=True)  # a server may restart
        engine = sql.create_engine(url, connect_args={"timeout": PATIENCE})
    except (exc.NoSuchModuleError, ModuleNotFoundError) as err:
        raise FileError(
            f"no driver for {url.drivername} databases: {err}\n"
            f"  install it (PostgreSQL: pip install psycopg psycopg-binary), or name a file"
        ) from err
    sql.event.listen(engine, "connect", _prepare_sqlite)
    sql.event.listen(engine, "begin", _begin_sqlite)
    return engine


def _prepare_sqlite(connection, _pool_record) -> None:
    """WAL: readers beside a writer. FULL: on the disk before a commit returns.

    NORMAL would be safe from kill -9 too, but not from a power cut; FULL costs a millisecond.
    """
    connection.isolation_level = None  # we say BEGIN ourselves
    for setting in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON"):
        _patiently(connection.execute, f"PRAGMA {setting}")


def _begin_sqlite(connection: sql.Connection) -> None:
    """A writer waits for its turn at once: after reading it might come too late to write."""
    writes = connection.get_execution_options().get("writes")
    waits = 0 if writes else round(PATIENCE * 1000)
    connection.exec_driver_sql(f"PRAGMA busy_timeout = {waits}")
    _patiently(connection.exec_driver_sql, "BEGIN IMMEDIATE" if writes else "BEGIN")


def _patiently(execute: Callable[[str], object], statement: str) -> None:
    """Again while others hold the lock, for as long as PATIENCE lasts."""
    end = time.monotonic() + PATIENCE
    while True:
        try:
            execute(statement)
            return
        except (sqlite3.OperationalError, exc.OperationalError) as err:
            if "locked" not in str(err) or time.monotonic() > end:
                raise
        time.sleep(_NAP)
