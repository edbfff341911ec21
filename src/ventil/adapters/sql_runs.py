"""Runs and their chunks in a SQL database."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from itertools import islice

import sqlalchemy as sa

from ventil.adapters import tables as t
from ventil.adapters.database import Database, Session
from ventil.adapters.rows import as_run, pack, run_columns, unpack
from ventil.ports import ChunkRow, Run, RunState


class RunRows:
    """The part of the `Store` port on runs and chunks.

    `folded` is called with the run's day in the transaction that creates a run, for the
    ledger's housekeeping.
    """

    def __init__(self, database: Database, folded: Callable[[Session, str], None]) -> None:
        self._database = database
        self._folded = folded

    # -- runs ------------------------------------------------------------------------

    def create_run(self, run: Run, keys: Sequence[str], chunks: Iterable[ChunkRow]) -> None:
        """Store a run with its records and chunks, whole or not at all."""
        columns = {**run_columns(run), "keys": pack(list(keys))}
        with self._database.transaction() as db:
            self._folded(db, run.day)
            db.execute(
                f"INSERT INTO run ({', '.join(columns)})"
                f" VALUES ({', '.join('?' * len(columns))})",
                tuple(columns.values()),
            )
            _insert_chunks(db, run.id, chunks)

    def run(self, run_id: str) -> Run | None:
        """A run by its id; None when there is none."""
        with self._database.read() as db:
            row = db.execute(_RUN.where(t.run.c.id == run_id)).mappings().one_or_none()
            return as_run(row) if row else None

    def runs(self, *, limit: int = 50) -> list[Run]:
        """The latest runs, newest first."""
        with self._database.read() as db:
            rows = db.execute(_RUN.order_by(t.run.c.created_s.desc()).limit(limit))
            return [as_run(row) for row in rows.mappings()]

    def find_resumable(self, job: str) -> list[Run]:
        """Runs of a job that are not over, newest first."""
        states = [state.value for state in RunState if state.resumable]
        with self._database.read() as db:
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
        with self._database.write() as db:
            db.execute(t.run.update().where(t.run.c.id == run_id).values(**values))

    def cancel_run(self, run_id: str, *, worked_on: bool) -> RunState | None:
        """A person wants a run cancelled; its state then, None when it is over or unknown.

        Still running: whoever works on it ends it within a moment. *worked_on*: somebody may;
        on a shared database that is looked up in the chunks as well.
        """
        theirs = (
            " AND EXISTS (SELECT 1 FROM chunk WHERE run_id = run.id AND NOT finished"
            " AND owner IS NOT NULL)"
            if self._database.shared
            else ""
        )
        with self._database.transaction() as db:
            done = db.execute(
                f"UPDATE run SET cancel = ?, state = CASE WHEN state = 'running' AND ?{theirs}"
                f" THEN state ELSE 'cancelled' END WHERE id = ? AND {_UNFINISHED}",
                (True, worked_on, run_id),
            )
            if not done.rowcount:
                return None
            row = db.execute("SELECT state FROM run WHERE id = ?", (run_id,)).fetchone()
        return RunState(row[0])

    def close_run(self, run_id: str, state: RunState, message: str) -> None:
        """Note how a run that is not over ended early; a person's word counts for more.

        CANCELLED is noted only while a person wants it so: one that was resumed meanwhile goes
        on. One that a person wants cancelled ends so, whatever *state* says.
        """
        only = " AND cancel" if state is RunState.CANCELLED else ""
        with self._database.transaction() as db:
            db.execute(
                "UPDATE run SET state = CASE WHEN cancel THEN 'cancelled' ELSE ? END,"
                f" message = ? WHERE id = ? AND {_UNFINISHED}{only}",
                (state.value, message, run_id),
            )

    def reopen_run(self, run: Run) -> bool:
        """Let a run go on that stands as *run* says; False when it does not any more."""
        with self._database.transaction() as db:
            done = db.execute(
                "UPDATE run SET state = 'running', cancel = ?, message = ''"
                " WHERE id = ? AND state = ? AND cancel = ?",
                (False, run.id, run.state.value, run.cancel),
            )
            return done.rowcount > 0

    def run_keys(self, run_id: str) -> list[str]:
        """The records of a run, in the order of its catalogue."""
        with self._database.read() as db:
            blob = db.execute(
                sa.select(t.run.c["keys"]).where(t.run.c.id == run_id)
            ).scalar_one()
            return unpack(blob)

    # -- chunks ----------------------------------------------------------------------

    def chunk(self, run_id: str, index: int) -> ChunkRow:
        """One chunk with its records."""
        with self._database.direct() as db:
            row = db.execute(
                "SELECT batches, attempts, failed, finished, since_s FROM chunk"
                " WHERE run_id = ? AND idx = ?",
                (run_id, index),
            ).fetchone()
            if row is None:
                raise LookupError(f"run {run_id} has no chunk {index}")
            batches = tuple(tuple(batch) for batch in unpack(row[0]))
        return ChunkRow(index, batches, row[1], row[2], bool(row[3]), row[4])

    def chunk_progress(self, run_id: str) -> list[tuple[int, int, int, bool]]:
        """(index, attempts, failed, finished) of every chunk of a run."""
        with self._database.direct() as db:
            rows = db.execute(
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
        with self._database.transaction() as db:
            db.execute(
                "UPDATE chunk SET attempts = ?, failed = ?, finished = ?, since_s = ?"
                " WHERE run_id = ? AND idx = ?",
                (attempts, failed, finished, at_s, run_id, index),
            )

    def reopen_chunks(self, run_id: str, chunks: Iterable[ChunkRow]) -> None:
        """Add chunks to a run that is over (a replay)."""
        with self._database.transaction() as db:
            _insert_chunks(db, run_id, chunks)

    def begin_chunks_anew(self, run_id: str, at_s: float) -> None:
        """What failed before *at_s* in unfinished chunks of a run is asked again."""
        with self._database.transaction() as db:
            db.execute(
                "UPDATE chunk SET since_s = ? WHERE run_id = ? AND NOT finished",
                (at_s, run_id),
            )

    def chunk_count(self, run_id: str) -> int:
        """How many chunks a run has."""
        with self._database.direct() as db:
            row = db.execute("SELECT count(*) FROM chunk WHERE run_id = ?", (run_id,))
            return int(row.fetchone()[0])


_UNFINISHED = "state IN ('{}')".format("', '".join(s.value for s in RunState if s.resumable))


def _insert_chunks(db: Session, run_id: str, chunks: Iterable[ChunkRow]) -> None:
    rows = (
        (run_id, c.index, pack(c.batches), c.attempts, c.failed, c.finished, c.since_s)
        for c in chunks
    )
    while part := list(islice(rows, 100)):
        places = ", ".join(["(?, ?, ?, ?, ?, ?, ?)"] * len(part))
        db.execute(
            "INSERT INTO chunk (run_id, idx, batches, attempts, failed, finished, since_s)"
            f" VALUES {places}",
            [value for row in part for value in row],
        )


_RUN = sa.select(*(column for column in t.run.c if column.name != "keys"))
