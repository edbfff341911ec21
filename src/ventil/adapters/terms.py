"""Terms: which worker paces a provider key, for how long, and what its successor must know.

A pacer's term lasts `TERM_S` from its last renewal, by the database's clock, and no grant
outlives it. It ends early when the pacer leaves, or when its session ends, which is at once
when its process is killed.

A pacer whose session was cut may not know yet that its term is over. But it stores its state
every `SAVE_S` as long as it grants, and only the holder of the term can; so after its last
state it granted for so long at most, and these grants end `LEASE_S` later. Until then the new
pacer grants nothing (`_over_s`), and takes the time for fully used. Nor does it grant before
every other worker whose session stands has said what it has under way; and the slots that
nobody has told of are taken for as long as answers took (`Pacer.unheard`). It does not wait for
who is stopped or cut off: of each of them as many slots are taken as the former pacer has
promised not to exceed (`core.promise`), until its requests have timed out or it speaks again.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import psycopg

from ventil.adapters.database_clock import DatabaseClock
from ventil.adapters.roster import (
    HAS_SESSION,
    LOCK_MS,
    NOW,
    QUIET_S,
    Connection,
    how_gone,
    silent_since,
)
from ventil.core.governor import Governor, GovernorState
from ventil.core.pacer import LEASE_S, Pacer, longest_s
from ventil.core.promise import kept, most_held

TERM_S = 3.0
SAVE_S = 0.25
"""The longest that a pacer grants on a state that is not stored yet."""

_FIRST = 1_000_000_000  # grants a pacer may number in its term
_MARGIN_S = 0.1
_HEARD_S = QUIET_S + 1.0  # after its last sign of life nobody grants a worker anything
_CLOCKS_S = 0.02  # workers' ideas of the database's time agree to some milliseconds

NewGovernor = Callable[[float, GovernorState | None, float], Governor]
"""(now_s, the former's state, seconds that it may have gone on unseen) -> a governor, under the
limits that hold now."""


@dataclass(slots=True)
class Term:
    """A provider key that this worker paces."""

    number: int
    until_s: float
    pacer: Pacer
    awaited: set[str]
    """Those who have not said yet what they have under way."""
    not_before_s: float
    limits: str | None = None
    """What a person has set at run time, as stored."""
    unheard_s: float | None = None
    """Until when requests may be under way that nobody tells of; None once it is noted."""
    saved_s: float = float("-inf")
    saved_changes: int = -1
    under_way: dict[str, list[int]] = field(default_factory=dict)
    """What workers have under way, of whom there is more to hear."""
    told: dict[str, Any] = field(default_factory=dict)
    """What each worker was told last of the provider's condition."""
    silent: set[str] = field(default_factory=set)
    """Those that may live on, unseen, and hold slots that long."""
    former: Mapping[str, int] | None = None
    """What the former pacer has promised; None when it has said nothing of it."""
    promises: Mapping[str, int] = field(default_factory=dict)
    """What stands in the state that was stored last."""

    def shut(self, now_s: float) -> bool:
        """Whether no grants may be made yet, or any more."""
        late = now_s >= self.until_s - _MARGIN_S
        return bool(self.awaited) or now_s < self.not_before_s or late

    def kept(self) -> bool:
        """Whether nobody holds more than the stored state tells."""
        return kept(self.promises, self.pacer.held)

    def reserve(self, worker: str, until_s: float) -> None:
        """Take the slots that a worker may hold which cannot say so; it is awaited no more."""
        if self.former is not None:
            self.pacer.reserve(worker, most_held(self.former, worker), until_s)
            self.awaited.discard(worker)
            self.silent.add(worker)

    def until(self, now_s: float) -> float | None:
        """When a grant that is made now has to end; None when none may be made."""
        if self.shut(now_s):
            return None
        if self.unheard_s is not None:
            self.pacer.unheard(now_s, self.unheard_s)
            self.unheard_s = None
        return self.until_s - _MARGIN_S


class Terms:
    """The terms of one worker. `governors` are the provider keys it serves."""

    def __init__(
        self,
        worker: str,
        clock: DatabaseClock,
        governors: Mapping[str, NewGovernor],
        timeouts_s: Mapping[str, float],
        note: Callable[[str], None],
    ) -> None:
        self._worker = worker
        self._clock = clock
        self._governors = governors
        self._timeouts_s = timeouts_s
        self._note = note
        self.mine: dict[str, Term] = {}

    async def stand(
        self,
        connection: Connection,
        key: str,
        live: Mapping[str, str],
        present: Collection[str],
        quiet: Collection[str] = (),
    ) -> bool:
        """Renew our term for a provider key, or run for it when it is vacant.

        *live*, *present*, *quiet*: see `Roster`. Returns whether a term has begun.
        """
        mine = self.mine.get(key)
        if mine is not None:
            found = await connection.execute(_RENEW, (TERM_S, key, self._worker, mine.number))
            row = await found.fetchone()
            if row is not None:
                mine.until_s, limits = row
                if limits != mine.limits:
                    self._retune(key, mine, limits)
                return False
            self.mine.pop(key, None)
        elected = await self._run_for(connection, key)
        if elected is None:
            return False
        number, until_s = elected
        state, limits = await self._stored(connection, key)
        timeout_s = self._timeouts_s[key]
        over_s = _HEARD_S + LEASE_S + timeout_s  # after its last sign of life
        silent = await silent_since(connection, self._clock.now_s() - over_s)
        now_s = self._clock.now_s()
        # Its first moment is when all is over that the former may have let go.
        begin_s = max(now_s, _over_s(state))
        governor = self._governors[key](begin_s, state, SAVE_S)
        not_before_s = begin_s
        former = None
        if state is not None and state.promises is not None:
            former = {promise.worker: promise.most for promise in state.promises}
        elif silent:  # they may live on, unseen, with requests of their own until they time out
            not_before_s = max(begin_s, max(silent.values()) + over_s)
        awaited = {w for w in present if key in json.loads(live[w])} - {self._worker}
        slowest_s = None if state is None else state.slowest_s
        pacer = Pacer(governor, begin_s, first=number * _FIRST, standing=True)
        pacer.slowest_before_s = slowest_s
        term = Term(number, until_s, pacer, awaited, not_before_s, limits, former=former)
        self.mine[key] = term
        for worker, seen_s in silent.items():
            term.reserve(worker, seen_s + over_s)
        for worker in awaited & set(quiet):
            term.reserve(worker, now_s + LEASE_S + timeout_s)
        if state is not None and not state.final:
            term.unheard_s = begin_s + longest_s(slowest_s, timeout_s)
        return True

    async def _run_for(self, connection: Connection, key: str) -> tuple[int, float] | None:
        """(number, end) of our term, when the provider key was vacant."""
        found = await connection.execute(_TAKEN, (key, self._worker))
        if await found.fetchone() is not None:
            return None
        try:
            async with connection.transaction():
                await connection.execute(f"SET LOCAL lock_timeout = {LOCK_MS}")
                found = await connection.execute(_ELECT, (key, self._worker, TERM_S))
                return await found.fetchone()
        except psycopg.errors.LockNotAvailable:
            return None  # the former pacer is frozen while it stores: at the next beat

    def _retune(self, key: str, term: Term, limits: str | None) -> None:
        """A person has changed the provider's limits: they hold from now on."""
        now_s = self._clock.now_s()
        term.pacer.retune(self._governors[key](now_s, None, 0.0).policy, now_s)
        term.limits = limits
        self._note(f"{key}: its limits were changed")

    async def _stored(
        self, connection: Connection, key: str
    ) -> tuple[GovernorState | None, str | None]:
        """What the former pacer has stored, and what a person has set."""
        found = await connection.execute(
            "SELECT state, limits FROM provider WHERE key = %s", (key,)
        )
        row = await found.fetchone()
        if row is None:
            return None, None
        return self._as_left(key, row[0]), row[1]

    def _as_left(self, key: str, stored: str | None) -> GovernorState | None:
        if not stored:
            return None
        try:
            state = GovernorState.from_json(stored)
        except ValueError as error:
            self._note(f"the stored state of {key} is not used: {error}")
            return None
        if state.final:
            return state
        # Grants that were made after this state could be used for a lease longer.
        return replace(state, stamp_s=state.stamp_s + LEASE_S)

    async def without(
        self,
        connection: Connection,
        live: Mapping[str, str],
        present: Collection[str],
        quiet: Collection[str] = (),
    ) -> None:
        """Tell our pacers who is gone, or without a session: that one hears of no grant.

        When it is back it says anew what it wants and has under way. Who is *quiet* is granted
        nothing, and not waited for.
        """
        now_s = self._clock.now_s()
        for key, term in [*self.mine.items()]:
            timeout_s = self._timeouts_s[key]
            for worker in term.pacer.workers - set(present):
                how = await how_gone(connection, worker)
                if how is None:  # it came while we looked
                    continue
                over_s = now_s + LEASE_S + term.pacer.longest_s(timeout_s)
                if how == "silent":  # it may live on, until its requests time out
                    over_s = now_s + LEASE_S + timeout_s
                    term.silent.add(worker)
                term.pacer.gone(worker, over_s=over_s)
            if term.awaited - set(present) and term.unheard_s is not None:
                longest_s = term.pacer.longest_s(self._timeouts_s[key])
                term.unheard_s = max(term.unheard_s, now_s + LEASE_S + longest_s)
            term.awaited &= set(present)
            term.silent &= term.pacer.held.keys()
            for worker in term.silent.copy():
                if (
                    how := await how_gone(connection, worker)
                ) == "left":  # it woke up, and ended
                    over_s = now_s + LEASE_S + term.pacer.longest_s(timeout_s)
                    term.pacer.gone(worker, over_s=over_s)
                if how == "left" or (how is None and worker not in quiet):
                    term.silent.discard(worker)
            term.pacer.quiet = quiet
            for worker in term.awaited & set(quiet):
                term.reserve(worker, now_s + LEASE_S + timeout_s)

    async def save(
        self, connection: Connection, key: str, term: Term, *, final: bool = False
    ) -> bool:
        """Store the governor's state, unless the term is over; whether it was.

        A term that is over is ours no more: what was granted since is void.
        """
        now_s = self._clock.now_s()
        changes = term.pacer.changes
        state = term.pacer.state(now_s, final=final)
        text = state.to_json()
        term.promises = {one.worker: one.most for one in state.promises or ()}
        async with connection.transaction():
            await connection.execute("SET LOCAL synchronous_commit = on")
            done = await connection.execute(
                _SAVE, (key, text, now_s, key, self._worker, term.number)
            )
        term.saved_s, term.saved_changes = now_s, changes
        if not done.rowcount and self.mine.get(key) is term:
            del self.mine[key]
        return done.rowcount > 0

    async def resign(self, connection: Connection) -> None:
        """End all terms: nothing is granted any more, and what is out counts as used.

        `final` only where everybody with requests under way will tell the successor of them:
        else it is to take slots that nobody tells of for taken, as after a death.
        """
        for key, term in [*self.mine.items()]:
            final = term.unheard_s is None and term.pacer.settled
            for worker in term.pacer.workers - {self._worker} if final else ():
                if await how_gone(connection, worker) is not None:
                    final = False
            await self.save(connection, key, term, final=final)
            await connection.execute(_RESIGN, (key, self._worker, term.number))


def _over_s(state: GovernorState | None) -> float:
    """When all is over that whoever stored *state* may have granted, as `_stored` gives it."""
    if state is None or state.final:
        return float("-inf")
    return state.stamp_s + SAVE_S + _CLOCKS_S


_RENEW = (
    f"UPDATE pacer SET until_s = {NOW} + %s WHERE provider = %s AND worker = %s"
    " AND term = %s RETURNING until_s,"
    " (SELECT limits FROM provider WHERE key = pacer.provider)"
)

_TAKEN = f"""
SELECT 1 FROM pacer WHERE provider = %s AND until_s >= {NOW} AND worker <> %s
  AND EXISTS (SELECT 1 FROM worker w WHERE w.id = pacer.worker AND {HAS_SESSION})
"""
"""Looked at first, as that waits for nobody."""

_ELECT = f"""
INSERT INTO pacer (provider, worker, term, until_s) VALUES (%s, %s, 1, {NOW} + %s)
ON CONFLICT (provider) DO UPDATE
SET worker = excluded.worker, term = pacer.term + 1, until_s = excluded.until_s
WHERE pacer.until_s < {NOW} OR pacer.worker = excluded.worker
  OR NOT EXISTS (SELECT 1 FROM worker w WHERE w.id = pacer.worker AND {HAS_SESSION})
RETURNING term, until_s
"""

_RESIGN = "UPDATE pacer SET until_s = 0 WHERE provider = %s AND worker = %s AND term = %s"

_SAVE = f"""
INSERT INTO provider (key, state, stamp_s)
SELECT %s, %s, %s::float8 FROM pacer WHERE provider = %s AND worker = %s AND term = %s
  AND until_s > {NOW} FOR SHARE
ON CONFLICT (key) DO UPDATE SET state = excluded.state, stamp_s = excluded.stamp_s
"""
