"""Writes a worker's samples while its event loop goes on: one statement for many answers.

A commit on a server is a way there and back and a wait for its disk, a hundred times what it
costs on a file. So nobody waits for it here: what is answered meanwhile goes into the next.
The statement holds on to the worker's row and to the note that the period is not folded yet,
as every other write does (`worker_store`, `sql_ledger`), and writes nothing when it cannot.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import psycopg
from psycopg.rows import TupleRow

from ventil.adapters.postgres import (
    CONNECT_S,
    SCHEMA,
    as_postgres_error,
    conninfo,
    place_of,
    without_nul,
)
from ventil.adapters.rows import days
from ventil.adapters.sql_ledger import ON_SAMPLE_CONFLICT, SAMPLE_COLUMNS
from ventil.adapters.worker_store import WorkerStore
from ventil.core.model import Sample, Status
from ventil.errors import Fenced

_STATEMENT_MS = 60_000


class SampleRecorder:
    """The `Recorder` port of one worker; what is rare goes through its store."""

    def __init__(self, url: str, store: WorkerStore) -> None:
        self._url = conninfo(url)
        self._place = place_of(url)
        self._store = store
        self._connection: psycopg.AsyncConnection[TupleRow] | None = None
        self._opening = asyncio.Lock()  # two runs may begin together

    async def record(
        self, series: str, day: str, run_id: str, samples: Sequence[tuple[Sample, float]]
    ) -> None:
        """See `Store.record`. Raises Fenced, StateError; then nothing is written."""
        series_id = self._store.series_id(series)
        plain = {sample.key: (sample, at_s) for sample, at_s in samples}
        rare = len(plain) < len(samples) or any(
            sample.kept is not None or sample.status is Status.UNKNOWN for sample, _ in samples
        )
        if series_id is None or rare or not await self._recorded(series_id, day, run_id, plain):
            self._store.record(series, day, run_id, samples)

    async def _recorded(
        self, series_id: int, day: str, run_id: str, samples: dict[str, tuple[Sample, float]]
    ) -> bool:
        """Whether they are written; not before the note stands that the period is unfolded."""
        # In the order of their keys: two workers never wait for each other in a circle.
        rows = [samples[key] for key in sorted(samples)]
        covers = rows[0][0].interval
        same = all(sample.interval is covers for sample, _ in rows)
        start, end = days(covers)
        starts = [None if same else days(sample.interval)[0] for sample, _ in rows]
        ends = [None if same else days(sample.interval)[1] for sample, _ in rows]
        if same:  # nearly all cover the same days
            starts, ends = [], []
        try:
            connection = await self._connected()
            found = await connection.execute(
                _RECORD,
                {
                    "worker": self._store.worker,
                    "series": series_id,
                    "day": day,
                    "run": run_id,
                    "keys": [sample.key for sample, _ in rows],
                    "statuses": [sample.status.value for sample, _ in rows],
                    "values": [sample.value for sample, _ in rows],
                    "start": start,
                    "end": end,
                    "same": same,
                    "starts": starts,
                    "ends": ends,
                    "fetched": [at_s for _, at_s in rows],
                    "details": [without_nul(sample.detail) for sample, _ in rows],
                },
            )
            row = await found.fetchone()
        except (psycopg.Error, OSError) as error:
            await self.close()
            raise as_postgres_error(error, self._place) from error
        assert row is not None  # noqa: S101 - two counts
        is_in, noted = row
        if not is_in:
            raise Fenced(f"worker {self._store.worker} was given up by the others")
        return bool(noted)

    async def _connected(self) -> psycopg.AsyncConnection[TupleRow]:
        async with self._opening:
            if self._connection is None or self._connection.closed:
                self._connection = await psycopg.AsyncConnection.connect(
                    self._url,
                    autocommit=True,
                    prepare_threshold=1,
                    connect_timeout=CONNECT_S,
                    application_name="ventil recorder",
                    options=f"-c search_path={SCHEMA} -c statement_timeout={_STATEMENT_MS}",
                    keepalives_idle=5,
                    keepalives_interval=2,
                    keepalives_count=3,
                    tcp_user_timeout=15_000,
                )
            return self._connection

    async def close(self) -> None:
        """Close the connection; the next write opens another."""
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()


_RECORD = f"""
WITH me AS MATERIALIZED (
  SELECT 1 FROM worker WHERE id = %(worker)s AND gone IS NULL FOR SHARE
), noted AS MATERIALIZED (
  SELECT 1 FROM unfolded WHERE series_id = %(series)s AND day = %(day)s FOR SHARE
), written AS (
  INSERT INTO sample ({SAMPLE_COLUMNS})
  SELECT %(series)s, %(day)s, k, s, v,
    CASE WHEN %(same)s::bool THEN %(start)s::text ELSE a END,
    CASE WHEN %(same)s::bool THEN %(end)s::text ELSE z END, f, 1, %(run)s, d
  FROM me, noted, unnest(%(keys)s::text[], %(statuses)s::text[], %(values)s::bigint[],
    %(starts)s::text[], %(ends)s::text[], %(fetched)s::float8[], %(details)s::text[])
    AS t (k, s, v, a, z, f, d)
  {ON_SAMPLE_CONFLICT}
)
SELECT (SELECT count(*) FROM me), (SELECT count(*) FROM noted)
"""
