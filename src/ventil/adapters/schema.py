"""The version of a state database's schema: found, checked, and brought forward.

Forward only, and by additions alone (tables, columns with a default), so that older
workers go on with what they began while a newer one has upgraded the schema under them.
`UPGRADES[n]` leads from version n to n + 1. One upgrade runs at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import sqlalchemy as sa

from ventil.adapters import tables as t
from ventil.adapters.database import Database
from ventil.adapters.postgres import SCHEMA
from ventil.errors import StateError, VentilError, WrongDatabase

_LOCK = 7_386_451_102_837_465_091  # a number of ours among the advisory locks


def _add_workers(db: sa.Connection) -> None:
    db.exec_driver_sql("ALTER TABLE chunk ADD COLUMN owner TEXT")
    db.exec_driver_sql("ALTER TABLE chunk ADD COLUMN due_s FLOAT DEFAULT 0 NOT NULL")
    t.chunk_open.create(db)
    t.metadata.create_all(db, tables=[t.worker, t.pacer, t.run_part])


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


def upgrade(database: Database) -> tuple[int, int]:
    """Bring the schema to this version; (before, after).

    Raises WrongDatabase, StateError.
    """
    with database.write() as db:
        if database.shared:
            db.execute(sa.text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
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
