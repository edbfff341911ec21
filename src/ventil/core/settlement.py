"""What an answer teaches: every part is told what the outcome says to it, and no more.

A live answer says that the provider is up, that a gate is over, how long it took and that so
many in flight were let through. A failure goes to `overload`, a throttle to `throttling`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ventil.core import overload, throttling
from ventil.core.exchange import Verdict

if TYPE_CHECKING:
    from ventil.core.exchange import Outcome
    from ventil.core.parts import Parts
    from ventil.core.permit import Permit

_WORKED_ON = frozenset({Verdict.LIVE, Verdict.OVERLOADED})  # these took the provider's time


def learn(it: Parts, permit: Permit, now_s: float, outcome: Outcome) -> None:
    """A request is over: each part is told what its outcome says to it."""
    verdict = outcome.verdict
    it.verdicts[verdict] += 1
    gate, breaker = it.gate, it.breaker
    current = permit.generation == breaker.generation
    if it.probe_over(permit) and verdict is Verdict.IGNORED:
        breaker.probe_void(now_s)
    if verdict is not Verdict.IGNORED:
        it.stall.completed(now_s)
    cohort = permit.cohort
    if cohort is not None and verdict is not Verdict.LIVE and not cohort.closed:
        it.limit.voided(cohort)
    if outcome.hints and it.announced.tell(now_s, permit.number, outcome.hints):
        it.changes += 1
    etiquette = it.etiquette
    if etiquette is not None and verdict in _WORKED_ON:
        failed = verdict is Verdict.OVERLOADED
        if etiquette.answered(now_s, permit.sent_s, failed=failed, in_flight=permit.in_flight):
            it.changes += 1
    if verdict is Verdict.LIVE:
        if permit.lost and it.lost:
            it.write_back()
        it.refused = 0
        time_s = now_s - permit.sent_s
        if time_s < it.fastest_s:
            it.fastest_s = time_s
        if breaker.opened_s is not None:
            _revive(it, permit, current)
        elif current:
            breaker.live()
        if it.caution is not None:
            waited_out = gate.checking and permit.sent_s < gate.until_s
            it.caution.live(now_s, permit.sent_s, permit.weight, waited_out)
        if gate.checking and gate.live(permit.sent_s):
            it.changes += 1
            throttling.resumed(it, permit, now_s)
        if it.adaptive:
            it.limit.answered(cohort, now_s, time_s)
            it.cap.answered(permit.in_flight, permit.sent_s)
            if it.trial_of is not None:
                overload.try_lower(it, now_s)
            if it.learner.rate is not None:
                it.learner.look(now_s, it.throughput(now_s))
    elif verdict is Verdict.OVERLOADED:
        if outcome.retry_after_s is not None:
            gate.hold(now_s, outcome.retry_after_s, outcome.detail)
            it.changes += 1
        if current and not permit.lost:  # else it belongs to the outage that is over
            overload.overloaded(it, permit, now_s, outcome.detail)
    elif verdict is Verdict.THROTTLED:
        it.refused = 0
        it.learner.admitted -= permit.weight
        if breaker.opened_s is not None:
            _revive(it, permit, current)
        elif current:
            breaker.live()
        throttling.throttled(it, permit, now_s, outcome)
    elif verdict is Verdict.REFUSED:
        _refuse(it, permit, now_s, outcome, current)


def _revive(it: Parts, permit: Permit, current: bool) -> None:
    """The provider answered while the breaker was open."""
    breaker, limit = it.breaker, it.limit
    if not current:
        if breaker.soft:  # an old request after all: it was slowness, not an outage
            breaker.close()
            it.changes += 1
        return
    was_stall = breaker.soft
    if breaker.live():
        it.changes += 1
        if was_stall:
            # Answered before those that were sent before it: they are lost, and would
            # hold all slots until their timeouts.
            it.write_off(permit.sent_s)
        if it.adaptive:
            good = limit.good or limit.limit
            limit.restart(max(2.0, good / 4), good)


def _refuse(it: Parts, permit: Permit, now_s: float, outcome: Outcome, current: bool) -> None:
    """A refusal answers, so the provider is up; many in a row mean us."""
    if current and it.breaker.live():
        it.changes += 1
    it.refused += 1
    threshold = it.policy.refused_threshold
    if it.refused >= threshold:
        if permit.sent_s >= it.gate.closed_s or not it.gate.checking:
            it.gate.banned(now_s, f"{it.refused} refusals in a row")
            it.changes += 1
    elif it.gate.checking and it.gate.live(permit.sent_s):
        it.changes += 1
