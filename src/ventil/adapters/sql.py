"""The store on a SQL database: SQLite in WAL mode, one file, no server.

Transactions are short and begin with the write lock taken (`BEGIN IMMEDIATE`), so two
processes never deadlock on an upgrade from reader to writer. `synchronous=NORMAL`: a
killed process loses nothing; a power cut may lose the last commits and never corrupts.
The statements of the hot path go straight to the driver: a transaction of a few rows
through the layers above it costs several times what it costs here.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
import zlib
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import cast

import sqlalchemy as sa

from ventil.adapters import tables as t
from ventil.adapters.rows import (
    as_run,
    days,
    interval,
    keys_json,
    pack,
    parts,
    run_values,
    unpack,
)
from ventil.adapters.sqlite import (
    as_damaged,
    as_state_error,
    sqlite_engine,
    sqlite_path,
    stands,
)
from ventil.core.model import Good, Sample, Status
from ventil.errors import StateError
from ventil.ports import ChunkRow, Entry, Failure, ProviderRow, Run, RunState


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
    engine = sqlite_engine(url)
    store = SqlStore(engine, str(path))
    store.prepare()
    return store


class SqlStore:
    """The `Store` port on SQLAlchemy Core. One connection, used from one thread."""

    def __init__(self, engine: sa.Engine, path: str) -> None:
        self._engine = engine
        self._path = path
        self._series: dict[str, int] = {}
        self._noted: set[tuple[int, str]] = set()  # in `unfolded` for sure
        self._kept: sa.PoolProxiedConnection | None = None

    # -- opening ---------------------------------------------------------------------

    def prepare(self) -> None:
        """Create the tables, or check that this version knows the ones that stand."""
        with self._write() as db:
            inspector = sa.inspect(db)
            if not inspector.has_table(t.version.name):
                others = set(inspector.get_table_names())
                if others:
                    raise StateError(
                        f"{self._path} belongs to another application "
                        f"(it has the table {min(others)!r} and no version of ours)",
                        hint="choose another file with --database sqlite:///PATH",
                    )
                t.metadata.create_all(db)
                db.execute(t.version.insert().values(version=t.SCHEMA_VERSION))
                return
            found = int(db.execute(sa.select(t.version.c.version)).scalar_one())
            if found > t.SCHEMA_VERSION:
                raise StateError(
                    f"{self._path} was written by a newer Ventil "
                    f"(its schema is {found}, this version knows {t.SCHEMA_VERSION})",
                    hint="upgrade Ventil, or choose another file with --database",
                )

    @contextlib.contextmanager
    def _write(self) -> Iterator[sa.Connection]:
        with self._faults(), self._engine.begin() as db:
            yield db

    @contextlib.contextmanager
    def _read(self) -> Iterator[sa.Connection]:
        with (
            self._faults(),
            self._engine.connect().execution_options(ventil_read_only=True) as db,
        ):
            yield db

    @contextlib.contextmanager
    def _direct(self) -> Iterator[sqlite3.Connection]:
        """The driver's connection, kept for this store. Each read stands for itself."""
        with self._faults():
            if self._kept is None:
                self._kept = self._engine.raw_connection()
            yield cast("sqlite3.Connection", self._kept.driver_connection)

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        """A write transaction on the driver's connection, whole or not at all."""
        with self._direct() as db:
            db.execute("BEGIN IMMEDIATE")
            try:
                yield db
                db.execute("COMMIT")
            except BaseException:
                if db.in_transaction:  # some errors end it by themselves
                    db.execute("ROLLBACK")
                raise

    @contextlib.contextmanager
    def _faults(self) -> Iterator[None]:
        try:
            yield
        except (sa.exc.DBAPIError, sqlite3.Error) as error:
            raise as_state_error(error, self._path) from error
        except (sa.exc.NoResultFound, ValueError, TypeError, LookupError, zlib.error) as error:
            # What was read makes no sense: a page of it is not what was written.
            raise as_damaged(self._path, str(error) or type(error).__name__) from error

    def close(self) -> None:
        """Close the file; the write-ahead log is folded in when nobody else has it open."""
        if self._kept is not None:
            self._kept.close()
            self._kept = None
        self._engine.dispose()

    # -- runs ------------------------------------------------------------------------

    def create_run(self, run: Run, keys: Sequence[str], chunks: Iterable[ChunkRow]) -> None:
        """Store a run with its records and chunks, whole or not at all."""
        with self._write() as db:
            self._fold(db)
            db.execute(t.run.insert().values(**run_values(run), keys=pack(list(keys))))
            self._insert_chunks(db, run.id, chunks)

    def _insert_chunks(
        self, db: sa.Connection, run_id: str, chunks: Iterable[ChunkRow]
    ) -> None:
        rows = (
            (run_id, c.index, pack(c.batches), c.attempts, c.failed, c.finished, c.since_s)
            for c in chunks
        )
        while part := list(islice(rows, 200)):
            db.exec_driver_sql("INSERT INTO chunk VALUES (?, ?, ?, ?, ?, ?, ?)", part)

    def run(self, run_id: str) -> Run | None:
        """A run by its id; None when there is none."""
        with self._read() as db:
            row = db.execute(_RUN.where(t.run.c.id == run_id)).mappings().one_or_none()
            return as_run(row) if row else None

    def runs(self, *, limit: int = 50) -> list[Run]:
        """The latest runs, newest first."""
        with self._read() as db:
            rows = db.execute(_RUN.order_by(t.run.c.created_s.desc()).limit(limit))
            return [as_run(row) for row in rows.mappings()]

    def find_resumable(self, job: str) -> list[Run]:
        """Runs of a job that are not over, newest first."""
        states = [state.value for state in RunState if state.resumable]
        with self._read() as db:
            rows = db.execute(
                _RUN.where(t.run.c.job == job, t.run.c.state.in_(states)).order_by(
                    t.run.c.created_s.desc()
                )
            )
            return [as_run(row) for row in rows.mappings()]

    def update_run(self, run_id: str, **changes: object) -> None:
        """Change columns of a run (names as in `Run`)."""
        values = dict(changes)
        if "tallies" in values:
            values["tallies"] = json.dumps(values["tallies"], separators=(",", ":"))
        if isinstance(state := values.get("state"), RunState):
            values["state"] = state.value
        with self._write() as db:
            db.execute(t.run.update().where(t.run.c.id == run_id).values(**values))

    def run_keys(self, run_id: str) -> list[str]:
        """The records of a run, in the order of its catalogue."""
        with self._read() as db:
            blob = db.execute(
                sa.select(t.run.c["keys"]).where(t.run.c.id == run_id)
            ).scalar_one()
            return unpack(blob)

    # -- chunks ----------------------------------------------------------------------

    def chunk(self, run_id: str, index: int) -> ChunkRow:
        """One chunk with its records."""
        with self._read() as db:
            row = db.exec_driver_sql(
                "SELECT batches, attempts, failed, finished, since_s FROM chunk"
                " WHERE run_id = ? AND idx = ?",
                (run_id, index),
            ).one()
        batches = tuple(tuple(batch) for batch in unpack(row[0]))
        return ChunkRow(index, batches, row[1], row[2], bool(row[3]), row[4])

    def chunk_progress(self, run_id: str) -> list[tuple[int, int, int, bool]]:
        """(index, attempts, failed, finished) of every chunk of a run."""
        with self._read() as db:
            rows = db.exec_driver_sql(
                "SELECT idx, attempts, failed, finished FROM chunk WHERE run_id = ?"
                " ORDER BY idx",
                (run_id,),
            )
            return [(row[0], row[1], row[2], bool(row[3])) for row in rows]

    def end_attempt(
        self,
        run_id: str,
        index: int,
        *,
        attempts: int,
        failed: int,
        finished: bool,
        at_s: float,
    ) -> None:
        """Note that an attempt at a chunk has ended."""
        with self._transaction() as db:
            db.execute(
                "UPDATE chunk SET attempts = ?, failed = ?, finished = ?, since_s = ?"
                " WHERE run_id = ? AND idx = ?",
                (attempts, failed, finished, at_s, run_id, index),
            )

    def reopen_chunks(self, run_id: str, chunks: Iterable[ChunkRow]) -> None:
        """Add chunks to a run that is over (a replay)."""
        with self._write() as db:
            self._insert_chunks(db, run_id, chunks)

    def begin_chunks_anew(self, run_id: str, at_s: float) -> None:
        """What failed before *at_s* in unfinished chunks of a run is asked again."""
        with self._write() as db:
            db.exec_driver_sql(
                "UPDATE chunk SET since_s = ? WHERE run_id = ? AND NOT finished",
                (at_s, run_id),
            )

    def chunk_count(self, run_id: str) -> int:
        """How many chunks a run has."""
        with self._read() as db:
            return int(
                db.exec_driver_sql(
                    "SELECT count(*) FROM chunk WHERE run_id = ?", (run_id,)
                ).scalar_one()
            )

    # -- ledger ----------------------------------------------------------------------

    def _series_id(self, db: sqlite3.Connection, name: str) -> int:
        """A series' number; -1 when nothing was ever recorded under this name."""
        found = self._series.get(name)
        if found is not None:
            return found
        row = db.execute("SELECT id FROM series WHERE name = ?", (name,)).fetchone()
        return -1 if row is None else int(row[0])

    def record(
        self, series: str, day: str, run_id: str, samples: Sequence[tuple[Sample, float]]
    ) -> None:
        """Write samples (with the time they were fetched) as one transaction.

        A settled sample is never replaced by one that is not, and a good value only by
        another good one: see `core.fold`.
        """
        rows = []
        unknown = []
        with self._transaction() as db:
            series_id = self._series_id(db, series)
            if series_id < 0:
                db.execute("INSERT INTO series (name) VALUES (?)", (series,))
                series_id = self._series_id(db, series)
            for sample, at_s in samples:
                key, status, value = sample.key, sample.status, sample.value
                start, end = days(sample.interval)
                rows.append(
                    (
                        series_id,
                        day,
                        key,
                        status.value,
                        value,
                        start,
                        end,
                        at_s,
                        1,
                        run_id,
                        sample.detail,
                    )
                )
                if status is Status.UNKNOWN:
                    unknown.append((series_id, day, key))
            if (series_id, day) not in self._noted:
                db.execute("INSERT OR IGNORE INTO unfolded VALUES (?, ?)", (series_id, day))
            if unknown:  # may take the place of a good sample
                db.executemany(f"{_FOLD} AND key = ? {_INTO_GOOD}", unknown)
            db.executemany(_UPSERT_SAMPLE, rows)
        self._series[series] = series_id  # only once it is committed
        self._noted.add((series_id, day))

    def settled(
        self, series: str, day: str, keys: Sequence[str], *, since_s: float | None = None
    ) -> set[str]:
        """Those of *keys* that need not be asked again in this period.

        With `since_s`, only what was fetched at or after that time counts (a refresh).
        """
        found: set[str] = set()
        floor = float("-inf") if since_s is None else since_s
        with self._direct() as db:
            series_id = self._series_id(db, series)
            for part in parts(keys):
                rows = db.execute(
                    "SELECT key FROM sample WHERE series_id = ? AND day = ?"
                    " AND key IN (SELECT value FROM json_each(?))"
                    " AND status IN ('ok', 'unknown') AND fetched_s >= ?",
                    (series_id, day, keys_json(part), floor),
                )
                found.update(row[0] for row in rows)
        return found

    def settled_count(
        self, series: str, day: str, keys: Sequence[str], *, since_s: float | None = None
    ) -> int:
        """How many of *keys* `settled` would name, without holding them in memory."""
        return sum(
            len(self.settled(series, day, part, since_s=since_s)) for part in parts(keys)
        )

    def good(self, series: str, keys: Sequence[str]) -> dict[str, Good]:
        """The last good values of those of *keys* that have one."""
        found: dict[str, Good] = {}
        with self._direct() as db:
            series_id = self._series_id(db, series)
            unfolded = self._unfolded(db, series_id)
            for part in parts(keys):
                self._add_good(db, series_id, unfolded, keys_json(part), found)
        return found

    def entries(
        self, series: str, day: str, keys: Sequence[str]
    ) -> Iterator[tuple[str, Entry | None, Good | None]]:
        """For each of *keys*, in order: this period's entry and the last good value."""
        with self._direct() as db:
            series_id = self._series_id(db, series)
            unfolded = self._unfolded(db, series_id)
            for part in parts(keys):
                asked = keys_json(part)
                entries: dict[str, Entry] = {}
                for row in db.execute(
                    "SELECT key, status, value, start, end, detail, fetched_s, attempts,"
                    " run_id FROM sample WHERE series_id = ? AND day = ?"
                    " AND key IN (SELECT value FROM json_each(?))",
                    (series_id, day, asked),
                ):
                    sample = Sample(
                        row[0], Status(row[1]), row[2], interval(row[3], row[4]), row[5]
                    )
                    entries[row[0]] = Entry(sample, row[6], row[7], row[8])
                good: dict[str, Good] = {}
                self._add_good(db, series_id, unfolded, asked, good)
                for key in part:
                    yield key, entries.get(key), good.get(key)

    # -- last good values ------------------------------------------------------------

    def _unfolded(self, db: sqlite3.Connection, series_id: int) -> list[str]:
        """The days of a series whose samples are newer than its good values, in order."""
        return [
            row[0]
            for row in db.execute(
                "SELECT day FROM unfolded WHERE series_id = ? ORDER BY day", (series_id,)
            )
        ]

    def _add_good(
        self,
        db: sqlite3.Connection,
        series_id: int,
        unfolded: Sequence[str],
        asked: str,
        found: dict[str, Good],
    ) -> None:
        """Add the last good values of the keys in the JSON array *asked*."""
        rows = db.execute(
            "SELECT key, value, start, end, fetched_s FROM good"
            " WHERE series_id = ? AND key IN (SELECT value FROM json_each(?))",
            (series_id, asked),
        )
        for key, value, start, end, fetched_s in rows:
            found[key] = Good(value, interval(start, end), fetched_s)
        for day in unfolded:
            rows = db.execute(
                "SELECT key, value, start, end, fetched_s FROM sample"
                " WHERE series_id = ? AND day = ?"
                " AND key IN (SELECT value FROM json_each(?)) AND status = 'ok'",
                (series_id, day, asked),
            )
            for key, value, start, end, fetched_s in rows:
                found[key] = Good(value, interval(start, end), fetched_s)

    def _fold(self, db: sa.Connection) -> None:
        """Fold the good samples of all periods that are not folded yet into `good`."""
        days = db.exec_driver_sql("SELECT series_id, day FROM unfolded ORDER BY day").all()
        for series_id, day in days:
            db.exec_driver_sql(f"{_FOLD} {_INTO_GOOD}", (series_id, day))
        if days:
            db.exec_driver_sql("DELETE FROM unfolded")
        self._noted.clear()

    # -- failure queue ---------------------------------------------------------------

    def put_failures(
        self, run_id: str, failures: Iterable[tuple[Sample, str, int]], now_s: float
    ) -> None:
        """Queue (sample, request, attempts) as open failures of a run."""
        rows = [
            (run_id, s.key, s.status.value, s.detail, request, attempts, now_s, now_s, "open")
            for s, request, attempts in failures
        ]
        if not rows:
            return
        with self._write() as db:
            db.exec_driver_sql(
                "INSERT INTO failure (run_id, key, status, detail, request, attempts,"
                " first_s, last_s, state) VALUES (?,?,?,?,?,?,?,?,?)"
                " ON CONFLICT (run_id, key) DO UPDATE SET status = excluded.status,"
                " detail = excluded.detail, request = excluded.request,"
                " attempts = excluded.attempts, last_s = excluded.last_s, state = 'open'",
                rows,
            )

    def failures(
        self, *, run_id: str | None = None, state: str | None = "open"
    ) -> list[Failure]:
        """Failures, oldest first; of one run and one state, or of all (None)."""
        query = sa.select(t.failure).order_by(t.failure.c.id)
        if run_id is not None:
            query = query.where(t.failure.c.run_id == run_id)
        if state is not None:
            query = query.where(t.failure.c.state == state)
        with self._read() as db:
            return [
                Failure(**{**row, "status": Status(row["status"])})
                for row in db.execute(query).mappings()
            ]

    def close_failures(self, run_id: str, keys: Sequence[str], state: str) -> int:
        """Mark open failures as replayed or dropped; returns how many there were."""
        closed = 0
        with self._write() as db:
            for part in parts(keys):
                closed += db.exec_driver_sql(
                    "UPDATE failure SET state = ? WHERE run_id = ? AND state = 'open'"
                    " AND key IN (SELECT value FROM json_each(?))",
                    (state, run_id, keys_json(part)),
                ).rowcount
        return closed

    def supersede_failures(self, run: Run) -> None:
        """Close what earlier runs of the same artefact left open: *run* has asked for it."""
        with self._write() as db:
            db.exec_driver_sql(
                "UPDATE failure SET state = 'superseded' WHERE state = 'open' AND run_id IN"
                " (SELECT id FROM run WHERE output = ? AND created_s < ? AND id <> ?)",
                (run.output, run.created_s, run.id),
            )

    # -- providers -------------------------------------------------------------------

    def provider(self, key: str) -> ProviderRow:
        """A provider's row; an empty one when nothing is stored."""
        with self._direct() as db:
            row = db.execute(
                "SELECT key, state, stamp_s, paused FROM provider WHERE key = ?", (key,)
            ).fetchone()
        return ProviderRow(*row) if row else ProviderRow(key, None, None, None)

    def providers(self) -> list[ProviderRow]:
        """All providers that anything is stored of, by key."""
        with self._read() as db:
            rows = db.execute(sa.select(t.provider).order_by(t.provider.c.key))
            return [ProviderRow(*row) for row in rows]

    def save_provider(self, key: str, state: str, stamp_s: float) -> None:
        """Store a governor's state."""
        with self._transaction() as db:
            db.execute(
                "INSERT INTO provider (key, state, stamp_s) VALUES (?, ?, ?)"
                " ON CONFLICT (key) DO UPDATE SET state = excluded.state,"
                " stamp_s = excluded.stamp_s",
                (key, state, stamp_s),
            )

    def pause_provider(self, key: str, reason: str | None) -> None:
        """Pause a provider with a reason, or let it go on (None)."""
        with self._write() as db:
            db.exec_driver_sql(
                "INSERT INTO provider (key, paused) VALUES (?, ?)"
                " ON CONFLICT (key) DO UPDATE SET paused = excluded.paused",
                (key, reason),
            )

    # -- housekeeping ----------------------------------------------------------------

    def prune(self, *, before_day: str, keep_runs: int) -> None:
        """Drop samples of periods before a day and all but the latest finished runs.

        Last good values, resumable runs and runs with open failures are kept.
        """
        with self._write() as db:
            self._fold(db)
            db.execute(t.sample.delete().where(t.sample.c.day < before_day))
            over = [state.value for state in RunState if not state.resumable]
            latest = (
                sa.select(t.run.c.id).order_by(t.run.c.created_s.desc()).limit(keep_runs)
            ).scalar_subquery()
            waiting = (
                sa.select(t.failure.c.run_id).where(t.failure.c.state == "open")
            ).scalar_subquery()
            db.execute(
                t.run.delete().where(
                    t.run.c.state.in_(over),
                    t.run.c.id.not_in(latest),
                    t.run.c.id.not_in(waiting),
                )
            )


_RUN = sa.select(*(column for column in t.run.c if column.name != "keys"))

_UPSERT_SAMPLE = """
INSERT INTO sample (series_id, day, key, status, value, start, end, fetched_s, attempts,
                    run_id, detail)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (series_id, day, key) DO UPDATE SET
  status = excluded.status, value = excluded.value, start = excluded.start,
  end = excluded.end, fetched_s = excluded.fetched_s, attempts = sample.attempts + 1,
  run_id = excluded.run_id, detail = excluded.detail
WHERE excluded.status IN ('ok', 'unknown') OR sample.status NOT IN ('ok', 'unknown')
"""

_FOLD = """
INSERT INTO good (series_id, key, value, start, end, fetched_s)
SELECT series_id, key, value, start, end, fetched_s FROM sample
WHERE series_id = ? AND day = ? AND status = 'ok'
"""

_INTO_GOOD = """
ON CONFLICT (series_id, key) DO UPDATE SET
  value = excluded.value, start = excluded.start, end = excluded.end,
  fetched_s = excluded.fetched_s
"""
