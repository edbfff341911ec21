"""Which request probes an open breaker, and how few join an outage before it opens."""

from __future__ import annotations

from ventil.core.exchange import Outcome, Verdict
from ventil.core.governor import Governor, Permit, Policy, Reason, Wait

T0 = 1_800_000_000.0


def opened() -> tuple[Governor, float]:
    """A governor whose breaker has just opened, and when its first probe is due."""
    governor = Governor(Policy(adaptive=False, max_in_flight=20), T0)
    permits = [governor.admit(T0, record=k) for k in range(10)]
    for permit in permits:
        assert isinstance(permit, Permit)
        governor.settle(permit, T0 + 0.1, Outcome(Verdict.OVERLOADED, detail="503"))
    answer = governor.admit(T0 + 0.1)
    assert isinstance(answer, Wait)
    assert answer.reason is Reason.BREAKER
    assert answer.until_s is not None
    return governor, answer.until_s


def test_a_probe_is_kept_for_a_first_try() -> None:
    """What failed in an outage is mostly slow, and would tell too late that it is over."""
    governor, due_s = opened()
    held = governor.admit(due_s, retry=True, record=1)
    assert isinstance(held, Wait)
    assert held.reason is Reason.RETRY_BUDGET
    assert isinstance(governor.admit(due_s, record=11), Permit)


def test_a_retry_probes_when_nothing_else_waits() -> None:
    """A second later, however late it was asked for."""
    for late_s in (0.0, 5.0):
        governor, due_s = opened()
        held = governor.admit(due_s + late_s, retry=True, record=1)
        assert isinstance(held, Wait)
        assert held.until_s == due_s + late_s + 1.0
        assert isinstance(governor.admit(held.until_s, retry=True, record=1), Permit)


def test_failures_in_a_row_make_the_next_request_hesitate() -> None:
    """What is in flight tells whether it is an outage; a live answer ends the doubt."""
    governor = Governor(Policy(), T0)
    permits = [governor.admit(T0, record=k) for k in range(4)]
    failed = Outcome(Verdict.OVERLOADED, detail="503")
    for permit in permits[:3]:
        assert isinstance(permit, Permit)
        governor.settle(permit, T0 + 0.1, failed)
    held = governor.admit(T0 + 0.1, record=5)
    assert isinstance(held, Wait)
    assert held.reason is Reason.BREAKER
    assert held.detail == "3 failures in a row"
    assert held.until_s == T0 + 0.1 + 0.1
    assert isinstance(permits[3], Permit)
    governor.settle(permits[3], T0 + 0.12, Outcome(Verdict.LIVE))
    assert isinstance(governor.admit(T0 + 0.12, record=5), Permit)
