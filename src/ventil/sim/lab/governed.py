"""Ventil's own governor as a client of the lab.

The lab's seconds are added to a fixed day, since the governor counts from the epoch.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from ventil.core.exchange import Outcome, RateHint, Verdict
from ventil.core.governor import Governor, Permit, Policy
from ventil.sim.lab.client import FOREVER
from ventil.sim.lab.provider import NO_ANSWER, OK, TOO_MANY, Flight

if TYPE_CHECKING:
    from ventil.core.governor import GovernorState

EPOCH_S = 20_833 * 86_400.0
"""Midnight UTC of 15 January 2027: the lab's second 0."""

DAY_S = 86_400.0

_LIVE = Outcome(Verdict.LIVE)
_OVERLOADED = Outcome(Verdict.OVERLOADED, detail="503")
_UNANSWERED = Outcome(Verdict.OVERLOADED, detail="no answer in time")
_THROTTLED = Outcome(Verdict.THROTTLED, detail="429 without Retry-After")


def judged(flight: Flight) -> Outcome:
    """What an answer says."""
    status = flight.status
    hint = flight.hint
    hints: tuple[RateHint, ...] = ()
    if hint is not None:
        hints = (RateHint(hint.limit, hint.remaining, hint.reset_s),)
    if status == OK:
        return Outcome(Verdict.LIVE, hints=hints) if hints else _LIVE
    if status == TOO_MANY:
        after_s = flight.retry_after_s
        if after_s is None and not hints:
            return _THROTTLED
        detail = "429" if after_s is None else f"429 with Retry-After {after_s:.0f}"
        return Outcome(Verdict.THROTTLED, after_s, hints, detail)
    return _UNANSWERED if status == NO_ANSWER else _OVERLOADED


class Governed:
    """Drives `ventil.core.governor.Governor`; `state` is for a warm start.

    `epoch_s`: what the lab's second 0 is to the governor; later than the state's stamp.
    """

    separates_retries = True

    def __init__(
        self,
        policy: Policy | None = None,
        *,
        seed: int = 0,
        state: GovernorState | None = None,
        epoch_s: float = EPOCH_S,
    ) -> None:
        self.policy = policy or Policy()
        self.seed = seed
        self.first_state = state
        self.epoch_s = epoch_s
        # Made at the first question: a worker that starts late must not look idle before.
        self.governor: Governor | None = None
        self.permit: Permit | None = None

    def begin(self, now_s: float) -> Governor:
        """Make the governor."""
        self.governor = Governor(
            self.policy, self.epoch_s + now_s, seed=self.seed, state=self.first_state
        )
        return self.governor

    def state(self, now_s: float) -> GovernorState | None:
        """What a later run would start with; None when nothing was asked yet."""
        if self.governor is None:
            return None
        return self.governor.state(self.epoch_s + now_s, final=True)

    def ask(self, now_s: float, pending: int, retry: bool, record: int) -> float:
        """What the governor says; its permit is kept for `sent`."""
        governor = self.governor or self.begin(now_s)
        answer = governor.admit(
            self.epoch_s + now_s, pending=pending, retry=retry, record=record
        )
        if isinstance(answer, Permit):
            self.permit = answer
            return now_s
        until_s = answer.until_s
        if until_s is None or until_s == math.inf:
            return FOREVER
        until_s -= self.epoch_s
        # Still a wait, even where the subtraction rounds it down to now.
        return until_s if until_s > now_s else now_s + 1e-6

    def sent(self, now_s: float) -> object:
        """The permit travels with the request."""
        permit, self.permit = self.permit, None
        return permit

    def completed(self, now_s: float, flight: Flight) -> None:
        """Judge the answer and tell the governor."""
        assert self.governor is not None  # noqa: S101 - a flight was permitted by it
        self.governor.settle(flight.ticket, self.epoch_s + now_s, judged(flight))

    def gauge(self, now_s: float) -> tuple[float, str]:
        """The limit in force and what holds it: breaker, cooldown, or nothing."""
        if self.governor is None:
            return math.nan, ""
        return gauge(self.governor, self.epoch_s + now_s)


def gauge(governor: Governor, now_s: float) -> tuple[float, str]:
    """The limit in force and what holds it: breaker, cooldown, or nothing."""
    condition = governor.condition(now_s)
    if condition.breaker != "closed":
        state = condition.breaker
    elif condition.gate_until_s is not None:
        state = "cooldown"
    else:
        state = "closed"
    return float(condition.limit), state
