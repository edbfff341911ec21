"""The one door to a provider: waits until the governor says that a request may go.

The governor decides; the gate keeps the queue of those who wait, sets one timer for the
time the governor named, stores its state, and adds up what the waiting was for. Every
request of a provider key passes the same gate, first tries and retries alike, in the
order of `engine.line`.

The governor's state is stored at least every `LEASE_S` seconds while requests go out, and
at once when something important changed (a cooldown, the breaker). A start after a crash
assumes that the old process used its full allowance for that long after the last stamp,
so no window is exceeded whatever is killed when.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass

from ventil.core.blame import Blame
from ventil.core.exchange import Outcome, Verdict
from ventil.core.governor import Governor, Permit, Reason, Wait
from ventil.core.lease import LeasedGovernor
from ventil.core.quota import QuotaImpossible
from ventil.crashpoint import crashpoint
from ventil.engine.line import Ticket, WaitingLine
from ventil.errors import StateError, Suspended
from ventil.ports import Clock, Store

LEASE_S = 0.5
"""The longest that requests go out on a state that is not stored yet."""

ASK_AGAIN_S = 1.0
"""The longest that a full provider is not asked about: it may have stalled."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to wait for a provider before the run is suspended, in seconds.

    `max_wait_s`: for a wait that is announced, or an outage. `reach_within_s`: for the
    first sign of life in this run.
    """

    max_wait_s: float
    reach_within_s: float


class Gate:
    """Permits for one provider key. Used from one event loop."""

    def __init__(
        self,
        key: str,
        governor: Governor | LeasedGovernor,
        clock: Clock,
        store: Store,
        *,
        patience: Patience,
        stop: Callable[[Exception], None],
    ) -> None:
        self._key = key
        self._name = key.partition("@")[0]
        self._governor = governor
        self._clock = clock
        self._store = store
        self._patience = patience
        self._stop = stop
        self._line = WaitingLine()
        self._timer: asyncio.TimerHandle | None = None
        self._rings_s = 0.0  # when it does, by the clock
        self._paused: str | None = None
        self._closed = False
        self._saved_s = float("-inf")
        self._saved_changes = -1
        self._waiting: tuple[Reason, str] | None = None
        self._waiting_since_s = 0.0
        self._turned_away: Suspended | None = None
        self._first_sent_s: float | None = None
        self._last_alive_s: float | None = None
        self._last_trouble = ""
        self.blame = Blame()
        self.in_flight = 0
        self.waits_s: dict[str, float] = {}
        if isinstance(governor, LeasedGovernor):
            governor.count_by(self._wanted)

    # -- asking and telling ----------------------------------------------------------

    async def acquire(
        self,
        *,
        weight: int = 1,
        retry: bool = False,
        record: Hashable = None,
        urgent: bool = False,
        chunk: int = 0,
    ) -> Permit:
        """Wait for a permit. `record` names what the request is for, see `Governor.admit`.

        `urgent`: a person waits for it, so it goes before the others; see `WaitingLine`.
        Raises CancelledError when the run stops, StateError when the governor's state
        cannot be stored, Suspended when those who wait are turned away.
        """
        if not (self._closed or self._line):
            self._turned_away = None
            permit = self._admit(weight, retry, record)
            if permit is not None:
                self._end_wait(permit.sent_s)
                return permit
            if self._turned_away is not None:
                raise self._turned_away
        future: asyncio.Future[Permit] = asyncio.get_running_loop().create_future()
        self._line.join(
            future, weight=weight, retry=retry, record=record, urgent=urgent, chunk=chunk
        )
        if self._timer is None:
            self._pump()
        try:
            return await future
        except asyncio.CancelledError:
            if future.done() and not future.cancelled():
                self.settle(future.result(), Outcome(Verdict.IGNORED), self._clock.now_s())
            raise

    def settle(self, permit: Permit, outcome: Outcome, at_s: float) -> None:
        """Give a permit back with what came of it at *at_s*; every permit, exactly once."""
        self.in_flight -= 1
        if outcome.verdict in (Verdict.LIVE, Verdict.THROTTLED):
            self._last_alive_s = at_s
        elif outcome.verdict is not Verdict.IGNORED:
            self._last_trouble = outcome.detail
        self._governor.settle(permit, at_s, outcome)
        if self._governor.changes != self._saved_changes:
            self._save(at_s)
        if self._line:
            self._pump()

    def answered(self, permit: Permit, outcome: Outcome, at_s: float) -> None:
        """Tell what came of a permit that is settled later, when that is stored.

        To a pacer its slot is free; here the permit is held until then.
        """
        if isinstance(self._governor, LeasedGovernor):
            self._governor.answered(permit, at_s, outcome)

    def heard(self, at_s: float) -> None:
        """The provider answered at *at_s*: badly, but by no fault of its own."""
        self._last_alive_s = at_s

    # -- deciding --------------------------------------------------------------------

    def _admit(self, weight: int, retry: bool, record: Hashable) -> Permit | None:
        now_s = self._clock.now_s()
        if self._paused is not None:
            self._note_wait(now_s, Reason.PAUSED, f"paused: {self._paused}")
            return None
        decision = self._governor.admit(
            now_s, pending=1 + self.queued, weight=weight, retry=retry, record=record
        )
        if isinstance(decision, Wait):
            self._note_wait(now_s, decision.reason, decision.detail)
            self._set_timer(decision, now_s)
            self._judge_wait(decision, now_s)
            return None
        if self._first_sent_s is None:
            self._first_sent_s = now_s
        self.in_flight += 1
        if now_s - self._saved_s >= LEASE_S:
            try:
                self._save(now_s)
            except StateError:  # then nobody gets the permit
                self.in_flight -= 1
                self._governor.settle(decision, now_s, Outcome(Verdict.IGNORED))
                raise
        return decision

    def _pump(self) -> None:
        """Hand out permits, in the order of the line, until the governor says wait."""
        line = self._line
        try:
            while not self._closed and (ticket := self._next()) is not None:
                permit = self._admit(ticket.weight, ticket.retry, ticket.record)
                if permit is None and ticket.retry and self._budget_spent:
                    first_try = line.next(retries=False)  # retries may not hold up the others
                    if first_try is None:
                        return
                    ticket = first_try
                    permit = self._admit(ticket.weight, False, ticket.record)
                if permit is None:
                    return
                line.leave(ticket)
                ticket.permit.set_result(permit)
                if self._full_again(permit):
                    return
                self._end_wait(permit.sent_s)
            if not line:
                self._end_wait(self._clock.now_s())
        except (StateError, QuotaImpossible) as error:
            self._stop(error)

    def _wanted(self) -> Mapping[tuple[int, bool], int]:
        """What could go out now if there were permits, by (weight, retry)."""
        if self._closed or self._paused is not None:
            return {}
        return self._line.waiting()

    def _next(self) -> Ticket | None:
        if self._governor.breaker_open and len(self._line) > 1:
            return self._line.probe(self.blame.in_a_row)
        return self._line.next()

    @property
    def queued(self) -> int:
        """Requests that wait for a permit."""
        return len(self._line)

    @property
    def _budget_spent(self) -> bool:
        return self._waiting is not None and self._waiting[0] is Reason.RETRY_BUDGET

    def _full_again(self, permit: Permit) -> bool:
        """Whether *permit* took the last slot, so that those behind it need not ask.

        The usual case of a fast provider: each answer lets one request out. They do ask
        when the timer rings, which is soon.
        """
        if self._timer is None or not (self._line and self._governor.full):
            return False
        if self._rings_s > permit.sent_s + ASK_AGAIN_S:
            return False
        waiting = self._waiting
        if waiting is None or waiting[0] is not Reason.CONCURRENCY_LIMIT:
            words = f"{self.in_flight} in flight"
            self._note_wait(permit.sent_s, Reason.CONCURRENCY_LIMIT, words)
        return True

    def _set_timer(self, wait: Wait, now_s: float) -> None:
        """Ask again when *wait* says, or earlier: a timer that rings before that stays."""
        if wait.until_s is None:
            return
        # Never in the past, or a clock that stands still would spin the loop.
        delay_s = max(wait.until_s - now_s, 0.001)
        if wait.reason is Reason.CONCURRENCY_LIMIT:
            delay_s = min(delay_s, ASK_AGAIN_S)
        if self._timer is not None:
            if self._rings_s <= now_s + delay_s:
                return
            self._timer.cancel()
        self._rings_s = now_s + delay_s
        self._timer = asyncio.get_running_loop().call_later(delay_s, self._ring)

    def _ring(self) -> None:
        self._timer = None
        self._pump()

    def _judge_wait(self, wait: Wait, now_s: float) -> None:
        """Suspend the run when this wait is longer than anybody wants to wait."""
        patience = self._patience
        if wait.reason in (Reason.CALENDAR, Reason.LEASE):
            return  # the user's own hours, or our own errands: not the provider's word
        late = wait.until_s is not None and wait.until_s - now_s > patience.max_wait_s
        # With requests in flight the time may only say when they count as lost; the wait
        # is looked at again when they have ended.
        if late and not self.in_flight:
            self._stop(
                Suspended(
                    f"{self._name}: {wait.detail}; that is later than --max-wait allows "
                    f"({_duration(patience.max_wait_s)})",
                    hint="the same command goes on from here",
                )
            )
        elif wait.reason is Reason.BREAKER:
            self._judge_outage(now_s)

    def _judge_outage(self, now_s: float) -> None:
        patience = self._patience
        if self._last_alive_s is not None:
            if now_s - self._last_alive_s > patience.max_wait_s:
                self._stop(
                    Suspended(
                        f"{self._name} has been down for longer than --max-wait allows "
                        f"({_duration(patience.max_wait_s)}): {self._last_trouble}",
                        hint="the same command goes on from here",
                    )
                )
            return
        reach_s = min(patience.reach_within_s, patience.max_wait_s)
        if now_s - (self._first_sent_s or now_s) > reach_s:
            self._stop(
                Suspended(
                    f"{self._name} has given no usable answer in {_duration(reach_s)}: "
                    f"{self._last_trouble}",
                    hint="look at base_url and the network (`ventil doctor`); "
                    "the same command goes on from here",
                )
            )

    # -- what limits the run ---------------------------------------------------------

    def _note_wait(self, now_s: float, reason: Reason, detail: str) -> None:
        if self._waiting is None or self._waiting[0] is not reason:
            self._end_wait(now_s)
            self._waiting_since_s = now_s
        self._waiting = (reason, detail)

    def _end_wait(self, now_s: float) -> None:
        if self._waiting is not None:
            self.waited(self._waiting[0], max(0.0, now_s - self._waiting_since_s))
            self._waiting = None

    def waited(self, reason: Reason, seconds: float) -> None:
        """Add to what the waiting was for; also what others see that the gate does not."""
        self.waits_s[reason.value] = self.waits_s.get(reason.value, 0.0) + seconds

    def shut_until_s(self) -> float | None:
        """When a running cooldown ends; None when there is none."""
        condition = self._governor.condition(self._clock.now_s())
        return condition.gate_until_s

    def limited_by(self) -> str | None:
        """What holds the next request up right now, for a person; None when nothing does."""
        return None if self._waiting is None else f"{self._name}: {self._waiting[1]}"

    # -- from outside ----------------------------------------------------------------

    def pause(self, reason: str | None) -> None:
        """Let nothing out while a person has paused the provider; None goes on."""
        if reason == self._paused:
            return
        self._paused = reason
        if self.queued:
            self._pump()

    def turn_away(self, error: Suspended) -> None:
        """Let nobody wait any longer: they get *error*. Who comes later is judged anew."""
        self._turned_away = error
        for ticket in self._line.clear():
            if not ticket.permit.done():
                ticket.permit.set_exception(Suspended(error.message, hint=error.hint))

    def check(self) -> None:
        """Look at the clock once more: a wait may have become too long by now."""
        if self.queued and not self._closed:
            self._pump()

    @property
    def breaker_open(self) -> bool:
        """Whether only probes go out at present."""
        return self._governor.breaker_open

    def close(self) -> None:
        """Let nothing more out; those who wait go on waiting until they are cancelled."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._end_wait(self._clock.now_s())

    def save(self) -> None:
        """Store the governor's state as of a clean stop, if anything was sent at all."""
        if self._first_sent_s is not None:
            self._save(self._clock.now_s(), clean=True)

    def _save(self, now_s: float, *, clean: bool = False) -> None:
        changes = self._governor.changes
        state = self._governor.state(now_s, final=clean).to_json()
        crashpoint("governor.before")
        self._store.save_provider(self._key, state, now_s)
        crashpoint("governor.after")
        self._saved_s = now_s
        self._saved_changes = changes


def _duration(seconds: float) -> str:
    if seconds >= 3600:
        return f"{seconds / 3600:g} h"
    if seconds >= 60:
        return f"{seconds / 60:g} min"
    return f"{seconds:g} s"
