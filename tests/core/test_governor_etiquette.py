"""The governor holds back when an objective is not met, and lets go when it is."""

from __future__ import annotations

from ventil.core.exchange import Outcome, Verdict
from ventil.core.governor import Governor, GovernorState, Permit, Policy, Reason, Wait

LIVE = Outcome(Verdict.LIVE)


def busiest(
    governor: Governor, now_s: float, answers: int, latency_s: float
) -> tuple[int, float]:
    """Send as many as may go, answer them all together, again and again.

    The most that were in flight in the last burst, and the time after it.
    """
    most = 0
    while answers > 0:
        permits: list[Permit] = []
        while isinstance(answer := governor.admit(now_s, pending=1000), Permit):
            permits.append(answer)
        if not permits:
            assert answer.until_s is not None
            now_s = max(answer.until_s, now_s)
            continue
        now_s += latency_s
        for permit in permits:
            governor.settle(permit, now_s, LIVE)
        answers -= len(permits)
        most = len(permits)
    return most, now_s


def test_slow_answers_bring_it_down_and_quick_ones_up_again() -> None:
    """With the reason in words."""
    governor = Governor(Policy(latency_objective_s=1.0, max_in_flight=20, adaptive=False), 0.0)
    most, now_s = busiest(governor, 0.0, 200, 0.2)
    assert most > 10
    most, now_s = busiest(governor, now_s, 200, 3.0)
    assert most == 1
    wait = governor.admit(now_s)
    assert isinstance(wait, Wait)
    assert wait.reason is Reason.LATENCY
    assert "the objective is 1 s" in wait.detail
    most, now_s = busiest(governor, now_s, 2000, 0.2)
    assert most > 10


def test_without_objectives_slowness_alone_is_no_reason() -> None:
    """Longer records look the same; only a user can say what is kind."""
    governor = Governor(Policy(max_in_flight=20, adaptive=False), 0.0)
    _, now_s = busiest(governor, 0.0, 200, 0.2)
    most, _ = busiest(governor, now_s, 400, 3.0)
    assert most == 20


def test_a_restart_goes_on_holding_back() -> None:
    """Ceiling, rest and reason come back through storage; quick answers end it as ever."""
    policy = Policy(latency_objective_s=1.0, max_in_flight=20, adaptive=False)
    governor = Governor(policy, 0.0)
    _, now_s = busiest(governor, 0.0, 200, 0.2)
    most, now_s = busiest(governor, now_s, 200, 3.0)
    assert most == 1
    stored = governor.state(now_s, final=True).to_json()
    again = Governor(policy, now_s, state=GovernorState.from_json(stored))
    wait = again.admit(now_s)
    assert isinstance(wait, Wait)
    assert wait.reason is Reason.LATENCY
    assert "the objective is 1 s" in wait.detail
    most, now_s = busiest(again, now_s, 10, 0.2)
    assert most == 1
    most, now_s = busiest(again, now_s, 2000, 0.2)
    assert most > 10
    plain = Governor(Policy(max_in_flight=20), now_s, state=GovernorState.from_json(stored))
    assert isinstance(plain.admit(now_s), Permit)
