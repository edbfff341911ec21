"""SQLite in WAL mode as a state database: one file, no server.

Transactions are short and begin with the write lock taken (`BEGIN IMMEDIATE`), so two
processes never deadlock on an upgrade from reader to writer. `synchronous=NORMAL`: a
killed process loses nothing; a power cut may lose the last commits and never corrupts.
"""

from __future__ import annotations

import contextlib
import shlex
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, cast

import msgspec
import sqlalchemy as sa

from ventil.adapters.database import Database, Session
from ventil.adapters.sql_ledger import ON_SAMPLE_CONFLICT, SAMPLE_COLUMNS
from ventil.errors import SettingError, StateError


def sqlite_path(url: str) -> Path:
    """The file of a `sqlite:///path` URL. Raises SettingError for anything else."""
    try:
        parsed = sa.make_url(url)
    except sa.exc.ArgumentError as error:
        raise SettingError(
            f"database_url = {url!r} is no database URL",
            hint="write it like sqlite:///.ventil/ventil.sqlite",
        ) from error
    if parsed.get_backend_name() != "sqlite" or not parsed.database:
        raise SettingError(
            f"database_url: {parsed.render_as_string()!r} is not supported here",
            hint="use a SQLite file (sqlite:///.ventil/ventil.sqlite) or Postgres "
            "(postgresql://USER:PASSWORD@HOST/DATABASE)",
        )
    return Path(parsed.database)


def stands(path: Path) -> bool:
    """Whether there is something at *path*; also when the folder does not let us look."""
    try:
        return path.exists()
    except OSError:
        return True


def sqlite_engine(url: str, *, immediate: Callable[[], bool] = lambda: True) -> sa.Engine:
    """An engine in WAL mode whose transactions take the write lock when they begin.

    They do so while `immediate()` is true and the connection is not marked read-only.
    """
    engine = sa.create_engine(url, connect_args={"timeout": 30, "check_same_thread": False})

    @sa.event.listens_for(engine, "connect")
    def _pragmas(connection: sqlite3.Connection, _record: object) -> None:
        connection.isolation_level = None
        for pragma in (
            "busy_timeout=30000",
            "foreign_keys=ON",
            "journal_mode=WAL",
            "synchronous=NORMAL",
            "cache_size=-16000",
            "wal_autocheckpoint=4000",  # 16 MB: a page that changes often is copied back once
        ):
            connection.execute(f"PRAGMA {pragma}")

    @sa.event.listens_for(engine, "begin")
    def _begin(connection: sa.Connection) -> None:
        if immediate() and not connection.get_execution_options().get("ventil_read_only"):
            connection.exec_driver_sql("BEGIN IMMEDIATE")

    return engine


class SqliteDatabase(Database):
    """A SQLite file."""

    driver_errors = (sa.exc.DBAPIError, sqlite3.Error)

    def __init__(self, engine: sa.Engine, place: str) -> None:
        super().__init__(engine, place)
        self._kept: sa.PoolProxiedConnection | None = None

    @contextlib.contextmanager
    def direct(self) -> Iterator[Session]:
        with self.faults():
            yield cast("Session", self._connection())

    @contextlib.contextmanager
    def transaction(self) -> Iterator[Session]:
        with self.faults():
            db = self._connection()
            db.execute("BEGIN IMMEDIATE")
            try:
                yield cast("Session", db)
                db.execute("COMMIT")
            except BaseException:
                if db.in_transaction:  # some errors end it by themselves
                    db.execute("ROLLBACK")
                raise

    def _connection(self) -> sqlite3.Connection:
        if self._kept is None:
            self._kept = self.engine.raw_connection()
        return cast("sqlite3.Connection", self._kept.driver_connection)

    def upsert_samples(self, db: Session, rows: Sequence[Sequence[Any]]) -> None:
        db.executemany(_UPSERT_SAMPLE, rows)

    def among(self, column: str) -> str:
        return f"{column} IN (SELECT value FROM json_each(?))"

    def keys(self, keys: Sequence[str]) -> str:
        return msgspec.json.encode(keys).decode()

    def as_error(self, error: Exception) -> StateError:
        return as_state_error(error, self.place)

    def as_damage(self, words: str) -> StateError:
        return as_damaged(self.place, words)

    def close(self) -> None:
        """Close the file; the write-ahead log is folded in when nobody else has it open."""
        if self._kept is not None:
            self._kept.close()
            self._kept = None
        super().close()


_UPSERT_SAMPLE = (
    f"INSERT INTO sample ({SAMPLE_COLUMNS}) VALUES (?,?,?,?,?,?,?,?,?,?,?) {ON_SAMPLE_CONFLICT}"
)


def as_state_error(error: Exception, path: str) -> StateError:
    """What a database error means to a person, and what to do."""
    cause = error.orig if isinstance(error, sa.exc.DBAPIError) and error.orig else error
    text = str(cause)
    if "disk is full" in text or "disk I/O error" in text:
        return StateError(
            f"the disk with {path} is full or failing ({text})",
            hint="free some space and give the same command again: what was fetched is kept",
        )
    if isinstance(cause, sqlite3.DatabaseError) and (
        "malformed" in text or "not a database" in text
    ):
        return as_damaged(path, text)
    if "locked" in text:
        return StateError(
            f"{path} is locked by another process ({text})",
            hint="wait for it to finish, or look with `ventil doctor`",
        )
    return StateError(
        f"the state database {path} cannot be used: {text}",
        hint="look with `ventil doctor`, or choose another file with --database",
    )


def as_damaged(path: str, words: str) -> StateError:
    """The database at *path* does not hold what was written to it."""
    old = shlex.quote(path)
    return StateError(
        f"{path} is damaged ({words})",
        hint=f"move it away (mv {old} {old}.damaged) and give the same command again; "
        "the published artefact stays as it is, the last good values in the file are lost",
    )
