"""The other workers, as one of them sees them: who lives, and who is given up.

A worker renews its row twice a second, and holds a lock of its session, which the database
releases when its process ends: so a killed one is given up within three seconds, a stopped
or cut-off one after `SILENT_S`. Whoever gives it up marks it gone and frees its chunks in
one transaction.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import psycopg
from psycopg.rows import TupleRow

from ventil.adapters.database_clock import DatabaseClock
from ventil.core.silence import Silence

SILENT_S = 5.0
"""A worker whose row stood still for so long, while we looked, is given up."""

QUIET_S = 1.5
"""The same, and a worker gets no grants and is waited for by no new pacer."""

ENDED_S = 2.0
"""The same for one whose session has ended."""

LOCK_MS = 500
"""The longest wait for a row that another worker holds: then the next beat tries again."""

LOCK_CLASS = 1_447_382_356
NOW = "extract(epoch FROM clock_timestamp())::float8"
"""The database's time, in a statement."""

Connection = psycopg.AsyncConnection[TupleRow]


class Roster:
    """The workers' table. `note` is told who was given up."""

    def __init__(self, worker: str, clock: DatabaseClock, note: Callable[[str], None]) -> None:
        self._worker = worker
        self._clock = clock
        self._note = note
        self._silence = Silence()
        self.numbers: dict[str, int] = {}
        """The number of each worker ever seen, by its id."""
        self.present: frozenset[str] = frozenset()
        """Those of the living, ourselves included, whose session stands."""
        self.quiet: frozenset[str] = frozenset()
        """Those of them that have shown no sign of life for `QUIET_S`."""

    def begin(self) -> None:
        """Nothing was seen for a while: every silence begins anew."""
        self._silence = Silence()

    async def look(self, connection: Connection) -> Mapping[str, str]:
        """Give up who is gone; those that live, ourselves among them.

        With the provider keys they serve, as a list in JSON. Reads the database's clock, too.
        """
        before_s = self._clock.elapsed_s()
        found = await connection.execute(_ALL)
        after_s = self._clock.elapsed_s()
        rows = await found.fetchall()
        if rows:  # it is a statement that waits for no disk
            self._clock.read(before_s, rows[0][-1], after_s)
        now_s = self._clock.now_s()
        live: dict[str, str] = {}
        quiet: set[str] = set()
        for worker, number, seen_s, provider_keys, locked, _ in rows:
            self.numbers[worker] = number
            if worker == self._worker:
                live[worker] = provider_keys
                continue
            silent_s = self._silence.lasts_s(worker, (seen_s, locked), now_s)
            if silent_s > QUIET_S:
                quiet.add(worker)
            if silent_s > (SILENT_S if locked else ENDED_S):
                try:
                    await self.give_up(connection, worker, "silent" if locked else "ended")
                except psycopg.errors.LockNotAvailable:  # frozen in a transaction
                    live[worker] = provider_keys
            else:
                live[worker] = provider_keys
        self._silence.forget(keep=live)
        locks = {row[0] for row in rows if row[4]}
        self.present = frozenset(live.keys() & (locks | {self._worker}))
        self.quiet = self.present & quiet
        return live

    async def give_up(self, connection: Connection, worker: str, how: str) -> None:
        """Mark a worker gone and free its chunks, in one transaction.

        Raises LockNotAvailable where it is frozen in a transaction of its own.
        """
        async with connection.transaction():
            if worker != self._worker:
                await connection.execute(f"SET LOCAL lock_timeout = {LOCK_MS}")
            # Who leaves after all has nothing under way any more, whatever was thought of it.
            done = await connection.execute(
                "UPDATE worker SET gone = %s WHERE id = %s AND (gone IS NULL OR gone = %s)",
                (how, worker, "silent" if how == "left" else None),
            )
            await connection.execute(
                "UPDATE chunk SET owner = NULL WHERE owner = %s AND NOT finished", (worker,)
            )
        if done.rowcount and how != "left":
            self._note(f"worker {worker} is gone ({how}); its chunks are free")


async def how_gone(connection: Connection, worker: str) -> str | None:
    """How a worker went: left, ended or silent; None when its session stands.

    One that has no session at the moment may have been cut off, and come back.
    """
    found = await connection.execute(_HOW_GONE, (worker,))
    row = await found.fetchone()
    if row is None:
        return "left"
    gone, locked = row
    return gone or (None if locked else "ended")


async def silent_since(connection: Connection, since_s: float) -> dict[str, float]:
    """Those given up as silent who were seen after *since_s*, and when: they may live on."""
    found = await connection.execute(
        "SELECT id, seen_s FROM worker WHERE gone = 'silent' AND seen_s > %s", (since_s,)
    )
    return dict(await found.fetchall())


HAS_SESSION = f"""EXISTS (
  SELECT 1 FROM pg_locks l WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 2
  AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
  AND l.classid::bigint = {LOCK_CLASS} AND l.objid::bigint = w.number)"""
"""Whether the session of worker `w` stands, in a statement."""

_HOW_GONE = f"SELECT w.gone, {HAS_SESSION} FROM worker w WHERE w.id = %s"

_ALL = f"""
SELECT w.id, w.number, w.seen_s, w.providers, {HAS_SESSION}, {NOW}
FROM worker w WHERE w.gone IS NULL
"""
