"""Terms: which worker paces a provider key, for how long, and what its successor must know.

A pacer's term lasts `TERM_S` from its last renewal, by the database's clock, and no grant
outlives it. A new pacer starts from the stored state of the governor, which takes the
former's last second for fully used, and grants nothing before every other worker has said
what it has under way, or is gone.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from ventil.adapters.database_clock import DatabaseClock
from ventil.adapters.roster import NOW, Connection, how_gone, latest_silent_s
from ventil.core.governor import Governor, GovernorState
from ventil.core.pacer import LEASE_S, SURELY_OVER_S, Pacer

TERM_S = 3.0
SAVE_S = 0.5
"""The longest that a pacer grants on a state that is not stored yet."""

_FIRST = 1_000_000_000  # grants a pacer may number in its term
_MARGIN_S = 0.1

NewGovernor = Callable[[float, GovernorState | None, float], Governor]
"""(now_s, the former's state, seconds that it may have gone on unseen) -> a governor."""


@dataclass(slots=True)
class Term:
    """A provider key that this worker paces."""

    number: int
    until_s: float
    pacer: Pacer
    awaited: set[str]
    """Those who have not said yet what they have under way."""
    not_before_s: float
    saved_s: float = float("-inf")
    saved_changes: int = -1
    told: dict[str, Any] = field(default_factory=dict)
    """What each worker was told last of the provider's condition."""

    def until(self, now_s: float) -> float | None:
        """When a grant that is made now has to end; None when none may be made."""
        until_s = self.until_s - _MARGIN_S
        if self.awaited or now_s < self.not_before_s or now_s >= until_s:
            return None
        return until_s


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

    async def stand(self, connection: Connection, key: str, live: Mapping[str, str]) -> bool:
        """Renew our term for a provider key, or run for it when it is vacant.

        *live*: see `Roster.look`. Returns whether a term has begun.
        """
        mine = self.mine.get(key)
        if mine is not None:
            found = await connection.execute(_RENEW, (TERM_S, key, self._worker, mine.number))
            row = await found.fetchone()
            if row is not None:
                mine.until_s = row[0]
                return False
            self.mine.pop(key, None)
        found = await connection.execute(_ELECT, (key, self._worker, TERM_S))
        row = await found.fetchone()
        if row is None:
            return False
        number, until_s = row
        state = await self._stored(connection, key)
        silent_s = await latest_silent_s(connection)
        now_s = self._clock.now_s()
        governor = self._governors[key](now_s, state, SAVE_S)
        not_before_s = now_s
        if silent_s is not None:
            # It may live on, unseen, with requests of its own until they time out.
            not_before_s = max(now_s, silent_s + LEASE_S + self._timeouts_s[key])
        awaited = {w for w, keys in live.items() if key in json.loads(keys)} - {self._worker}
        pacer = Pacer(governor, now_s, first=number * _FIRST)
        self.mine[key] = Term(number, until_s, pacer, awaited, not_before_s)
        return True

    async def _stored(self, connection: Connection, key: str) -> GovernorState | None:
        """What the former pacer has stored."""
        found = await connection.execute("SELECT state FROM provider WHERE key = %s", (key,))
        row = await found.fetchone()
        if row is None or not row[0]:
            return None
        try:
            state = GovernorState.from_json(row[0])
        except ValueError as error:
            self._note(f"the stored state of {key} is not used: {error}")
            return None
        if state.final:
            return state
        # Grants that were made after this state could be used for a lease longer.
        return replace(state, stamp_s=state.stamp_s + LEASE_S)

    async def without(self, connection: Connection, live: Mapping[str, str]) -> None:
        """Tell our pacers who is gone: everybody but *live*."""
        now_s = self._clock.now_s()
        for key, term in [*self.mine.items()]:
            for worker in term.pacer.workers - live.keys():
                how = await how_gone(connection, worker)
                if how is None:  # it came while we looked
                    continue
                over_s = now_s + SURELY_OVER_S
                if how == "silent":  # it may live on, until its requests time out
                    over_s = now_s + LEASE_S + self._timeouts_s[key]
                term.pacer.gone(worker, over_s=over_s)
            term.awaited &= live.keys()

    async def save(
        self, connection: Connection, key: str, term: Term, *, final: bool = False
    ) -> bool:
        """Store the governor's state, unless the term is over; whether it was.

        A term that is over is ours no more: what was granted since is void.
        """
        now_s = self._clock.now_s()
        changes = term.pacer.changes
        text = term.pacer.state(now_s, final=final).to_json()
        async with connection.transaction():
            await connection.execute("SET LOCAL synchronous_commit = on")
            done = await connection.execute(
                _SAVE, (key, text, now_s, key, self._worker, term.number)
            )
        term.saved_s, term.saved_changes = now_s, changes
        if not done.rowcount:
            self.mine.pop(key, None)
        return done.rowcount > 0

    async def resign(self, connection: Connection) -> None:
        """End all terms: nothing is granted any more, and what is out counts as used."""
        for key, term in [*self.mine.items()]:
            await self.save(connection, key, term, final=True)
            await connection.execute(_RESIGN, (key, self._worker, term.number))


_RENEW = (
    f"UPDATE pacer SET until_s = {NOW} + %s WHERE provider = %s AND worker = %s"
    " AND term = %s RETURNING until_s"
)

_ELECT = f"""
INSERT INTO pacer (provider, worker, term, until_s) VALUES (%s, %s, 1, {NOW} + %s)
ON CONFLICT (provider) DO UPDATE
SET worker = excluded.worker, term = pacer.term + 1, until_s = excluded.until_s
WHERE pacer.until_s < {NOW}
RETURNING term, until_s
"""

_RESIGN = "UPDATE pacer SET until_s = 0 WHERE provider = %s AND worker = %s AND term = %s"

_SAVE = f"""
INSERT INTO provider (key, state, stamp_s)
SELECT %s, %s, %s::float8 FROM pacer WHERE provider = %s AND worker = %s AND term = %s
  AND until_s > {NOW} FOR SHARE
ON CONFLICT (key) DO UPDATE SET state = excluded.state, stamp_s = excluded.stamp_s
"""
