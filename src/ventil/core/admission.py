"""May the next request go? Each rule in its turn: the first that objects names the wait.

::

    calendar ─ breaker and gate ─ objectives ─ in flight ─ retries ─ quotas ─► Permit

A probe of the breaker passes the rules that would keep it from finding out: those about how
many are in flight, and what was learned or rationed. Stated quotas, announced ends of a
budget and lessons from bans hold for it too.
"""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

from ventil.core.moment import clock_words
from ventil.core.overload import HESITATE_AFTER
from ventil.core.permit import Permit, Wait
from ventil.core.policy import Reason

if TYPE_CHECKING:
    from collections.abc import Hashable

    from ventil.core.parts import Parts

FRESH_FIRST_S = 1.0
"""For so long a probe that is due is kept for a request that was not tried before."""
ALONE_AFTER_S = 3.0
"""When a retry was denied and no first try asked for in so long, there is none to keep for."""
_MOST_GATE_PROBES = 4
_CATCH_UP_S = 0.2
"""Who comes late may catch up with so much of an announced budget's pace."""


def decide(
    it: Parts, now_s: float, pending: int, weight: int, retry: bool, record: Hashable
) -> Permit | Wait:
    """Leave to send one request now, booked, or what to wait for. See `Governor.admit`."""
    gate = it.gate
    probe = it.breaker.opened_s is not None
    gate_probe = gate.checking and not probe
    wait = None
    if now_s >= it.open_until_s:
        wait = _closed(it, now_s)
    if wait is None and (
        probe or gate_probe or now_s < gate.until_s or now_s < it.hesitate_until_s
    ):
        wait = _held(it, now_s, retry, probe, gate_probe)
    if wait is None and it.etiquette is not None and not probe:
        wait = _resting(it, now_s)
    if wait is None:
        wait = _no_slot(it, now_s, retry, probe, gate_probe)
    if wait is None:
        wait = _no_quota(it, now_s, pending, weight, probe)
    if wait is not None:
        return wait
    return _permit(it, now_s, weight, retry, record, probe, gate_probe)


def _closed(it: Parts, now_s: float) -> Wait | None:
    """What the calendar says; None when it is open, and until when is remembered."""
    calendar = it.policy.calendar
    opens_s, why = calendar.opens(now_s)
    if opens_s > now_s:
        return Wait(opens_s, Reason.CALENDAR, f"{why} until {clock_words(opens_s, now_s)}")
    it.open_until_s = calendar.closes(now_s)
    return None


def _held(it: Parts, now_s: float, retry: bool, probe: bool, gate_probe: bool) -> Wait | None:
    """The breaker, the gate, the check behind the gate; a moment's hesitation."""
    gate, breaker = it.gate, it.breaker
    if probe or now_s < gate.until_s:
        it.reclaim(now_s)
        wait = shut(it, now_s)
        if wait is not None:
            return wait
        if probe and retry:
            # What was in flight when an outage began are mostly the slow ones: as
            # probes they would tell too late. First tries go before them.
            if it.kept_probe_s != breaker.next_probe_s:
                it.kept_probe_s = breaker.next_probe_s
                it.kept_until_s = now_s + FRESH_FIRST_S
            if now_s < it.kept_until_s:
                return Wait(it.kept_until_s, Reason.RETRY_BUDGET, "a first try probes first")
    if probe:
        return None
    if now_s < it.hesitate_until_s and breaker.failures >= HESITATE_AFTER:
        return Wait(
            it.hesitate_until_s, Reason.BREAKER, f"{breaker.failures} failures in a row"
        )
    if gate_probe and gate.probes_out > 0:
        it.reclaim(now_s)
    if gate_probe and gate.probes_out > 0:
        in_time = gate.probes_out < _MOST_GATE_PROBES and it.slots < it.limit.whole
        if not in_time or now_s < it.gate_probe_s:
            return Wait(
                it.gate_probe_s if in_time else it.lost_from(now_s),
                Reason.COOLDOWN,
                f"one request checks whether it is over: {gate.why}",
            )
    return None


def shut(it: Parts, now_s: float) -> Wait | None:
    """What the breaker and the gate say, the later of the two; None to go on."""
    gate, breaker = it.gate, it.breaker
    if gate.until_s > now_s and (
        breaker.opened_s is None or gate.until_s >= breaker.next_probe_s
    ):
        return Wait(
            gate.until_s,
            Reason.COOLDOWN,
            f"cooldown until {clock_words(gate.until_s, now_s)}, {gate.why}",
        )
    if breaker.opened_s is None:
        return None
    probe_s = breaker.probe_from()
    if probe_s <= now_s:
        return None
    since = clock_words(breaker.opened_s, now_s)
    if probe_s == inf:
        return Wait(
            it.lost_from(now_s),
            Reason.BREAKER,
            f"open since {since} ({breaker.why}), probe under way",
        )
    return Wait(
        probe_s,
        Reason.BREAKER,
        f"open since {since} ({breaker.why}), next probe {clock_words(probe_s, now_s)}",
    )


def _resting(it: Parts, now_s: float) -> Wait | None:
    """The objectives of the policy."""
    etiquette = it.etiquette
    if etiquette is None:
        return None
    if now_s < etiquette.next_s:
        return Wait(etiquette.next_s, Reason.LATENCY, f"resting: {etiquette.why}")
    if it.slots >= etiquette.ceiling:
        return Wait(
            it.lost_from(now_s),
            Reason.LATENCY,
            f"{it.slots} in flight, for {etiquette.why}",
        )
    return None


