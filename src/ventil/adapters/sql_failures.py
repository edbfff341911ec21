"""The failure queue in a SQL database."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import sqlalchemy as sa

from ventil.adapters import tables as t
from ventil.adapters.database import Database
from ventil.adapters.rows import parts
from ventil.core.model import Sample, Status
from ventil.ports import Failure, Run


class FailureRows:
    """The part of the `Store` port on the failure queue."""

    def __init__(self, database: Database) -> None:
        self._database = database

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
        with self._database.transaction() as db:
            db.executemany(
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
        with self._database.read() as db:
            return [
                Failure(**{**row, "status": Status(row["status"])})
                for row in db.execute(query).mappings()
            ]

    def close_failures(self, run_id: str, keys: Sequence[str], state: str) -> int:
        """Mark open failures as replayed or dropped; returns how many there were."""
        closed = 0
        with self._database.transaction() as db:
            for part in parts(keys):
                closed += db.execute(
                    "UPDATE failure SET state = ? WHERE run_id = ? AND state = 'open'"
                    f" AND {self._database.among('key')}",
                    (state, run_id, self._database.keys(part)),
                ).rowcount
        return closed

    def supersede_failures(self, run: Run) -> None:
        """Close what earlier runs of the same artefact left open: *run* has asked for it."""
        with self._database.transaction() as db:
            db.execute(
                "UPDATE failure SET state = 'superseded' WHERE state = 'open' AND run_id IN"
                " (SELECT id FROM run WHERE output = ? AND created_s < ? AND id <> ?)",
                (run.output, run.created_s, run.id),
            )
