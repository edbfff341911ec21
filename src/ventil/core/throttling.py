"""A request was throttled: a cap on requests in flight, or a quota; and how it goes on.

A cap lets requests through again as soon as fewer are in flight; so a throttle that names
no time lowers the limit first and drains to half as a test (`cap` tells which it was). A
quota closes the gate; the first answer after it is measured by the learner. Where a ban
costs long, caution learns from the first one instead.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ventil.core.announced import RESET_GUARD_S

if TYPE_CHECKING:
    from ventil.core.exchange import Outcome, RateHint
    from ventil.core.parts import Parts
    from ventil.core.permit import Permit


def throttled(it: Parts, permit: Permit, now_s: float, outcome: Outcome) -> None:
    """A throttle is a quota, or a cap on requests in flight that answers the same way."""
    named_s = outcome.retry_after_s
    if named_s is None and it.policy.cooldown_s is None:
        named_s = _reset_s(outcome.hints)
    silent = it.adaptive and named_s is None and it.policy.cooldown_s is None
    if silent and not (
        it.gate.checking
        or permit.sent_s < it.episode_s
        or it.cap.is_quota(
            now_s,
            permit.in_flight,
            permit.sent_s,
            throughput=it.throughput(now_s),
            rate=it.learner.rate,
        )
    ):
        _capped(it, permit, now_s)
        return
    if permit.sent_s >= it.episode_s:
        it.episode_s = now_s
        caution = it.caution
        if caution is not None and named_s is None and not it.gate.checking:
            caution.banned(permit.sent_s)  # else the ban goes on: nothing new
        if caution is None or named_s is not None or caution.gave_up:
            if not it.learner.resuming:
                it.throughput_before = it.throughput(it.stall.last_s)
            it.learner.throttled(now_s, named=named_s is not None)
        else:
            it.learner.interrupted()
        mistaken = it.cap.mistaken(now_s)
        if mistaken is not None:
            it.limit.undo_lower(*mistaken)
        it.drain_to = None
        it.changes += 1
    it.gate.throttled(now_s, permit.sent_s, named_s, outcome.detail)
    if named_s is not None:
        it.learner.reset_named(now_s + named_s, named_s)


def overheard(it: Parts, at_s: float, sent_s: float, outcome: Outcome) -> None:
    """A request that another governor had admitted was told to come later, at `at_s`.

    Only the gate hears of it: the limit and the learner need to know what was in flight.
    `sent_s` is when it was sent, or a moment after that.
    """
    now_s, gate = it.now_s, it.gate
    named_s = outcome.retry_after_s
    if named_s is None and it.policy.cooldown_s is None:
        named_s = _reset_s(outcome.hints)
    if named_s is not None:
        named_s -= max(0.0, now_s - at_s)
        if named_s <= 0:
            return
    if sent_s > gate.closed_s:
        gate.throttled(now_s, sent_s, named_s, outcome.detail)
    elif named_s is not None:
        gate.hold(now_s, named_s, outcome.detail, fresh=False)
    else:
        return
    it.changes += 1


def _reset_s(hints: tuple[RateHint, ...]) -> float | None:
    """Seconds until the last of the used up budgets is reset; None when none says so."""
    resets_s = [
        hint.reset_s + RESET_GUARD_S
        for hint in hints
        if hint.remaining is not None and hint.remaining <= 0 and hint.reset_s is not None
    ]
    return max(resets_s, default=None)


def _capped(it: Parts, permit: Permit, now_s: float) -> None:
    """Assume a cap on requests in flight: fewer, and drain to half as a test."""
    limit, n = it.limit, permit.in_flight
    before = (limit.limit, limit.ceiling, limit.startup)
    if not it.cap.assume(now_s, permit.sent_s, before):
        return
    known = limit.ceiling < it.policy.max_in_flight and limit.ceiling <= n
    below = min(n - 1, 0.97 * n)
    limit.lower(now_s, below, below)
    if not known:
        it.drain_to = max(1, (n - 1) // 2)


def resumed(it: Parts, permit: Permit, now_s: float) -> None:
    """The first answer after a throttle: measure from resume to resume."""
    learner = it.learner
    if learner.resuming:
        since = it.weight - permit.number + permit.weight
        before = it.throughput_before
        learner.resumed(now_s, permit.sent_s, learner.admitted - since, before)
    if it.caution is not None:
        it.caution.resumed(now_s)
