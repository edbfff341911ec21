"""The adaptive limit against a small model of a provider with a queue."""

from __future__ import annotations

from heapq import heappop, heappush
from random import Random

import pytest

from ventil.core.exchange import Outcome, Verdict
from ventil.core.governor import Governor, GovernorState, Permit, Policy, Reason
from ventil.core.limit import AdaptiveLimit

LIVE = Outcome(Verdict.LIVE)
SILENCE = Outcome(Verdict.OVERLOADED, detail="timeout")


class Provider:
    """`servers` work at a time, the others wait; answers take `service` seconds."""

    def __init__(self, servers: int, seed: int = 1, *, median_s: float = 0.1) -> None:
        self.servers = servers
        self.median_s = median_s
        self.extra_s = 0.0  # on the way, not at the provider
        self.random = Random(seed)
        self.busy_until: list[float] = []

    def answer_at(self, now_s: float) -> float:
        """When a request that arrives now will be answered."""
        while self.busy_until and self.busy_until[0] <= now_s:
            heappop(self.busy_until)
        starts_s = now_s
        if len(self.busy_until) >= self.servers:
            starts_s = sorted(self.busy_until)[-self.servers]
        ends_s = starts_s + self.median_s * self.random.lognormvariate(0.0, 0.4)
        heappush(self.busy_until, ends_s)
        return ends_s + self.extra_s


def drive(
    governor: Governor, provider: Provider, from_s: float, to_s: float
) -> tuple[float, int, int]:
    """(answers per second, mean limit, probes) with endless work."""
    flights: list[tuple[float, int, Permit]] = []
    now_s, number, answered, limits = from_s, 0, 0, 0
    while now_s < to_s:
        answer = governor.admit(now_s, pending=10**6)
        if isinstance(answer, Permit):
            number += 1
            heappush(flights, (provider.answer_at(now_s), number, answer))
            continue
        if flights and (answer.until_s is None or flights[0][0] <= answer.until_s):
            now_s, _, permit = heappop(flights)
            governor.settle(permit, now_s, LIVE)
            answered += 1
            if answered % 50 == 0:
                limits += governor.condition(now_s).limit
        else:
            assert answer.until_s is not None
            now_s = answer.until_s
    for _, _, permit in flights:
        governor.settle(permit, now_s, Outcome(Verdict.IGNORED))
    return answered / (to_s - from_s), limits // max(1, answered // 50), number


@pytest.mark.parametrize("servers", [1, 3, 12, 60])
def test_it_finds_the_capacity_and_queues_little(servers: int) -> None:
    """Edge case 6, from capacity 1 up: nearly all of it in use, few waiting."""
    governor, provider = Governor(Policy(), 0.0, seed=2), Provider(servers)
    drive(governor, provider, 0.0, 60.0)
    rate, limit, _ = drive(governor, provider, 60.0, 120.0)
    most = servers / (provider.median_s * 1.083)
    assert rate >= 0.9 * most
    assert limit <= 1.6 * servers + 3


def test_a_capacity_that_drops_and_returns_is_followed() -> None:
    """Edge case 6: 40 to 5 and back."""
    governor, provider = Governor(Policy(), 0.0, seed=2), Provider(40)
    drive(governor, provider, 0.0, 60.0)
    provider.servers = 5
    drive(governor, provider, 60.0, 90.0)
    _, limit, _ = drive(governor, provider, 90.0, 150.0)
    assert limit <= 12
    provider.servers = 40
    drive(governor, provider, 150.0, 170.0)
    rate, _, _ = drive(governor, provider, 170.0, 200.0)
    assert rate >= 0.85 * 40 / 0.1083


@pytest.mark.parametrize("factor", [10.0, 0.1])
def test_a_jump_in_answer_time_is_not_taken_for_a_queue(factor: float) -> None:
    """Edge case 7: ten times slower or faster; the capacity stays in use."""
    governor, provider = Governor(Policy(), 0.0, seed=2), Provider(20, median_s=0.2)
    drive(governor, provider, 0.0, 60.0)
    provider.median_s *= factor
    drive(governor, provider, 60.0, 180.0)
    rate, _, _ = drive(governor, provider, 180.0, 240.0)
    assert rate >= 0.75 * 20 / (provider.median_s * 1.083)


def test_all_identical_answer_times() -> None:
    """Edge case 7: no scatter at all does not break the estimate."""
    governor, provider = Governor(Policy(), 0.0), Provider(8)
    provider.random.lognormvariate = lambda mu, sigma: 1.0  # type: ignore[method-assign]
    rate, limit, _ = drive(governor, provider, 0.0, 60.0)
    assert rate >= 0.85 * 80
    assert limit <= 16


def test_a_warm_start_begins_at_half_of_what_was_good() -> None:
    """And doubles up to it; an idle hour makes the floor a hint only (edge case 10)."""
    governor, provider = Governor(Policy(), 0.0, seed=2), Provider(40)
    drive(governor, provider, 0.0, 60.0)
    state = GovernorState.from_json(governor.state(60.0, final=True).to_json())
    warm = Governor(Policy(), 60.0, state=state)
    assert 15 <= warm.condition(60.0).limit <= 30
    late = Governor(Policy(), 10_000.0, state=state)
    rate, _, _ = drive(late, Provider(40), 10_000.0, 10_020.0)
    assert rate >= 0.8 * 40 / 0.1083