def _no_slot(
    it: Parts, now_s: float, retry: bool, probe: bool, gate_probe: bool
) -> Wait | None:
    """The limit on requests in flight, and the retries' share of it."""
    ceiling = it.policy.max_in_flight
    most = ceiling
    if not probe:
        most = it.limit.whole
        drain_to = it.drain_to
        if drain_to is not None:
            if it.slots > drain_to:
                most = drain_to
            else:
                it.drain_to = None
    # Those lost hold no slot of the limit, but the policy's ceiling is for all.
    if it.slots >= most or len(it.open) >= ceiling:
        it.reclaim(now_s)
        if it.slots >= most or len(it.open) >= ceiling:
            return _full(it, now_s, probe)
    if retry and not (probe or gate_probe):
        most = max(1, int(it.policy.retry_share * it.limit.whole))
        if it.retries >= most:
            if it.alone_s is None:
                it.alone_s = now_s + ALONE_AFTER_S
            if now_s < it.alone_s:
                return Wait(None, Reason.RETRY_BUDGET, f"{it.retries} retries in flight")
    return None


def _full(it: Parts, now_s: float, probe: bool) -> Wait:
    """Too many in flight: wait for an answer, unless none comes any more."""
    until_s = it.lost_from(now_s)
    if it.adaptive and not probe:
        stall_s = it.stall.due(it.slots, it.throughput(it.stall.last_s))
        if now_s >= stall_s:
            it.breaker.open(now_s, "no answers any more", soft=True)
            it.learner.interrupted()
            it.changes += 1
            wait = shut(it, now_s)
            if wait is not None:
                return wait
        if until_s is None or stall_s < until_s:
            until_s = stall_s
    return Wait(
        until_s if until_s is None or until_s > now_s else now_s + 0.001,
        Reason.CONCURRENCY_LIMIT,
        f"{it.slots} in flight",
    )


def _no_quota(it: Parts, now_s: float, pending: int, weight: int, probe: bool) -> Wait | None:
    """Quotas: stated, learned, learned from a ban, announced. The latest of them."""
    free_s, quota = it.uses.free_from(now_s, weight)
    until_s = now_s if free_s is None else free_s  # None for grants that are out: none here
    if not probe:
        learned_s = it.learner.due(now_s, pending)
        if learned_s > until_s:
            return Wait(
                learned_s,
                Reason.LEARNED_QUOTA,
                f"learned quota of {it.learner.rate:.3g}/s",
            )
    caution = it.caution
    if caution is not None and caution.limit is not None:
        cautious_s = caution.due(now_s, weight)
        if cautious_s > until_s:
            return Wait(
                cautious_s,
                Reason.LEARNED_QUOTA,
                f"{caution.limit:.3g} in {caution.window_s:g} s, learned from the ban"
                f" of {clock_words(caution.banned_s, now_s)}",
            )
    announced_s = it.announced.free_from(now_s, it.weight + weight)
    if announced_s <= now_s and not probe and it.announced:
        paced_s = it.announced_owed_s - _CATCH_UP_S
        if paced_s > until_s:
            left = it.announced.left(now_s, it.weight)
            if left is not None and left[0] < pending:
                return Wait(
                    paced_s,
                    Reason.ANNOUNCED_QUOTA,
                    f"{left[0]:.0f} remaining for {left[1]:.0f} s, by its header fields",
                )
    if announced_s > until_s:
        return Wait(
            announced_s,
            Reason.ANNOUNCED_QUOTA,
            f"nothing remaining until {clock_words(announced_s, now_s)}, by its header fields",
        )
    if until_s > now_s:
        return Wait(until_s, Reason.QUOTA, f"quota {quota} until {clock_words(until_s, now_s)}")
    return None


def _permit(
    it: Parts,
    now_s: float,
    weight: int,
    retry: bool,
    record: Hashable,
    probe: bool,
    gate_probe: bool,
) -> Permit:
    """Enter one request into all the books."""
    it.count += 1
    it.weight += weight
    in_flight = it.slots + 1
    permit = Permit(
        it.weight,
        now_s,
        weight,
        retry,
        record,
        in_flight,
        it.breaker.generation,
        probe,
        gate_probe,
    )
    if it.uses:
        if it.sends_at_once:
            permit.use = it.count
            it.uses.sent(permit.use, weight, now_s)
        else:
            it.uses.take(weight, now_s)
    it.learner.begin(now_s)
    it.learner.take(now_s, weight)
    if it.caution is not None:
        it.caution.sent(now_s, weight)
    if it.announced:
        left = it.announced.left(now_s, it.weight)
        if left is not None and left[0] >= 1:
            owed_s = max(it.announced_owed_s, now_s - _CATCH_UP_S)
            it.announced_owed_s = owed_s + 0.9 * left[1] / left[0]
    if it.adaptive:
        it.stall.sent(now_s)
        if not probe:
            it.rejections.sent(in_flight)
        if not (retry or probe):
            permit.cohort = it.limit.sent(now_s, in_flight)
    it.open[id(permit)] = permit
    if retry:
        it.retries += 1
    if probe:
        it.breaker.probe_sent(now_s)
    elif gate_probe:
        it.gate.probes_out += 1
        it.gate_probe_s = now_s + max(0.5, 3.0 * min(it.limit.base_s or 1.0, 30.0))
    return permit
