"""The store in the hands of one worker: fenced, and with its part of a run apart.

Every write first holds on to the worker's row. Who was declared gone cannot hold on to it,
and is declared gone only while nobody does: so of a worker that comes back from the dead no
late write changes anything.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from ventil.adapters.database import Rows, Session
from ventil.adapters.postgres import PostgresDatabase
from ventil.adapters.rows import interval, unpack
from ventil.adapters.sql import SqlStore
from ventil.core.model import Good
from ventil.errors import Fenced
from ventil.ports import ChunkRow, RunState

_IDLE_MS = 4_000
"""A worker that is frozen in a transaction lets go of its row before it is given up."""

MOST_RUNS = 1000
"""Runs that a worker looks at: however many wait, it remembers no more of them."""

_RUNS_TO_WORK_ON = """
SELECT id, provider, urgent FROM run WHERE state = 'running' AND NOT cancel
  AND provider = ANY(?) AND (
    EXISTS (SELECT 1 FROM chunk WHERE run_id = run.id AND NOT finished AND owner IS NULL
      AND due_s <= extract(epoch FROM clock_timestamp()))
    OR EXISTS (SELECT 1 FROM chunk WHERE run_id = run.id AND NOT finished AND owner = ?))
ORDER BY urgent DESC, created_s LIMIT ?
"""


_ME = """
WITH me AS MATERIALIZED (SELECT id FROM worker WHERE id = ? AND gone IS NULL FOR SHARE)
"""


_CANCELLED_IDLE = """
SELECT id FROM run WHERE state = 'running' AND cancel AND provider = ANY(?) AND NOT EXISTS
  (SELECT 1 FROM chunk WHERE run_id = run.id AND NOT finished AND owner IS NOT NULL)
