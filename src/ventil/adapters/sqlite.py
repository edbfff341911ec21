"""SQLite as a state database: its URL, its engine, and what its errors mean."""

from __future__ import annotations

import shlex
import sqlite3
from collections.abc import Callable
from pathlib import Path

import sqlalchemy as sa

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
            f"database_url: {parsed.render_as_string()!r} is not supported by this version",
            hint="use a SQLite file: sqlite:///.ventil/ventil.sqlite",
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
