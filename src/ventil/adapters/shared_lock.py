"""What commands share on a Postgres: its time, its workers, and one submitter for each job."""

from __future__ import annotations

import contextlib
import hashlib
import secrets
import time
from collections.abc import Iterator, Sequence
from typing import Any

import psycopg

from ventil.adapters.postgres import (
    CONNECT_S,
    SCHEMA,
    as_postgres_error,
    conninfo,
    place_of,
)
from ventil.errors import WrongDatabase

_LOCK_CLASS = 1_447_382_357
_FRESH_S = 10.0
"""A worker's row that is older is nobody's word, even if nobody has given it up yet."""


@contextlib.contextmanager
def connected(url: str) -> Iterator[psycopg.Connection[Any]]:
    """A connection of its own. Raises WrongDatabase, StateError."""
    try:
        with psycopg.connect(
            conninfo(url),
            autocommit=True,
            connect_timeout=CONNECT_S,
            options=f"-c search_path={SCHEMA}",
            application_name="ventil",
        ) as connection:
            yield connection
    except psycopg.Error as error:
        raise as_postgres_error(error, place_of(url)) from error


def check_sessions(url: str) -> None:
    """Raise WrongDatabase when a pooler before the server keeps no sessions.

    Between transactions it would hand the connection of one client to another: locks that a
    session holds and what it listens to would be lost without a word. What one client sets is
    then seen by the next, as a pooler prefers the connection that was used last.
    """
    with connected(url) as one, connected(url) as other:
        for _ in range(3):
            mark = secrets.token_hex(8)
            one.execute("SELECT set_config('ventil.session', %s, false)", (mark,))
            row = other.execute("SELECT current_setting('ventil.session', true)").fetchone()
            if row is not None and row[0] == mark:
                raise WrongDatabase(
                    f"{place_of(url)} is behind a pooler that keeps no sessions",
                    hint="connect to the server itself, or set pool_mode = session",
                )


def ahead_s(url: str) -> float:
    """By how many seconds the database's clock is ahead of this machine's."""
    with connected(url) as connection:
        before_s = time.time()
        row = connection.execute(
            "SELECT extract(epoch FROM clock_timestamp())::float8"
        ).fetchone()
        return float(row[0]) - (before_s + time.time()) / 2 if row else 0.0


def live_workers(url: str, providers: Sequence[str] = ()) -> int:
    """How many workers are in that serve all of these provider keys. Visitors are none."""
    with connected(url) as connection:
        row = connection.execute(
            "SELECT count(*) FROM worker WHERE gone IS NULL AND slots > 0"
            " AND providers::jsonb @> %s::jsonb"
            " AND seen_s > extract(epoch FROM clock_timestamp()) - %s",
            (_as_json(providers), _FRESH_S),
        ).fetchone()
        return int(row[0]) if row else 0


def live_slots(url: str, provider: str) -> tuple[int, int]:
    """How many workers are in that serve a provider key, and their slots for it."""
    with connected(url) as connection:
        row = connection.execute(
            "SELECT count(*), coalesce(sum(slots), 0) FROM worker WHERE gone IS NULL"
            " AND slots > 0"
            " AND providers::jsonb @> %s::jsonb"
            " AND seen_s > extract(epoch FROM clock_timestamp()) - %s",
            (_as_json([provider]), _FRESH_S),
        ).fetchone()
        return (int(row[0]), int(row[1])) if row else (0, 0)


def _as_json(names: Sequence[str]) -> str:
    return "[" + ", ".join(f'"{name}"' for name in names) + "]"


class SharedLock:
    """One command for each job at a time; see `StateLock`. The session holds it."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._open: contextlib.ExitStack | None = None

    def acquire(self, words: str) -> bool:
        """Take the lock of the job in *words*; False when another command holds it."""
        digest = hashlib.sha256(words.encode()).digest()
        number = int.from_bytes(digest[:4], "big", signed=True)
        check_sessions(self._url)
        with contextlib.ExitStack() as stack:
            connection = stack.enter_context(connected(self._url))
            row = connection.execute(
                "SELECT pg_try_advisory_lock(%s, %s)", (_LOCK_CLASS, number)
            ).fetchone()
            if not (row and row[0]):
                return False
            self._open = stack.pop_all()
            return True

    def holder(self) -> str | None:
        """Who works on the runs, in words; None when nobody does."""
        count = live_workers(self._url)
        return f"{count} worker{'s' if count > 1 else ''}" if count else None

    def release(self) -> None:
        """Give the lock back."""
        if self._open is not None:
            with contextlib.suppress(Exception):  # a broken connection holds nothing
                self._open.close()
            self._open = None
