"""One worker among the others: joining, its sessions with the database, leaving.

All of it goes through the database; workers need not reach each other. A session has three
connections: one hears and one tells (`messages`), one beats. A beat, twice a second, renews
the worker's row, looks at the others and the database's clock (`roster`), and renews the
terms of the provider keys that this worker paces or runs for those that nobody paces
(`terms`).

*When the database cannot be reached* nobody hears of grants, and those in stock end within
`LEASE_S`: nothing is sent any more. A worker that comes back starts its session anew.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Callable, Mapping
from typing import Any

import psycopg

from ventil.adapters.database_clock import GOOD_S, DatabaseClock
from ventil.adapters.messages import Messages
from ventil.adapters.postgres import CONNECT_S, SCHEMA, as_postgres_error, conninfo, place_of
from ventil.adapters.roster import LOCK_CLASS, NOW, Connection, Roster
from ventil.adapters.terms import NewGovernor, Terms
from ventil.core.lease import Leases
from ventil.errors import Fenced

BEAT_S = 0.5
_READINGS = 5  # of the database's clock when a session begins, if none is good
_STATEMENT_MS = 10_000
_IDLE_MS = 2_000
"""What a frozen worker holds in the middle of a transaction is free after so long."""


class Pacing:
    """This worker's place among the others. `governors` are the provider keys it serves."""

    def __init__(
        self,
        url: str,
        *,
        worker: str,
        host: str,
        slots: int,
        version: str,
        governors: Mapping[str, NewGovernor],
        timeouts_s: Mapping[str, float],
        note: Callable[[str], None],
    ) -> None:
        self.worker = worker
        self.clock = DatabaseClock()
        self.leases = {key: Leases(self._news, self._later) for key in governors}
        self._url = conninfo(url)
        self._place = place_of(url)
        self._row = (worker, host, json.dumps(sorted(governors)), slots, version)
        self._note = note
        self._roster = Roster(worker, self.clock, note)
        self._terms = Terms(worker, self.clock, governors, timeouts_s, note)
        self._messages = Messages(
            worker, self.clock, self.leases, self._terms, self._roster.numbers, timeouts_s
        )
        self._cut = False
        self._joined = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._lost: asyncio.Future[None] | None = None

    def _news(self) -> None:
        self._messages.news()

    def _later(self) -> None:
        self._messages.later()

    # -- coming and going ------------------------------------------------------------

    async def join(self) -> None:
        """Enter the workers' table and begin to take part. Raises WrongDatabase, StateError."""
        try:
            async with await self._connect() as connection:
                found = await connection.execute(_JOIN, self._row)
                row = await found.fetchone()
        except psycopg.Error as error:
            raise as_postgres_error(error, self._place) from error
        assert row is not None  # noqa: S101 - it was inserted
        self._messages.number = int(row[0])
        self._lost = asyncio.get_running_loop().create_future()
        self._task = asyncio.create_task(self._take_part())
        joined = asyncio.ensure_future(self._joined.wait())
        waiting: list[asyncio.Future[Any]] = [joined, self._lost]
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        joined.cancel()

    @property
    def lost(self) -> asyncio.Future[None]:
        """Done, with `Fenced`, when the others have given this worker up."""
        if self._lost is None:
            raise RuntimeError("not joined yet")
        return self._lost

    async def leave(self) -> None:
        """Resign from every term and leave the table; chunks are free at once."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        with contextlib.suppress(psycopg.Error, OSError):  # else the others notice
            async with await self._connect() as connection:
                paced = bool(self._terms.mine)
                await self._terms.resign(connection)
                await self._roster.give_up(connection, self.worker, "left")
                if paced:
                    others = self._roster.present - {self.worker}
                    await self._messages.farewell(connection, others)
        self._terms.mine.clear()

    # -- sessions --------------------------------------------------------------------

    async def _connect(self, *, durable: bool = True) -> Connection:
        return await psycopg.AsyncConnection.connect(
            self._url,
            autocommit=True,
            connect_timeout=CONNECT_S,
            application_name=f"ventil worker {self.worker}"[:63],
            options=f"-c search_path={SCHEMA} -c statement_timeout={_STATEMENT_MS}"
            f" -c idle_in_transaction_session_timeout={_IDLE_MS}"
            + ("" if durable else " -c synchronous_commit=off"),
            keepalives_idle=5,
            keepalives_interval=2,
            keepalives_count=3,
        )

    async def _take_part(self) -> None:
        """Sessions, one after another, until the others have given us up, or a fault."""
        try:
            await self._sessions()
        except Exception as error:  # of ours: whoever waits for `lost` hears of it
            if self._lost is not None and not self._lost.done():
                self._lost.set_exception(error)

    async def _sessions(self) -> None:
        while True:
            try:
                await self._session()
            except (psycopg.Error, OSError, ExceptionGroup) as error:
                first = _first(error)
                if isinstance(first, Fenced):
                    if self._lost is not None and not self._lost.done():
                        self._lost.set_exception(first)
                    return
                if not isinstance(first, psycopg.Error | OSError):
                    raise
                if not self._cut:
                    words = str(first).split("\n", 1)[0][:200]
                    self._note(f"the database cannot be reached ({words}); nothing is sent")
                self._cut = True
            # What the others said meanwhile is lost: no term of ours goes on.
            self._terms.mine.clear()
            self._messages.forget()
            self._roster.begin()
            await asyncio.sleep(BEAT_S)

    async def _session(self) -> None:
        async with (
            await self._connect() as hearing,
            await self._connect(durable=False) as telling,
            await self._connect() as beating,
        ):
            await self._messages.listen(hearing)
            await beating.execute(
                "SELECT pg_advisory_lock(%s, %s)", (LOCK_CLASS, self._messages.number)
            )
            await self._read_clock(beating)
            for leases in self.leases.values():
                leases.new_pacer()
            await self._beat(beating)
            if self._cut:
                self._note("the database is back")
            self._cut = False
            self._joined.set()
            async with asyncio.TaskGroup() as group:
                group.create_task(self._messages.hear(hearing))
                group.create_task(self._messages.tell(telling))
                group.create_task(self._beats(beating))

    async def _read_clock(self, connection: Connection) -> None:
        """Know the database's time well before the first grant, also on a busy machine."""
        for _ in range(_READINGS):
            before_s = self.clock.elapsed_s()
            found = await connection.execute(f"SELECT {NOW}")
            after_s = self.clock.elapsed_s()
            row = await found.fetchone()
            assert row is not None  # noqa: S101 - a SELECT without a table
            self.clock.read(before_s, row[0], after_s)
            if self.clock.error_s <= GOOD_S:
                return

    async def _beats(self, connection: Connection) -> None:
        loop = asyncio.get_running_loop()
        next_s = loop.time()
        while True:
            next_s = max(next_s + BEAT_S, loop.time())
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout_at(next_s):
                    await self._messages.vacant.wait()
            self._messages.vacant.clear()
            await self._beat(connection)

    async def _beat(self, connection: Connection) -> None:
        found = await connection.execute(_SEEN, (self.worker,))
        if await found.fetchone() is None:
            raise Fenced(f"worker {self.worker} was given up by the others")
        live = await self._roster.look(connection)
        present, quiet = self._roster.present, self._roster.quiet
        await self._terms.without(connection, live, present, quiet)
        for key, leases in self.leases.items():
            wanted = key in self._terms.mine or leases.active
            if wanted and await self._terms.stand(connection, key, live, present, quiet):
                self._messages.begun(key)
        await self._messages.learn_terms(connection)
        for leases in self.leases.values():
            leases.sweep(self.clock.now_s())
        self._messages.news()


_JOIN = (
    # Those that are gone for more than a day are forgotten.
    f"WITH old AS (DELETE FROM worker WHERE gone IS NOT NULL AND seen_s < {NOW} - 86400) "
    "INSERT INTO worker (id, host, providers, slots, version, joined_s, seen_s)"
    f" VALUES (%s, %s, %s, %s, %s, {NOW}, {NOW}) RETURNING number"
)

_SEEN = f"UPDATE worker SET seen_s = {NOW} WHERE id = %s AND gone IS NULL RETURNING seen_s"


def _first(group: BaseException) -> BaseException:
    while isinstance(group, BaseExceptionGroup):
        group = group.exceptions[0]
    return group
