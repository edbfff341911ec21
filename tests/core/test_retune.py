"""A governor at work gets another policy: it holds at once, and nothing is forgotten."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ventil.core.exchange import Outcome, Verdict
from ventil.core.governor import Governor, Permit, Policy, Quota, Wait
from ventil.core.pacer import Pacer
from ventil.core.policy import Reason
from ventil.core.retune import retune

LIVE = Outcome(Verdict.LIVE)


def policy(*quotas: str, most: int = 4, cooldown_s: float | None = 10.0) -> Policy:
    """One that is not adaptive."""
    return Policy(
        quotas=tuple(map(Quota.parse, quotas)),
        max_in_flight=most,
        adaptive=False,
        cooldown_s=cooldown_s,
    )


def sent(governor: Governor, now_s: float) -> list[Permit]:
    """All permits that it gives at a moment."""
    permits = []
    while isinstance(permit := governor.admit(now_s, pending=100), Permit):
        permits.append(permit)
    return permits


def test_a_quota_counts_what_was_sent_before() -> None:
    """5 an hour, set after 3 were sent within the minute: 2 are left."""
    governor = Governor(policy("3/min"), 0.0)
    for permit in sent(governor, 0.0):
        governor.settle(permit, 1.0, LIVE)
    retune(governor.parts, policy("3/min", "5/h"), 1.0)
    later = sent(governor, 100.0)
    assert len(later) == 2
    for permit in later:
        governor.settle(permit, 101.0, LIVE)
    wait = governor.admit(500.0)
    assert isinstance(wait, Wait)
    assert wait.reason is Reason.QUOTA


def test_fewer_in_flight() -> None:
    """Those in flight go on; nothing goes out until fewer are than may be; then up again."""
    governor = Governor(policy(), 0.0)
    permits = sent(governor, 0.0)
    assert len(permits) == 4
    retune(governor.parts, policy(most=1), 1.0)
    for permit in permits[:3]:
        governor.settle(permit, 1.0, LIVE)
        assert not sent(governor, 1.0)
    governor.settle(permits[3], 2.0, LIVE)
    [one] = sent(governor, 2.0)
    retune(governor.parts, policy(most=4), 3.0)
    assert len(sent(governor, 3.0)) == 3
    governor.settle(one, 3.0, LIVE)


def test_a_longer_cooldown() -> None:
    """It is the next throttle's; what was learned before is kept."""
    governor = Governor(policy(), 0.0)
    [permit, *_] = sent(governor, 0.0)
    retune(governor.parts, policy(cooldown_s=3600.0), 0.5)
    changes = governor.changes
    governor.settle(permit, 1.0, Outcome(Verdict.THROTTLED))
    until_s = governor.condition(1.0).gate_until_s
    assert until_s is not None
    assert until_s >= 3600.0
    assert governor.changes > changes


@given(st.lists(st.floats(0.0, 30.0), min_size=1, max_size=60), st.integers(1, 5))
def test_a_tightened_quota_holds_from_then_on(gaps: list[float], limit: int) -> None:
    """In any window that ends after the change there are no more than it allows."""
    governor = Governor(policy("6/min", most=100), 0.0)
    now_s, times = 0.0, list[float]()
    changed_s = sum(gaps) / 2
    tight = False
    for gap in gaps:
        now_s += gap
        if not tight and now_s >= changed_s:
            tight = True
            retune(governor.parts, policy("6/min", f"{limit}/min", most=100), now_s)
            before = len(times)
        for permit in sent(governor, now_s):
            times.append(now_s)
            governor.settle(permit, now_s, LIVE)
    for at, end_s in enumerate(times):
        if tight and at >= before:
            assert sum(end_s - 60.0 < t <= end_s for t in times[: at + 1]) <= limit


def test_a_pacer_too() -> None:
    """For all workers: grants count under the new quota with those before."""
    pacer = Pacer(Governor(policy("4/min", most=10), 0.0), 0.0)
    pacer.wanted("w", "run", (1, False), 10)
    for grant in pacer.grants(0.0):
        pacer.used(grant.number, 0.1)
        pacer.done(grant.number, 0.2, LIVE, "a")
    pacer.retune(policy("4/min", "6/h", most=10), 1.0)
    assert len(pacer.grants(100.0)) == 2
