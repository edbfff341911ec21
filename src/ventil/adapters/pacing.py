"""One worker among the others: heartbeats, the election of pacers, grants on their way.

All of it goes through the database; workers need not reach each other. Three connections:
one hears (`LISTEN`), one tells (`pg_notify`, without waiting for the disk: what is told is
worth nothing after a crash of the database, as every connection is cut by it), one beats.

*Beats.* Twice a second a worker renews its row, reads the database's clock, renews the terms
of the provider keys it paces, runs for those that nobody paces, and looks at the others. A
worker holds a lock of its session, which the database releases when its process ends: so a
killed one is given up within three seconds, a stopped or cut-off one after `SILENT_S`. Whoever
gives it up marks it gone and frees its chunks in one transaction.

*Terms.* A pacer's term lasts `TERM_S` from its last renewal, by the database's clock, and no
grant outlives it. A new pacer starts from the stored state of the governor, which takes the
former's last second for fully used, and grants nothing before every other worker has said
what it has under way, or is gone.

*When the database cannot be reached* nobody hears of grants, and those in stock end within
`LEASE_S`: nothing is sent any more. A worker that comes back starts its session anew.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import psycopg
from psycopg.rows import TupleRow

from ventil.adapters.database_clock import DatabaseClock
from ventil.adapters.pacing_words import (
    grants_from,
    grants_word,
    news_from,
    news_words,
    under_way_word,
    wait_from,
    wait_word,
)
from ventil.adapters.postgres import CONNECT_S, SCHEMA, as_postgres_error, conninfo, place_of
from ventil.core.governor import Governor, GovernorState
from ventil.core.lease import Leases
from ventil.core.pacer import LEASE_S, SURELY_OVER_S, Grant, Pacer
from ventil.core.silence import Silence
from ventil.errors import Fenced

BEAT_S = 0.5
TERM_S = 3.0
SAVE_S = 0.5
"""The longest that a pacer grants on a state that is not stored yet."""

SILENT_S = 5.0
"""A worker whose row stood still for so long, while we looked, is given up."""

ENDED_S = 2.0
"""The same for one whose session has ended."""

LOCK_CLASS = 1_447_382_356
_FIRST = 1_000_000_000  # grants a pacer may number in its term
_TELL_S = 0.25
_EARLY = 1000  # words kept for a term that is about to begin
_STATEMENT_MS = 10_000

_Connection = psycopg.AsyncConnection[TupleRow]
NewGovernor = Callable[[float, GovernorState | None, float], Governor]
"""(now_s, the former's state, seconds that it may have gone on unseen) -> a governor."""


@dataclass(slots=True)
class _Term:
    """A provider key that this worker paces."""

    number: int
    until_s: float
    pacer: Pacer
    awaited: set[str]
    not_before_s: float
    saved_s: float = float("-inf")
    saved_changes: int = -1
    told: dict[str, Any] = field(default_factory=dict)


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
        self.leases = {key: Leases(self._news) for key in governors}
        self._url = conninfo(url)
        self._place = place_of(url)
        self._row = (worker, host, json.dumps(sorted(governors)), slots, version)
        self._number = 0
        self._governors = governors
        self._timeouts_s = timeouts_s
        self._note = note
        self._terms: dict[str, _Term] = {}  # those of ours
        self._known: dict[str, tuple[int, int]] = {}  # key: (term, number of its pacer)
        self._numbers: dict[str, int] = {}  # workers' numbers
        self._hail: set[str] = set()  # keys whose pacer is to hear what is under way
        self._early: deque[Mapping[str, Any]] = deque(maxlen=_EARLY)
        self._silence = Silence()
        self._cut = False
        self._something = asyncio.Event()
        self._joined = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._lost: asyncio.Future[None] | None = None

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
        self._number = int(row[0])
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
                for key, term in self._terms.items():
                    # Nothing is granted any more, and what is out counts as used.
                    await self._save(connection, key, term, final=True)
                    await connection.execute(
                        "UPDATE pacer SET until_s = 0 WHERE provider = %s AND worker = %s"
                        " AND term = %s",
                        (key, self.worker, term.number),
                    )
                await self._give_up(connection, self.worker, "left")
        self._terms.clear()

    async def _connect(self, *, durable: bool = True) -> _Connection:
        return await psycopg.AsyncConnection.connect(
            self._url,
            autocommit=True,
            connect_timeout=CONNECT_S,
            application_name=f"ventil worker {self.worker}"[:63],
            options=f"-c search_path={SCHEMA} -c statement_timeout={_STATEMENT_MS}"
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
            self._terms.clear()
            self._known.clear()
            self._early.clear()
            self._silence = Silence()
            await asyncio.sleep(BEAT_S)

    async def _session(self) -> None:
        async with (
            await self._connect() as hearing,
            await self._connect(durable=False) as telling,
            await self._connect() as beating,
        ):
            await hearing.execute(f"LISTEN {_channel(self._number)}")
            await beating.execute("SELECT pg_advisory_lock(%s, %s)", (LOCK_CLASS, self._number))
            for leases in self.leases.values():
                leases.new_pacer()
            await self._beat(beating)
            if self._cut:
                self._note("the database is back")
            self._cut = False
            self._joined.set()
            async with asyncio.TaskGroup() as group:
                group.create_task(self._hear(hearing))
                group.create_task(self._tell(telling))
                group.create_task(self._beats(beating))

    # -- beats -----------------------------------------------------------------------

    async def _beats(self, connection: _Connection) -> None:
        loop = asyncio.get_running_loop()
        next_s = loop.time()
        while True:
            next_s = max(next_s + BEAT_S, loop.time())
            await asyncio.sleep(next_s - loop.time())
            await self._beat(connection)

    async def _beat(self, connection: _Connection) -> None:
        before_s = self.clock.elapsed_s()
        found = await connection.execute(
            f"UPDATE worker SET seen_s = {_NOW} WHERE id = %s AND gone IS NULL"
            " RETURNING seen_s",
            (self.worker,),
        )
        row = await found.fetchone()
        if row is None:
            raise Fenced(f"worker {self.worker} was given up by the others")
        self.clock.read(before_s, row[0], self.clock.elapsed_s())
        live = await self._look_at_others(connection)
        for key, leases in self.leases.items():
            if key in self._terms or leases.active:
                await self._stand_for(connection, key, live)
        await self._learn_terms(connection)
        for leases in self.leases.values():
            leases.sweep(self.clock.now_s())
        self._something.set()

    async def _look_at_others(self, connection: _Connection) -> dict[str, str]:
        """Give up who is gone; those that live, with the provider keys they serve."""
        found = await connection.execute(_OTHERS, (LOCK_CLASS,))
        rows = await found.fetchall()
        now_s = self.clock.now_s()
        live: dict[str, str] = {}
        for worker, number, seen_s, provider_keys, locked in rows:
            self._numbers[worker] = number
            if worker == self.worker:
                live[worker] = provider_keys
                continue
            if self._silence.lasts_s(worker, (seen_s, locked), now_s) > (
                SILENT_S if locked else ENDED_S
            ):
                await self._give_up(connection, worker, "silent" if locked else "ended")
            else:
                live[worker] = provider_keys
        self._silence.forget(keep=live)
        for key, term in [*self._terms.items()]:
            for worker in term.pacer.workers - live.keys():
                how = await self._gone(connection, worker)
                if how is None:  # it came while we looked
                    continue
                over_s = now_s + SURELY_OVER_S
                if how == "silent":  # it may live on, until its requests time out
                    over_s = now_s + LEASE_S + self._timeouts_s[key]
                term.pacer.gone(worker, over_s=over_s)
            term.awaited &= live.keys()
        return live

    async def _gone(self, connection: _Connection, worker: str) -> str | None:
        """How a worker went; None when it did not."""
        found = await connection.execute("SELECT gone FROM worker WHERE id = %s", (worker,))
        row = await found.fetchone()
        return "left" if row is None else row[0]

    async def _give_up(self, connection: _Connection, worker: str, how: str) -> None:
        """Mark a worker gone and free its chunks, in one transaction."""
        async with connection.transaction():
            done = await connection.execute(
                "UPDATE worker SET gone = %s WHERE id = %s AND gone IS NULL", (how, worker)
            )
            await connection.execute(
                "UPDATE chunk SET owner = NULL WHERE owner = %s AND NOT finished", (worker,)
            )
        if done.rowcount and how != "left":
            self._note(f"worker {worker} is gone ({how}); its chunks are free")

    async def _stand_for(
        self, connection: _Connection, key: str, live: Mapping[str, str]
    ) -> None:
        """Renew our term for a provider key, or run for it when it is vacant."""
        mine = self._terms.get(key)
        if mine is not None:
            found = await connection.execute(
                f"UPDATE pacer SET until_s = {_NOW} + %s WHERE provider = %s AND worker = %s"
                " AND term = %s RETURNING until_s",
                (TERM_S, key, self.worker, mine.number),
            )
            row = await found.fetchone()
            if row is not None:
                mine.until_s = row[0]
                return
            self._terms.pop(key, None)
        found = await connection.execute(_ELECT, (key, self.worker, TERM_S))
        row = await found.fetchone()
        if row is None:
            return
        term, until_s = row
        found = await connection.execute("SELECT state FROM provider WHERE key = %s", (key,))
        stored = await found.fetchone()
        found = await connection.execute("SELECT max(seen_s) FROM worker WHERE gone = 'silent'")
        silent = await found.fetchone()
        now_s = self.clock.now_s()
        state = None
        if stored is not None and stored[0]:
            try:
                state = GovernorState.from_json(stored[0])
            except ValueError as error:
                self._note(f"the stored state of {key} is not used: {error}")
        if state is not None and not state.final:
            # Grants that were made after this state could be used for a lease longer.
            state = replace(state, stamp_s=state.stamp_s + LEASE_S)
        governor = self._governors[key](now_s, state, SAVE_S)
        not_before_s = now_s
        if silent is not None and silent[0] is not None:
            # It may live on, unseen, with requests of its own until they time out.
            not_before_s = max(now_s, silent[0] + LEASE_S + self._timeouts_s[key])
        awaited = {w for w, keys in live.items() if key in json.loads(keys)} - {self.worker}
        pacer = Pacer(governor, now_s, first=term * _FIRST)
        self._terms[key] = _Term(term, until_s, pacer, awaited, not_before_s)
        early, self._early = self._early, deque(maxlen=_EARLY)
        for word in early:
            self._heard(word)

    async def _learn_terms(self, connection: _Connection) -> None:
        """Who paces what; to a new pacer everything is told anew."""
        found = await connection.execute(
            "SELECT p.provider, p.term, w.number, w.id FROM pacer p"
            " JOIN worker w ON w.id = p.worker WHERE p.provider = ANY(%s)",
            ([*self._governors],),
        )
        for key, term, number, worker in await found.fetchall():
            self._numbers[worker] = number
            if self._known.get(key) != (term, number):
                self._known[key] = (term, number)
                self.leases[key].new_pacer()
                self._hail.add(key)

    # -- hearing ---------------------------------------------------------------------

    async def _hear(self, connection: _Connection) -> None:
        async for notice in connection.notifies():
            self._heard(json.loads(notice.payload))
        raise psycopg.OperationalError("the connection was closed")

    def _heard(self, word: Mapping[str, Any]) -> None:
        """A word to our pacer, or from one to us; of a term that is over, it is nothing."""
        key, term = word["k"], word["t"]
        if "from" in word:
            mine = self._terms.get(key)
            if mine is not None and mine.number == term:
                self._told_as_pacer(key, mine, word)
                self._something.set()
            elif mine is None or mine.number < term:
                self._early.append(word)  # they know of our term before we have begun it
            return
        known = self._known.get(key)
        if known is None or known[0] != term:
            return
        leases = self.leases[key]
        for grant in grants_from(word, self.worker):
            leases.granted(grant)
        if "p" in word:
            leases.wait = wait_from(word["p"])
            leases.breaker = word["b"]

    def _told_as_pacer(self, key: str, term: _Term, word: Mapping[str, Any]) -> None:
        worker, pacer, now_s = word["from"], term.pacer, self.clock.now_s()
        self._numbers[worker] = word["n"]
        if "i" in word:
            pacer.only(worker, word["i"])
            pacer.under_way(word["i"], now_s + self._timeouts_s[key] + LEASE_S)
            term.awaited.discard(worker)
        news_from(word, pacer, worker, now_s)

    # -- telling ---------------------------------------------------------------------

    def _news(self) -> None:
        self._something.set()

    async def _tell(self, connection: _Connection) -> None:
        """Send what is new, as long as there is something, all of a moment in one go."""
        while True:
            # Not `wait_for`: before Python 3.12 it may lose a cancellation.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._patience_s()):
                    await self._something.wait()
            self._something.clear()
            words: list[tuple[int, dict[str, Any]]] = []
            for key, leases in self.leases.items():
                known = self._known.get(key)
                if known is None:
                    continue
                term, number = known
                head = {"k": key, "t": term, "from": self.worker, "n": self._number}
                if key in self._hail:
                    self._hail.discard(key)
                    self._route(words, number, {**head, **under_way_word(leases)})
                for word in news_words(leases):
                    self._route(words, number, {**head, **word})
            for key, mine in list(self._terms.items()):
                await self._pace(connection, key, mine, words)
            if words:
                channels = [_channel(number) for number, _ in words]
                texts = [json.dumps(word, separators=(",", ":")) for _, word in words]
                await connection.execute(
                    "SELECT pg_notify(c, p) FROM unnest(%s::text[], %s::text[]) AS t (c, p)",
                    (channels, texts),
                )

    def _route(
        self, words: list[tuple[int, dict[str, Any]]], number: int, word: dict[str, Any]
    ) -> None:
        if number == self._number:
            self._heard(word)
        else:
            words.append((number, word))

    def _patience_s(self) -> float:
        """How long until one of our pacers has to look again."""
        now_s = self.clock.now_s()
        times = [t for term in self._terms.values() if (t := term.pacer.next_s()) is not None]
        return min(_TELL_S, max(0.001, min(times, default=now_s + _TELL_S) - now_s))

    async def _pace(
        self,
        connection: _Connection,
        key: str,
        term: _Term,
        words: list[tuple[int, dict[str, Any]]],
    ) -> None:
        """Grant what can be granted now."""
        now_s = self.clock.now_s()
        until_s = term.until_s - 0.1
        if term.awaited or now_s < term.not_before_s or now_s >= until_s:
            return
        pacer = term.pacer
        grants = pacer.grants(now_s, until_s)
        stale = now_s - term.saved_s >= SAVE_S and (grants or pacer.out)
        if (stale or pacer.changes != term.saved_changes) and not await self._save(
            connection, key, term
        ):
            self._terms.pop(key, None)  # somebody else paces: these were never made
            return
        by_worker: dict[str, list[Grant]] = {}
        for grant in grants:
            by_worker.setdefault(grant.worker, []).append(grant)
        shown = {"p": wait_word(pacer.wait), "b": pacer.breaker(now_s)}
        for worker in pacer.workers | by_worker.keys() | {self.worker}:
            word: dict[str, Any] = {}
            if term.told.get(worker) != shown:
                term.told[worker] = shown
                word.update(shown)
            for part in grants_word(by_worker.get(worker, [])) or ([{}] if word else []):
                number = self._numbers.get(worker)
                if number is not None:
                    self._route(words, number, {"k": key, "t": term.number, **word, **part})

    async def _save(
        self, connection: _Connection, key: str, term: _Term, *, final: bool = False
    ) -> bool:
        """Store the governor's state, unless the term is over; whether it was."""
        now_s = self.clock.now_s()
        changes = term.pacer.changes
        text = term.pacer.state(now_s, final=final).to_json()
        async with connection.transaction():
            await connection.execute("SET LOCAL synchronous_commit = on")
            done = await connection.execute(
                _SAVE, (key, text, now_s, key, self.worker, term.number)
            )
        term.saved_s, term.saved_changes = now_s, changes
        return done.rowcount > 0


_NOW = "extract(epoch FROM clock_timestamp())::float8"

_JOIN = (
    "INSERT INTO worker (id, host, providers, slots, version, joined_s, seen_s)"
    f" VALUES (%s, %s, %s, %s, %s, {_NOW}, {_NOW}) RETURNING number"
)

_OTHERS = """
SELECT w.id, w.number, w.seen_s, w.providers, EXISTS (
  SELECT 1 FROM pg_locks l WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 2
  AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
  AND l.classid::bigint = %s AND l.objid::bigint = w.number)
FROM worker w WHERE w.gone IS NULL
"""

_ELECT = f"""
INSERT INTO pacer (provider, worker, term, until_s) VALUES (%s, %s, 1, {_NOW} + %s)
ON CONFLICT (provider) DO UPDATE
SET worker = excluded.worker, term = pacer.term + 1, until_s = excluded.until_s
WHERE pacer.until_s < {_NOW}
RETURNING term, until_s
"""

_SAVE = f"""
INSERT INTO provider (key, state, stamp_s)
SELECT %s, %s, %s::float8 FROM pacer WHERE provider = %s AND worker = %s AND term = %s
  AND until_s > {_NOW} FOR SHARE
ON CONFLICT (key) DO UPDATE SET state = excluded.state, stamp_s = excluded.stamp_s
"""


def _channel(number: int) -> str:
    return f"ventil_{number}"


def _first(group: BaseException) -> BaseException:
    while isinstance(group, BaseExceptionGroup):
        group = group.exceptions[0]
    return group
