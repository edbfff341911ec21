"""The version of a state database's schema: found, checked, and brought forward.

Forward only, and by additions alone (tables, columns with a default), so that older
workers go on with what they began while a newer one has upgraded the schema under them.
`UPGRADES[n]` leads from version n to n + 1. One upgrade runs at a time.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

import sqlalchemy as sa

from ventil.adapters import tables as t
from ventil.adapters.database import Database
from ventil.adapters.postgres import SCHEMA
from ventil.errors import StateError, VentilError, WrongDatabase

LOCK_S = 2.0
"""The longest that an upgrade lets others wait behind it for a table."""

PATIENCE_S = 30.0
"""How long it tries again when a table is in use each time."""

_LOCK = 7_386_451_102_837_465_091  # a number of ours among the advisory locks


def _add_workers(db: sa.Connection) -> None:
    db.exec_driver_sql("ALTER TABLE chunk ADD COLUMN owner TEXT")
    db.exec_driver_sql("ALTER TABLE chunk ADD COLUMN due_s FLOAT DEFAULT 0 NOT NULL")
    t.chunk_open.create(db)
    # The first databases of version 2 had no `step` yet.
    t.metadata.create_all(db, tables=[t.step, t.worker, t.pacer, t.run_part])


def _add_answers_that_come_later(db: sa.Connection) -> None:
    db.exec_driver_sql("ALTER TABLE chunk ADD COLUMN collects BOOLEAN DEFAULT FALSE NOT NULL")
    db.exec_driver_sql("ALTER TABLE provider ADD COLUMN limits TEXT")
    t.metadata.create_all(db, tables=[t.waiting, t.task_token])


def _add_urgent(db: sa.Connection) -> None:
    db.exec_driver_sql("ALTER TABLE run ADD COLUMN urgent BOOLEAN DEFAULT FALSE NOT NULL")


UPGRADES: Mapping[int, Callable[[sa.Connection], None]] = {
    1: lambda db: t.metadata.create_all(db, [t.kept, t.step]),  # documents, and looks for them
    2: _add_workers,
    3: _add_answers_that_come_later,
    4: _add_urgent,
}


def found_version(db: sa.Connection, place: str, *, shared: bool) -> int:
    """The version that stands; 0 when there is nothing yet.

    Raises WrongDatabase (StateError for a file) when it is another application's, or newer.
    """
    Wrong: type[VentilError] = WrongDatabase if shared else StateError  # noqa: N806
    what = f"the schema {SCHEMA} in {place}" if shared else place
    inspector = sa.inspect(db)
    if shared and SCHEMA not in inspector.get_schema_names():
        return 0
    schema = SCHEMA if shared else None
    if shared and not db.scalar(sa.text(f"SELECT has_schema_privilege('{SCHEMA}', 'USAGE')")):
        raise Wrong(  # to whom it may not look into, the server says that it is not there
            f"{place} refuses us: permission denied for schema {SCHEMA}",
            hint=f"grant it: GRANT USAGE ON SCHEMA {SCHEMA}, and the rights to its tables",
        )
    names = set(inspector.get_table_names(schema=schema))
    if t.version.name not in names:
        if names:
            raise Wrong(
                f"{what} belongs to another application "
                f"(it has the table {min(names)!r} and no version of ours)",
                hint="choose another database with --database",
            )
        return 0
    found = int(db.execute(sa.select(t.version.c.version)).scalar_one())
    if found > t.SCHEMA_VERSION:
        raise Wrong(
            f"{what} was written by a newer Ventil "
            f"(its schema is {found}, this version knows {t.SCHEMA_VERSION})",
            hint="upgrade Ventil, or choose another database with --database",
        )
    return found


def upgrade(
    database: Database, *, lock_s: float = LOCK_S, patience_s: float = PATIENCE_S
) -> tuple[int, int]:
    """Bring the schema to this version; (before, after).

    On a shared database it stands in nobody's way for longer than *lock_s*: where a
    transaction holds a table for longer, it lets those go on who wait behind it, and tries
    again for *patience_s*. Raises WrongDatabase, StateError.
    """
    deadline_s = time.monotonic() + patience_s
    while True:
        try:
            return _upgraded(database, lock_s)
        except StateError as error:
            if _code(error) not in _IN_USE or time.monotonic() > deadline_s:
                raise


def _upgraded(database: Database, lock_s: float) -> tuple[int, int]:
    with database.write() as db:
        if database.shared:
            db.execute(sa.text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
            db.exec_driver_sql(f"SET LOCAL lock_timeout TO '{int(lock_s * 1000)}ms'")
        before = found_version(db, database.place, shared=database.shared)
        if before == 0:
            if database.shared:
                db.execute(sa.schema.CreateSchema(SCHEMA, if_not_exists=True))
            t.metadata.create_all(db)
            db.execute(t.version.insert().values(version=t.SCHEMA_VERSION))
        for version in range(before or t.SCHEMA_VERSION, t.SCHEMA_VERSION):
            UPGRADES[version](db)
            db.execute(t.version.update().values(version=version + 1))
        return before, t.SCHEMA_VERSION


_IN_USE = frozenset({"55P03", "40P01"})
"""Postgres: a lock was not to be had in time; two waited for each other."""


def _code(error: StateError) -> str | None:
    cause = error.__cause__
    return getattr(getattr(cause, "orig", cause), "sqlstate", None)


def check(database: Database) -> None:
    """Raise WrongDatabase unless the schema is of this version."""
    with database.read() as db:
        found = found_version(db, database.place, shared=database.shared)
    if found < t.SCHEMA_VERSION:
        stands = f"schema {found}" if found else "no schema of Ventil's yet"
        raise WrongDatabase(
            f"{database.place} has {stands}; this version needs schema {t.SCHEMA_VERSION}",
            hint="run `ventil db upgrade` with the same --database",
        )
