"""Postgres as a state database: many processes on many machines share it.

Everything of ours is in the schema `ventil`, so the database may hold other things. The
statements of the hot path run on one connection of the driver's, prepared by it after a
few uses; behind a pooler that means session pooling, or a direct connection.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any, cast

import psycopg
import sqlalchemy as sa

from ventil.adapters.database import Database, Rows, Session
from ventil.adapters.sql_ledger import ON_SAMPLE_CONFLICT, SAMPLE_COLUMNS
from ventil.errors import NoSpace, SettingError, StateError, VentilError, WrongDatabase

SCHEMA = "ventil"
CONNECT_S = 10
"""The longest wait for a connection."""

_DRIVER = "postgresql+psycopg"
_NAMES = ("postgresql", "postgres", _DRIVER)


def is_postgres(url: str) -> bool:
    """Whether a URL names a Postgres database."""
    return url.partition("://")[0] in _NAMES


def postgres_url(url: str) -> sa.URL:
    """A Postgres URL for our driver. Raises SettingError, without the URL's password."""
    try:
        parsed = sa.make_url(url)
    except (sa.exc.ArgumentError, ValueError):
        parsed = None
    if parsed is None or not parsed.database:
        raise SettingError(
            "database_url: that is no Postgres URL with a database in it", hint=_WRITE_IT
        ) from None
    if parsed.host is not None and not _HOST.fullmatch(parsed.host):
        # A password with an @ in it would be taken for a part of the host, and shown.
        raise SettingError(
            "database_url: what stands between the @ and the next / is no host and port",
            hint=f"{_WRITE_IT}; an @ in a password is written %40, a % is %25",
        )
    if parsed.port is not None and not 0 < parsed.port < 65_536:
        raise SettingError(
            f"database_url: there is no port {parsed.port}", hint="Postgres has 5432 mostly"
        )
    try:
        psycopg.conninfo.make_conninfo("", **dict.fromkeys(parsed.query, "x"))
    except psycopg.ProgrammingError as error:
        raise SettingError(
            f"database_url: {str(error).strip()} (it stands behind the ?)",
            hint="one of the parameters of libpq, such as sslmode or connect_timeout",
        ) from None
    return parsed.set(drivername=_DRIVER)


_WRITE_IT = "write it like postgresql://USER:PASSWORD@HOST:5432/DATABASE"
_HOST = re.compile(r"[^\s@/?#]*")


def conninfo(url: str) -> str:
    """A Postgres URL as the driver alone reads it, password included."""
    parsed = postgres_url(url)
    given = parsed.translate_connect_args(username="user", database="dbname")
    return psycopg.conninfo.make_conninfo("", **{**parsed.query, **given})


def place_of(url: str) -> str:
    """A Postgres URL for people: without password."""
    u = postgres_url(url)
    bare = sa.URL.create("postgresql", u.username, None, u.host, u.port, u.database)
    return bare.render_as_string()


def postgres_engine(url: str, *, idle_ms: int = 0) -> sa.Engine:
    """An engine whose connections see our schema and notice when the other side is gone.

    *idle_ms*: how long the server waits for the next statement of a transaction before it cuts
    the connection, so that a frozen process holds up nobody; 0: for ever.
    """
    engine = sa.create_engine(
        postgres_url(url),
        pool_pre_ping=True,
        pool_size=2,
        connect_args={
            "connect_timeout": CONNECT_S,
            "application_name": "ventil",
            "keepalives_idle": 10,
            "keepalives_interval": 5,
            "keepalives_count": 3,
            "tcp_user_timeout": 15_000,
        },
    )

    @sa.event.listens_for(engine, "connect")
    def _settings(connection: Any, _record: object) -> None:
        connection.autocommit = True
        connection.execute(f"SET search_path TO {SCHEMA}")
        connection.execute("SET statement_timeout TO '60s'")
        connection.execute(f"SET idle_in_transaction_session_timeout TO {idle_ms:d}")
        connection.autocommit = False

    return engine