"""


class FencedDatabase(PostgresDatabase):
    """A database that lets one worker write while it is in."""

    def __init__(self, url: str, worker: str) -> None:
        super().__init__(url, idle_ms=_IDLE_MS)
        self._worker = worker

    @contextlib.contextmanager
    def transaction(self) -> Iterator[Session]:
        with super().transaction() as db:
            found = db.execute(
                "SELECT 1 FROM worker WHERE id = ? AND gone IS NULL FOR SHARE", (self._worker,)
            )
            self._check(found.fetchone())
            yield db

    @contextlib.contextmanager
    def write(self) -> Iterator[sa.Connection]:
        with super().write() as db:
            found = db.exec_driver_sql(
                "SELECT 1 FROM worker WHERE id = %s AND gone IS NULL FOR SHARE",
                (self._worker,),
            )
            self._check(found.fetchone())
            yield db

    def fenced(self, statement: str, values: Sequence[Any]) -> Rows:
        """Run one *statement* that writes `FROM me` only: a way there and back, not four.

        Of a worker that was given up it writes nothing; so does it where nothing is to write.
        """
        with self.direct() as db:
            return db.execute(f"{_ME} {statement}", (self._worker, *values))

    def _check(self, row: object) -> None:
        if row is None:
            raise Fenced(f"worker {self._worker} was given up by the others")


class WorkerStore(SqlStore):
    """The `Store` port for the worker with the id *worker*, one of many."""

    def __init__(self, url: str, worker: str) -> None:
        self._fenced = FencedDatabase(url, worker)
        super().__init__(self._fenced)
        self.worker = worker
        self._read: dict[tuple[str, int], ChunkRow] = {}  # with another statement, for `chunk`

    def update_run(self, run_id: str, **changes: object) -> None:
        """As ever; but the tallies are this worker's, and kept apart."""
        tallies = changes.pop("tallies", None)
        if tallies is not None:
            self._fenced.fenced(
                "INSERT INTO run_part (run_id, worker, tallies) SELECT ?, id, ? FROM me"
                " ON CONFLICT (run_id, worker) DO UPDATE SET tallies = excluded.tallies",
                (run_id, json.dumps(tallies, separators=(",", ":"))),
            )
        if changes:
            super().update_run(run_id, **changes)

    def settled_count(
        self, series: str, day: str, keys: Sequence[str], *, since_s: float | None = None
    ) -> int:
        """0: it is for a display of progress, and a worker has none."""
        return 0

    def run_keys(self, run_id: str) -> list[str]:
        """None, as nothing here asks for all of a run's records: a chunk names its own."""
        return []

    # -- last good values: looked for in one statement, as each is a way there and back ------

    def _unfolded(self, db: Session, series_id: int) -> list[str]:
        """None: `_add_good` looks itself."""
        return []

    def _add_good(
        self,
        db: Session,
        series_id: int,
        unfolded: Sequence[str],
        asked: Sequence[str],
        found: dict[str, Good],
    ) -> None:
        """Add the last good values of the keys *asked*, of unfolded days too."""
        keys = self._database.keys(asked)
        rows = db.execute(_GOOD, (series_id, keys, series_id, keys))
        for key, value, start, end, fetched_s in rows:
            found[key] = Good(value, interval(start, end), fetched_s)

    def save_provider(self, key: str, state: str, stamp_s: float) -> None:
        """Nothing: the pacer alone stores what the governor knows."""

    def part(self, run_id: str) -> Mapping[str, Any]:
        """This worker's tallies of a run so far."""
        with self._database.direct() as db:
            row = db.execute(
                "SELECT tallies FROM run_part WHERE run_id = ? AND worker = ?",
                (run_id, self.worker),
            ).fetchone()
            return json.loads(row[0]) if row else {}

    # -- chunks to work on -----------------------------------------------------------

    def live(self) -> dict[str, frozenset[str]]:
        """The workers that nobody has given up, each with the provider keys it serves.

        Visitors, without a slot, serve nobody.
        """
        with self._database.direct() as db:
            rows = db.execute(
                "SELECT id, providers FROM worker WHERE gone IS NULL AND slots > 0"
            )
            return {row[0]: frozenset(json.loads(row[1])) for row in rows}

    def runs_to_work_on(self, run_keys: Sequence[str]) -> list[tuple[str, str, bool]]:
        """The running runs of these keys with chunks that are due and nobody's, or ours.

        (id, `Run.provider`, whether a person waits for it); those first, then the oldest.
        """
        with self._database.direct() as db:
            rows = db.execute(_RUNS_TO_WORK_ON, (list(run_keys), self.worker, MOST_RUNS))
            return [(row[0], row[1], bool(row[2])) for row in rows]

    def cancel_idle(self, run_keys: Sequence[str]) -> None:
        """Cancel those of the runs that a person wants cancelled and nobody works on.

        Who works on one cancels it itself, when what is in flight has ended.
        """
        with self._database.direct() as db:
            idle = [row[0] for row in db.execute(_CANCELLED_IDLE, (list(run_keys),))]
        for run_id in idle:
            self.cancelled(run_id)

    def cancelled(self, run_id: str, message: str | None = None) -> None:
        """Note that a run is cancelled, unless a person has resumed it. *message*: why."""
        self._fenced.fenced(
            "UPDATE run SET state = ?, message = COALESCE(?, message) FROM me"
            " WHERE run.id = ? AND run.cancel AND run.state = ?",
            (RunState.CANCELLED.value, message, run_id, RunState.RUNNING.value),
        )

    def claim(self, run_id: str, most: int, now_s: float) -> list[tuple[int, int]]:
        """Take up to *most* chunks that are due and nobody's; (index, attempts so far)."""
        rows = self._fenced.fenced(
            "UPDATE chunk SET owner = me.id FROM me WHERE run_id = ? AND idx = ANY(ARRAY("
            "SELECT idx FROM chunk WHERE run_id = ? AND NOT finished AND owner IS NULL"
            " AND due_s <= ? ORDER BY idx LIMIT ? FOR UPDATE SKIP LOCKED))"
            " RETURNING idx, attempts, batches, failed, since_s",
            (run_id, run_id, now_s, most),
        )
        claimed = []
        for index, attempts, batches, failed, since_s in rows:
            keys = tuple(tuple(batch) for batch in unpack(batches))
            self._read[run_id, index] = ChunkRow(index, keys, attempts, failed, False, since_s)
            claimed.append((index, attempts))
        return claimed

    def keep(self, run_id: str, indexes: Sequence[int]) -> None:
        """Give back all chunks of a run but these: claims of which no word came back."""
        self._fenced.fenced(
            "UPDATE chunk SET owner = NULL FROM me WHERE run_id = ? AND owner = me.id"
            " AND NOT finished AND NOT idx = ANY(?)",
            (run_id, list(indexes)),
        )

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
        """See `Store.end_attempt`. Raises Fenced."""
        done = self._fenced.fenced(
            "UPDATE chunk SET attempts = ?, failed = ?, finished = ?, since_s = ? FROM me"
            " WHERE run_id = ? AND idx = ?",
            (attempts, failed, finished, at_s, run_id, index),
        )
        if not done.rowcount:
            super().end_attempt(  # which says why
                run_id, index, attempts=attempts, failed=failed, finished=finished, at_s=at_s
            )

    def chunk(self, run_id: str, index: int) -> ChunkRow:
        """One chunk; what `claim` or `finished_of` has read of it is not read again."""
        row = self._read.pop((run_id, index), None)
        return super().chunk(run_id, index) if row is None else row

    def let_go(self, run_id: str, index: int | None, due_s: float) -> None:
        """Give back a chunk (None: all of the run), not to be taken before *due_s*."""
        where = "" if index is None else " AND idx = ?"
        with self._database.transaction() as db:
            db.execute(
                "UPDATE chunk SET owner = NULL, due_s = ? WHERE run_id = ? AND owner = ?"
                f" AND NOT finished{where}",
                (due_s, run_id, self.worker, *(() if index is None else (index,))),
            )

    def finished_of(self, run_id: str, indexes: Sequence[int]) -> list[tuple[int, int]]:
        """Those of some chunks that are finished, with their attempts.

        To note that, nobody needs their records: `chunk` names none once.
        """
        with self._database.direct() as db:
            rows = db.execute(
                "SELECT idx, attempts FROM chunk WHERE run_id = ? AND finished"
                " AND idx = ANY(?)",
                (run_id, list(indexes)),
            )
            found = [(row[0], row[1]) for row in rows]
        for index, attempts in found:
            self._read[run_id, index] = ChunkRow(index, (), attempts, 0, True, 0.0)
        return found


def counted(store: SqlStore, run_id: str) -> tuple[int, int]:
    """Chunks of a run: all, and the finished ones."""
    with store._database.direct() as db:
        row = db.execute(
            "SELECT count(*), count(*) FILTER (WHERE finished) FROM chunk WHERE run_id = ?",
            (run_id,),
        ).fetchone()
        return int(row[0]), int(row[1])


def parts_of(store: SqlStore, run_id: str) -> list[Mapping[str, Any]]:
    """The tallies of every worker that worked on a run."""
    with store._database.direct() as db:
        rows = db.execute("SELECT tallies FROM run_part WHERE run_id = ?", (run_id,))
        return [json.loads(row[0]) for row in rows]


_GOOD = """
SELECT key, value, start, "end", fetched_s FROM (
  SELECT '' AS day, key, value, start, "end", fetched_s FROM good
  WHERE series_id = ? AND key = ANY(?)
  UNION ALL
  SELECT s.day, s.key, s.value, s.start, s."end", s.fetched_s
  FROM unfolded u JOIN sample s ON s.series_id = u.series_id AND s.day = u.day
  WHERE u.series_id = ? AND s.key = ANY(?) AND s.status = 'ok'
) AS found ORDER BY day
"""
