"""Hearing and telling: wants, grants, uses and outcomes on their way between workers.

Every worker listens on a channel of its own in the database and is told by `pg_notify`. What
is told there is worth nothing after a crash of the database, as every connection is cut by
it: so the connection that tells does not wait for the disk. What the words look like, says
`pacing_words`.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections import deque
from collections.abc import Collection, Mapping
from typing import Any

import psycopg

from ventil.adapters.database_clock import DatabaseClock
from ventil.adapters.pacing_words import (
    grants_from,
    grants_word,
    never_words,
    news_from,
    news_words,
    under_way_words,
    wait_from,
    wait_word,
)
from ventil.adapters.roster import Connection
from ventil.adapters.terms import SAVE_S, Term, Terms
from ventil.core.lease import Leases
from ventil.core.pacer import LEASE_S, Grant

_TELL_S = 0.25
_LATER_S = 0.05
"""How long answers on standing grants wait to be told together."""

_EARLY = 1000  # words kept for a term that is about to begin

_VACANT: dict[str, Any] = {"k": "", "t": 0, "v": 1}
"""A pacer has left; of no key and no term, so who does not know the word passes it over."""

Words = list[tuple[int, dict[str, Any]]]
"""(number of the worker that is told, what)."""


class Messages:
    """What one worker hears and tells, as a worker and as the pacer of some provider keys.

    `numbers`: the number of each worker, by its id; what is learned is added.
    """

    def __init__(
        self,
        worker: str,
        clock: DatabaseClock,
        leases: Mapping[str, Leases],
        terms: Terms,
        numbers: dict[str, int],
        timeouts_s: Mapping[str, float],
    ) -> None:
        self._worker = worker
        self._clock = clock
        self._leases = leases
        self._terms = terms
        self._numbers = numbers
        self._timeouts_s = timeouts_s
        self._known: dict[str, tuple[int, int]] = {}  # key: (term, number of its pacer)
        self._hail: set[str] = set()  # keys whose pacer is to hear what is under way
        self._early: deque[Mapping[str, Any]] = deque(maxlen=_EARLY)
        self._hello: set[str] = set()  # keys of which a term of ours has just begun
        self.vacant = asyncio.Event()
        """A pacer has left."""
        self._something = asyncio.Event()
        self._soon = False
        self.number = 0
        """Our own, from joining on."""

    def news(self) -> None:
        """There is something to tell, or to grant."""
        self._something.set()

    def later(self) -> None:
        """There is something to tell, which may wait for more of its kind."""
        if not self._soon:
            self._soon = True
            asyncio.get_running_loop().call_later(_LATER_S, self.news)

    def forget(self) -> None:
        """The session is over: what the others said since is lost."""
        self._known.clear()
        self._early.clear()

    def begun(self, key: str) -> None:
        """A term of ours has begun: tell the others, and hear those who knew of it before."""
        self._hello.add(key)
        early, self._early = self._early, deque(maxlen=_EARLY)
        for word in early:
            self._heard(word)

    async def learn_terms(self, connection: Connection) -> None:
        """Who paces what; to a new pacer everything is told anew."""
        found = await connection.execute(_PACERS, ([*self._leases],))
        for key, term, number, worker in await found.fetchall():
            self._numbers[worker] = number
            self._learn(key, term, number)

    def _learn(self, key: str, term: int, number: int) -> None:
        if self._known.get(key) != (term, number):
            self._known[key] = (term, number)
            self._leases[key].new_pacer()
            self._hail.add(key)

    # -- hearing ---------------------------------------------------------------------

    async def listen(self, connection: Connection) -> None:
        """From now on the database keeps for us what the others say."""
        await connection.execute(f"LISTEN {_channel(self.number)}")

    async def hear(self, connection: Connection) -> None:
        """Take in what the others say, until the connection ends."""
        async for notice in connection.notifies():
            self._heard(json.loads(notice.payload))
        raise psycopg.OperationalError("the connection was closed")

    def _heard(self, word: Mapping[str, Any]) -> None:
        """A word to our pacer, or from one to us; of a term that is over, it is nothing."""
        if "v" in word:
            self.vacant.set()
            return
        key, term = word["k"], word["t"]
        if "e" in word:  # elected
            if key in self._leases and term > self._known.get(key, (0, 0))[0]:
                self._learn(key, term, word["e"])
                self.news()
            return
        if "from" in word:
            mine = self._terms.mine.get(key)
            if mine is not None and mine.number == term:
                self._told_as_pacer(key, mine, word)
                self.news()
            elif mine is None or mine.number < term:
                self._early.append(word)  # they know of our term before we have begun it
            return
        known = self._known.get(key)
        if known is None or known[0] != term:
            return
        leases = self._leases[key]
        for grant in grants_from(word, self._worker):
            leases.granted(grant)
        leases.cut(word.get("c", ()))
        for run, why in word.get("n", ()):
            leases.never(run, why)
        if "p" in word:
            leases.wait = wait_from(word["p"])
            leases.breaker = word["b"]

    def _told_as_pacer(self, key: str, term: Term, word: Mapping[str, Any]) -> None:
        worker, pacer, now_s = word["from"], term.pacer, self._clock.now_s()
        self._numbers[worker] = word["n"]
        if "j" in word:
            term.under_way.setdefault(worker, []).extend(word["j"])
        if "i" in word:
            numbers = [*term.under_way.pop(worker, ()), *word["i"]]
            pacer.only(worker, numbers)
            pacer.under_way(numbers, now_s + self._timeouts_s[key] + LEASE_S, worker)
            term.awaited.discard(worker)
        news_from(word, pacer, worker, now_s)

    # -- telling ---------------------------------------------------------------------

    async def tell(self, connection: Connection) -> None:
        """Send what is new, as long as there is something, all of a moment in one go."""
        while True:
            # Not `wait_for`: before Python 3.12 it may lose a cancellation.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._patience_s()):
                    await self._something.wait()
            self._something.clear()
            self._soon = False
            words: Words = []
            for key in self._hello:
                if (mine := self._terms.mine.get(key)) is not None:
                    hello = {"k": key, "t": mine.number, "e": self.number}
                    words += [(self._numbers[worker], hello) for worker in mine.awaited]
            self._hello.clear()
            for key, leases in self._leases.items():
                known = self._known.get(key)
                if known is None:
                    continue
                term, number = known
                head = {"k": key, "t": term, "from": self._worker, "n": self.number}
                if key in self._hail:
                    self._hail.discard(key)
                    for word in under_way_words(leases):
                        self._route(words, number, {**head, **word})
                for word in news_words(leases):
                    self._route(words, number, {**head, **word})
            for key, mine in list(self._terms.mine.items()):
                await self._pace(connection, key, mine, words)
            await self._send(connection, words)

    async def farewell(self, connection: Connection, workers: Collection[str]) -> None:
        """Tell *workers* that somebody who paced has left."""
        await self._send(connection, [(self._numbers[worker], _VACANT) for worker in workers])

    async def _send(self, connection: Connection, words: Words) -> None:
        if not words:
            return
        channels = [_channel(number) for number, _ in words]
        texts = [json.dumps(word, separators=(",", ":")) for _, word in words]
        await connection.execute(
            "SELECT pg_notify(c, p) FROM unnest(%s::text[], %s::text[]) AS t (c, p)",
            (channels, texts),
        )

    def _route(self, words: Words, number: int, word: dict[str, Any]) -> None:
        if number == self.number:
            self._heard(word)
        else:
            words.append((number, word))

    def _patience_s(self) -> float:
        """How long until one of our pacers has to look again."""
        now_s = self._clock.now_s()
        # Who may not grant yet is woken by a word, or by the beat.
        terms = [term for term in self._terms.mine.values() if not term.shut(now_s)]
        times = [t for term in terms if (t := term.pacer.next_s()) is not None]
        return min(_TELL_S, max(0.001, min(times, default=now_s + _TELL_S) - now_s))

    async def _pace(self, connection: Connection, key: str, term: Term, words: Words) -> None:
        """Grant what can be granted now."""
        now_s = self._clock.now_s()
        until_s = term.until(now_s)
        if until_s is None:
            return
        pacer = term.pacer
        grants = pacer.grants(now_s, until_s)
        stale = now_s - term.saved_s >= SAVE_S and (grants or pacer.out)
        changed = pacer.changes != term.saved_changes or bool(grants and not term.kept())
        if (stale or changed) and not await self._terms.save(connection, key, term):
            return  # somebody else paces: these were never made
        by_worker: dict[str, list[Grant]] = {}
        for grant in grants:
            by_worker.setdefault(grant.worker, []).append(grant)
        cuts = pacer.take_cuts()
        shown = {"p": wait_word(pacer.wait), "b": pacer.breaker(now_s)}
        for worker in pacer.workers | by_worker.keys() | {self._worker}:
            word: dict[str, Any] = {"c": cuts[worker]} if worker in cuts else {}
            if term.told.get(worker) != shown:
                term.told[worker] = shown
                word.update(shown)
            for part in grants_word(by_worker.get(worker, [])) or ([{}] if word else []):
                number = self._numbers.get(worker)
                if number is not None:
                    self._route(words, number, {"k": key, "t": term.number, **word, **part})
        for worker, runs in pacer.take_nevers().items():
            for part in never_words(runs) if worker in self._numbers else ():
                head = {"k": key, "t": term.number}
                self._route(words, self._numbers[worker], {**head, **part})


_PACERS = """
SELECT p.provider, p.term, w.number, w.id FROM pacer p JOIN worker w ON w.id = p.worker
WHERE p.provider = ANY(%s)
"""


def _channel(number: int) -> str:
    return f"ventil_{number}"