class PostgresDatabase(Database):
    """A Postgres database."""

    shared = True
    driver_errors = (sa.exc.DBAPIError, psycopg.Error)

    def __init__(self, url: str, *, idle_ms: int = 0) -> None:
        super().__init__(postgres_engine(url, idle_ms=idle_ms), place_of(url))
        self._kept: sa.PoolProxiedConnection | None = None

    @contextlib.contextmanager
    def direct(self) -> Iterator[Session]:
        with self.faults():
            yield _Session(self._connection())

    @contextlib.contextmanager
    def transaction(self) -> Iterator[Session]:
        with self.faults():
            connection = self._connection()
            with connection.transaction():
                yield _Session(connection)

    def _connection(self) -> psycopg.Connection[Any]:
        kept = self._kept
        if kept is not None:
            connection = cast("psycopg.Connection[Any]", kept.driver_connection)
            if not (connection.closed or connection.broken):
                return connection
            kept.invalidate()
            self._kept = None
        kept = self.engine.raw_connection()
        connection = cast("psycopg.Connection[Any]", kept.driver_connection)
        connection.autocommit = True
        self._kept = kept
        return connection

    @contextlib.contextmanager
    def read(self) -> Iterator[sa.Connection]:
        """A connection of SQLAlchemy's to read from, with no BEGIN and no ROLLBACK."""
        with (
            self.faults(),
            self.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as db,
        ):
            yield db

    def upsert_samples(self, db: Session, rows: Sequence[Sequence[Any]]) -> None:
        # In the order of their keys: two workers never wait for each other in a circle.
        rows = [(*row[:-1], without_nul(row[-1])) for row in rows]
        rows.sort(key=lambda row: row[2])
        if len({row[2] for row in rows}) < len(rows):  # a key twice: each in its turn
            db.executemany(_UPSERT_SAMPLE, rows)
        else:
            db.execute(_UPSERT_SAMPLES, [list(column) for column in zip(*rows, strict=True)])

    def among(self, column: str) -> str:
        return f"{column} = ANY(?)"

    def keys(self, keys: Sequence[str]) -> list[str]:
        return list(keys)

    def as_error(self, error: Exception) -> VentilError:
        return as_postgres_error(error, self.place)

    def as_damage(self, words: str) -> StateError:
        return StateError(
            f"what stands in {self.place} makes no sense ({words})",
            hint="look at the server's log and disk; the published artefact stays as it is",
        )

    def close(self) -> None:
        if self._kept is not None:
            with contextlib.suppress(Exception):  # it may be broken
                self._kept.invalidate()
            self._kept = None
        super().close()


class _Session:
    """Statements with `?` on a connection of the driver's."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self._connection = connection

    def execute(self, statement: str, values: Sequence[Any] = (), /) -> Rows:
        return self._connection.execute(translated(statement), values)

    def executemany(self, statement: str, rows: Sequence[Sequence[Any]], /) -> None:
        with self._connection.cursor() as cursor:
            cursor.executemany(translated(statement), rows)


@lru_cache(maxsize=256)
def translated(statement: str) -> Any:
    """A statement with the driver's mark for a parameter."""
    return statement.replace("?", "%s")


def without_nul(text: str) -> str:
    """What a provider said, without the one character that Postgres has no room for."""
    return text.replace("\0", "\ufffd")


_UPSERT_SAMPLE = (
    f"INSERT INTO sample ({SAMPLE_COLUMNS}) VALUES (?,?,?,?,?,?,?,?,?,?,?) {ON_SAMPLE_CONFLICT}"
)

_UPSERT_SAMPLES = (
    f"INSERT INTO sample ({SAMPLE_COLUMNS}) SELECT * FROM unnest(?::int[], ?::text[],"
    " ?::text[], ?::text[], ?::bigint[], ?::text[], ?::text[], ?::float8[], ?::int[],"
    f" ?::text[], ?::text[]) {ON_SAMPLE_CONFLICT}"
)


_REFUSED = {
    "28P01": "check user and password in the URL",
    "28000": "check the user in the URL, and the server's pg_hba.conf",
    "3D000": "create it (CREATE DATABASE ...), or correct the URL",
    "42501": "grant it: GRANT CREATE ON DATABASE for `ventil db upgrade`, and USAGE on the "
    "schema and its tables for the rest",
}
_ABSENT = {"42P01", "3F000", "42703"}  # a table, schema or column
_FULL = {"53100"}
_IN_USE = {"55P03", "40P01"}  # a lock that was not to be had, a deadlock


def as_postgres_error(error: Exception, place: str) -> VentilError:
    """What an error of Postgres means to a person, and what to do. Never the password."""
    cause = error.orig if isinstance(error, sa.exc.DBAPIError) and error.orig else error
    code = getattr(cause, "sqlstate", None)
    text = " ".join(str(cause).split())[:300]
    if code is None:  # a connection that was refused has no code, only words
        code = next((c for c, words in _WORDS.items() if words in text), None)
    if code is None and text.startswith("connection is bad: invalid"):
        return SettingError(
            f"{place}: {text.removeprefix('connection is bad: ')}",
            hint="correct the parameters behind the ? of the database's URL",
        )
    if code in _REFUSED:
        return WrongDatabase(f"{place} refuses us: {text}", hint=_REFUSED[code])
    if code in _ABSENT:
        return WrongDatabase(
            f"{place} has no schema of Ventil's, or an older one: {text}",
            hint="run `ventil db upgrade` with the same --database",
        )
    if code in _IN_USE:
        return StateError(
            f"tables of {place} are in use by another transaction ({text})",
            hint="give the same command again; pg_stat_activity shows whose it is",
        )
    if code in _FULL:
        return NoSpace(
            f"the disk of {place} is full ({text})",
            hint="free some space and give the same command again: what was fetched is kept",
        )
    return StateError(
        f"{place} cannot be used: {text}",
        hint="is the server up, and the URL right? what was fetched before is kept",
    )


_WORDS = {
    "28P01": "password authentication failed",
    "28000": "no pg_hba.conf entry",
    "3D000": "does not exist",
}
