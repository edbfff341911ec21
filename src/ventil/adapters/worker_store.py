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

from ventil.adapters.database import Session
from ventil.adapters.postgres import PostgresDatabase
from ventil.adapters.sql import SqlStore
from ventil.errors import Fenced

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


class FencedDatabase(PostgresDatabase):
    """A database that lets one worker write while it is in."""

    def __init__(self, url: str, worker: str) -> None:
        super().__init__(url)
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

    def _check(self, row: object) -> None:
        if row is None:
            raise Fenced(f"worker {self._worker} was given up by the others")


class WorkerStore(SqlStore):
    """The `Store` port for the worker with the id *worker*, one of many."""

    def __init__(self, url: str, worker: str) -> None:
        database = FencedDatabase(url, worker)
        super().__init__(database)
        self.worker = worker

    def update_run(self, run_id: str, **changes: object) -> None:
        """As ever; but the tallies are this worker's, and kept apart."""
        tallies = changes.pop("tallies", None)
        if tallies is not None:
            with self._database.transaction() as db:
                db.execute(
                    "INSERT INTO run_part (run_id, worker, tallies) VALUES (?, ?, ?)"
                    " ON CONFLICT (run_id, worker) DO UPDATE SET tallies = excluded.tallies",
                    (run_id, self.worker, json.dumps(tallies, separators=(",", ":"))),
                )
        if changes:
            super().update_run(run_id, **changes)

    def settled_count(
        self, series: str, day: str, keys: Sequence[str], *, since_s: float | None = None
    ) -> int:
        """0: it is for a display of progress, and a worker has none."""
        return 0

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
        """The workers that nobody has given up, each with the provider keys it serves."""
        with self._database.direct() as db:
            rows = db.execute("SELECT id, providers FROM worker WHERE gone IS NULL")
            return {row[0]: frozenset(json.loads(row[1])) for row in rows}

    def runs_to_work_on(self, run_keys: Sequence[str]) -> list[tuple[str, str, bool]]:
        """The running runs of these keys with chunks that are due and nobody's, or ours.

        (id, `Run.provider`, whether a person waits for it); those first, then the oldest.
        """
        with self._database.direct() as db:
            rows = db.execute(_RUNS_TO_WORK_ON, (list(run_keys), self.worker, MOST_RUNS))
            return [(row[0], row[1], bool(row[2])) for row in rows]

    def claim(self, run_id: str, most: int, now_s: float) -> list[tuple[int, int]]:
        """Take up to *most* chunks that are due and nobody's; (index, attempts so far)."""
        with self._database.transaction() as db:
            rows = db.execute(
                "UPDATE chunk SET owner = ? WHERE run_id = ? AND idx = ANY(ARRAY("
                "SELECT idx FROM chunk WHERE run_id = ? AND NOT finished AND owner IS NULL"
                " AND due_s <= ? ORDER BY idx LIMIT ? FOR UPDATE SKIP LOCKED))"
                " RETURNING idx, attempts",
                (self.worker, run_id, run_id, now_s, most),
            )
            return [(row[0], row[1]) for row in rows]

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
        """Those of some chunks that are finished, with their attempts."""
        with self._database.direct() as db:
            rows = db.execute(
                "SELECT idx, attempts FROM chunk WHERE run_id = ? AND finished"
                " AND idx = ANY(?)",
                (run_id, list(indexes)),
            )
            return [(row[0], row[1]) for row in rows]


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
