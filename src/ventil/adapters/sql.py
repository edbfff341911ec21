"""The store on a SQL database, put together from its subjects."""

from __future__ import annotations

from ventil.adapters import schema
from ventil.adapters import tables as t
from ventil.adapters.database import Database
from ventil.adapters.postgres import PostgresDatabase, is_postgres, place_of
from ventil.adapters.sql_failures import FailureRows
from ventil.adapters.sql_ledger import Ledger
from ventil.adapters.sql_providers import ProviderRows
from ventil.adapters.sql_runs import RunRows
from ventil.adapters.sql_waiting import WaitingRows
from ventil.adapters.sqlite import SqliteDatabase, sqlite_engine, sqlite_path, stands
from ventil.errors import StateError
from ventil.ports import RunState


def open_store(url: str, *, create: bool = True) -> SqlStore:
    """Open the state database at a `sqlite:///` or `postgresql://` URL.

    A SQLite file is created or upgraded; Postgres is only checked, see `upgrade_database`.
    Raises SettingError for a URL of another kind, StateError when the database is damaged
    or cannot be opened, WrongDatabase when it refuses us or has not our schema.
    """
    if is_postgres(url):
        database = PostgresDatabase(url)
        schema.check(database)
        return SqlStore(database)
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
    file = SqliteDatabase(sqlite_engine(url), str(path))
    schema.upgrade(file)
    return SqlStore(file)


def has_database(url: str) -> bool:
    """Whether a state database stands at *url* already; a server's is taken to stand."""
    return is_postgres(url) or stands(sqlite_path(url))


def database_place(url: str) -> str:
    """Where a state database is, for a person: without password."""
    return place_of(url) if is_postgres(url) else str(sqlite_path(url))


def upgrade_database(url: str) -> tuple[int, int]:
    """Create or upgrade the schema; the versions before (0: nothing stood) and after."""
    if not is_postgres(url):
        open_store(url).close()  # a file is upgraded whenever it is opened
        return t.SCHEMA_VERSION, t.SCHEMA_VERSION
    database = PostgresDatabase(url)
    try:
        return schema.upgrade(database)
    finally:
        database.close()


class SqlStore(RunRows, Ledger, FailureRows, ProviderRows, WaitingRows):
    """The `Store` port, and `WaitingRoom`. Used from one thread."""

    def __init__(self, database: Database) -> None:
        Ledger.__init__(self, database)
        RunRows.__init__(self, database, self.fold)

    def prune(self, *, before_day: str, keep_runs: int) -> None:
        """Drop samples of periods before a day and all but the latest finished runs.

        Last good values, resumable runs and runs with open failures are kept.
        """
        over = [state.value for state in RunState if not state.resumable]
        with self._database.transaction() as db:
            self.fold(db, before_day)
            kept = {
                (row[0], row[1]) for row in db.execute("SELECT series_id, day FROM unfolded")
            }
            for (series_id,) in list(db.execute("SELECT id FROM series")):
                # By the index, one day after another; without its series all would be read.
                old = db.execute(
                    "SELECT DISTINCT day FROM sample WHERE series_id = ? AND day < ?",
                    (series_id, before_day),
                )
                for (day,) in list(old):
                    if (series_id, day) not in kept:
                        db.execute(
                            "DELETE FROM sample WHERE series_id = ? AND day = ?",
                            (series_id, day),
                        )
            db.execute(
                f"DELETE FROM run WHERE {self._database.among('state')}"
                " AND id NOT IN (SELECT id FROM run ORDER BY created_s DESC LIMIT ?)"
                " AND id NOT IN (SELECT run_id FROM failure WHERE state = 'open')",
                (self._database.keys(over), keep_runs),
            )

    def close(self) -> None:
        """Close every connection."""
        self._database.close()
