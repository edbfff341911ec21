"""The store on a SQL database, put together from its subjects."""

from __future__ import annotations

import sqlalchemy as sa

from ventil.adapters import tables as t
from ventil.adapters.database import Database
from ventil.adapters.sql_failures import FailureRows
from ventil.adapters.sql_ledger import Ledger
from ventil.adapters.sql_providers import ProviderRows
from ventil.adapters.sql_runs import RunRows
from ventil.adapters.sqlite import SqliteDatabase, sqlite_engine, sqlite_path, stands
from ventil.errors import StateError
from ventil.ports import RunState


def open_store(url: str, *, create: bool = True) -> SqlStore:
    """Open (and create or migrate) the state database at a `sqlite:///` URL.

    Raises SettingError for a URL of another kind, StateError when the file is damaged,
    cannot be opened, or was written by a newer version.
    """
    path = sqlite_path(url)
    if not create and not stands(path):
        raise StateError(
            f"there is no state database at {path}",
            hint="run `ventil stats` or `ventil demo` first, or name it with --database",
        )
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StateError(
            f"cannot create the state folder {path.parent}: {error.strerror or error}",
            hint="choose another place with --database sqlite:///PATH",
        ) from error
    store = SqlStore(SqliteDatabase(sqlite_engine(url), str(path)))
    store.prepare()
    return store


class SqlStore(RunRows, Ledger, FailureRows, ProviderRows):
    """The `Store` port. Used from one thread."""

    def __init__(self, database: Database) -> None:
        Ledger.__init__(self, database)
        RunRows.__init__(self, database, self.fold)

    def prepare(self) -> None:
        """Create the tables, or check that this version knows the ones that stand."""
        place = self._database.place
        with self._database.write() as db:
            inspector = sa.inspect(db)
            if not inspector.has_table(t.version.name):
                others = set(inspector.get_table_names())
                if others:
                    raise StateError(
                        f"{place} belongs to another application "
                        f"(it has the table {min(others)!r} and no version of ours)",
                        hint="choose another file with --database sqlite:///PATH",
                    )
                t.metadata.create_all(db)
                db.execute(t.version.insert().values(version=t.SCHEMA_VERSION))
                return
            found = int(db.execute(sa.select(t.version.c.version)).scalar_one())
            if found > t.SCHEMA_VERSION:
                raise StateError(
                    f"{place} was written by a newer Ventil "
                    f"(its schema is {found}, this version knows {t.SCHEMA_VERSION})",
                    hint="upgrade Ventil, or choose another file with --database",
                )

    def prune(self, *, before_day: str, keep_runs: int) -> None:
        """Drop samples of periods before a day and all but the latest finished runs.

        Last good values, resumable runs and runs with open failures are kept.
        """
        over = [state.value for state in RunState if not state.resumable]
        with self._database.transaction() as db:
            self.fold(db)
            db.execute("DELETE FROM sample WHERE day < ?", (before_day,))
            db.execute(
                f"DELETE FROM run WHERE {self._database.among('state')}"
                " AND id NOT IN (SELECT id FROM run ORDER BY created_s DESC LIMIT ?)"
                " AND id NOT IN (SELECT run_id FROM failure WHERE state = 'open')",
                (self._database.keys(over), keep_runs),
            )

    def close(self) -> None:
        """Close every connection."""
        self._database.close()