def test_the_floor_and_the_ceiling_are_kept() -> None:
    """Whatever happens the limit stays between them."""
    limit = AdaptiveLimit(floor=3, most=10)
    limit.lower(0.0, 0.5, 0.5)
    assert limit.whole == 3
    fresh = AdaptiveLimit(floor=3, most=10)
    fresh.restart(100.0, 100.0)
    assert fresh.whole == 10


def test_a_stall_is_noticed_and_a_late_answer_ends_it() -> None:
    """Edge case 8: hang, then mass late answers: it was slowness, the limit is back."""
    governor, provider = Governor(Policy(), 0.0, seed=2), Provider(20)
    drive(governor, provider, 0.0, 30.0)
    before = governor.condition(30.0).limit
    stuck = []
    while isinstance(answer := governor.admit(30.0, pending=99), Permit):
        stuck.append(answer)
    assert answer.until_s is not None
    assert answer.until_s <= 36.0
    held = governor.admit(answer.until_s, pending=99)
    assert not isinstance(held, Permit)
    assert held.reason is Reason.BREAKER
    governor.settle(stuck[0], answer.until_s + 2.0, LIVE)
    condition = governor.condition(answer.until_s + 2.0)
    assert condition.breaker == "closed"
    assert condition.limit >= 0.8 * before


def test_requests_that_a_hang_swallowed_hold_no_slots_afterwards() -> None:
    """Edge case 8: a probe is answered before those that were sent before it: they are lost.

    Their timeouts, a minute later, say nothing about the provider as it is now.
    """
    governor, provider = Governor(Policy(), 0.0, seed=2), Provider(20)
    drive(governor, provider, 0.0, 30.0)
    stuck = []
    while isinstance(answer := governor.admit(30.0, pending=99), Permit):
        stuck.append(answer)
    now_s = 30.0
    while len(stuck) < 40 and governor.condition(now_s).breaker != "half-open":
        assert answer.until_s is not None
        now_s = answer.until_s
        answer = governor.admit(now_s, pending=99)
        if isinstance(answer, Permit):
            governor.settle(answer, now_s + 0.1, LIVE)
            break
    assert governor.condition(now_s + 0.1).breaker == "closed"
    again = 0
    while isinstance(governor.admit(now_s + 0.1, pending=99), Permit):
        again += 1
    assert again == governor.condition(now_s + 0.1).limit >= 4
    assert governor.in_flight == again + len(stuck)
    words = governor.condition(now_s + 0.1).words
    assert words.startswith(f"{again} in flight of at most {again}, and {len(stuck)} that were")
    ceiling = governor.condition(now_s + 0.1).ceiling
    for permit in stuck:
        governor.settle(permit, 120.0, SILENCE)
    assert governor.condition(120.0).breaker == "closed"
    assert governor.condition(120.0).ceiling == ceiling
    assert governor.in_flight == again


def test_an_outage_at_the_first_request() -> None:
    """Edge case 8: nothing was ever answered; probes, no hammering, then a start."""
    governor = Governor(Policy(), 0.0, seed=2)
    now_s, sent = 0.0, 0
    while now_s < 300.0:
        answer = governor.admit(now_s, pending=99, record=sent)
        if isinstance(answer, Permit):
            sent += 1
            governor.settle(answer, now_s, SILENCE)
        else:
            assert answer.until_s is not None
            now_s = answer.until_s
    assert sent <= 25
    rate, _, _ = drive(governor, Provider(10), 300.0, 400.0)
    assert rate >= 0.5 * 10 / 0.1083


def test_flapping_does_not_wear_it_out() -> None:
    """Edge case 8: ten seconds up, ten seconds down; it works while it can."""
    governor, provider = Governor(Policy(), 0.0, seed=2), Provider(10)
    answered = 0.0
    for k in range(6):
        rate, _, _ = drive(governor, provider, 20.0 * k, 20.0 * k + 10.0)
        answered += rate * 10.0
        now_s = 20.0 * k + 10.0
        while now_s < 20.0 * k + 20.0:
            answer = governor.admit(now_s, pending=99)
            if isinstance(answer, Permit):
                governor.settle(answer, now_s, SILENCE)
            else:
                now_s = answer.until_s or now_s + 0.1
    assert answered >= 0.3 * 60.0 * 10 / 0.1083


def test_a_throttle_during_a_dip_or_an_outage_during_a_gate() -> None:
    """Edge case 8: whatever comes together, it comes back."""
    governor, provider = Governor(Policy(), 0.0, seed=2), Provider(20)
    drive(governor, provider, 0.0, 60.0)
    one = governor.admit(60.0, pending=99)
    assert isinstance(one, Permit)
    governor.settle(one, 60.0, Outcome(Verdict.THROTTLED, 5.0, detail="429"))
    now_s = 65.1
    for _ in range(400):
        answer = governor.admit(now_s, pending=99)
        if isinstance(answer, Permit):
            governor.settle(answer, now_s, SILENCE)
        else:
            now_s = answer.until_s or now_s + 0.1
        if now_s > 120.0:
            break
    rate, _, _ = drive(governor, provider, 120.0, 240.0)
    assert rate >= 0.5 * 20 / 0.1083
