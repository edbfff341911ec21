"""Edge cases that concern several parts of the governor together.

The others stand beside the part they are about, as "edge case N": 1 in test_headers,
test_outcome and test_governor; 2 in test_headers and test_governor; 9 in test_breaker; 13 in
test_governor. What is said here of 6, 7, 8, 12 and 14 in one or two examples, test_limit,
test_governor and tests/property say at length; workers that share a pace (11) are tested
beside it.
"""

from __future__ import annotations

from dataclasses import replace
from random import Random

import pytest

from ventil.core.exchange import Outcome, Reply, Response, Verdict
from ventil.core.governor import Governor, Permit, Policy, Quota, Reason, Wait
from ventil.core.outcome import judge_http
from ventil.sim.lab.clients import run
from ventil.sim.lab.provider import CapacityDrop, Outage, Provider, Service
from ventil.sim.lab.race import Result, Scenario

LIVE = Outcome(Verdict.LIVE)
SILENT = Outcome(Verdict.THROTTLED, detail="429 without Retry-After")


def judge_with_body(reply: Reply, now_s: float) -> Outcome:
    """A provider's own judge: a throttle that comes as 200 or 400 with an error body."""
    outcome = judge_http(reply, now_s)
    if isinstance(reply, Response) and b"error code: 1015" in reply.body:
        return replace(outcome, verdict=Verdict.THROTTLED, detail="throttled in words")
    return outcome


@pytest.mark.parametrize("status", [200, 400, 403, 429])
def test_case_3_a_throttle_in_any_spelling(status: int) -> None:
    """429 without a header, 403 and 400 as throttles, 200 with an error in its body."""
    governor = Governor(Policy(max_in_flight=1, cooldown_s=60.0), 0.0)
    permit = governor.admit(0.0)
    assert isinstance(permit, Permit)
    reply = Response(status, {"content-type": "text/html"}, b"error code: 1015")
    governor.settle(permit, 1.0, judge_with_body(reply, 1.0))
    held = governor.admit(1.0)
    assert isinstance(held, Wait)
    assert (held.reason, held.until_s) == (Reason.COOLDOWN, 61.0)


@pytest.mark.parametrize("ban_s", [20.0, 900.0])
def test_case_4_every_knock_extends_the_ban(ban_s: float) -> None:
    """A penalty that starts anew with every request: the waits grow until it is over."""
    governor = Governor(Policy(), 0.0, seed=1)
    now_s, banned_until_s, knocks = 0.0, ban_s, 0
    first = governor.admit(now_s)
    assert isinstance(first, Permit)
    governor.settle(first, now_s, SILENT)
    while now_s < 60 * ban_s:
        answer = governor.admit(now_s, pending=9)
        if isinstance(answer, Wait):
            assert answer.until_s is not None
            now_s = answer.until_s
        elif now_s < banned_until_s:
            knocks += 1
            banned_until_s = now_s + ban_s
            governor.settle(answer, now_s, SILENT)
        else:
            governor.settle(answer, now_s, LIVE)
            break
    assert now_s < 20 * ban_s
    assert knocks <= 90


def test_case_5_a_second_and_a_day() -> None:
    """Two quotas: both are kept, and the day's is named when it is the one that binds."""
    governor = Governor(
        Policy(quotas=(Quota.parse("5/s"), Quota.parse("20/d")), max_in_flight=9), 0.0
    )
    now_s, sent = 0.0, 0
    while True:
        answer = governor.admit(now_s, pending=99)
        if isinstance(answer, Permit):
            sent += 1
            governor.settle(answer, now_s, LIVE)
            continue
        assert answer.until_s is not None
        if answer.until_s > 3600:
            break
        now_s = answer.until_s
    assert sent == 20
    assert answer.detail.startswith("quota 20/d until")
    assert answer.until_s == pytest.approx(86_400, rel=0.02)


def test_case_5_weights_count() -> None:
    """A request that costs three takes three of every window."""
    governor = Governor(Policy(quotas=(Quota.parse("10/min"),), max_in_flight=9), 0.0)
    for _ in range(3):
        assert isinstance(governor.admit(0.0, weight=3), Permit)
    assert isinstance(governor.admit(0.0, weight=3), Wait)
    assert isinstance(governor.admit(0.0, weight=1), Permit)


def test_case_10_an_idle_hour_saves_up_no_burst() -> None:
    """A learned rate is kept after a pause: what was not sent is not owed."""
    governor = Governor(Policy(), 0.0, seed=1)
    governor.parts.learner.rate = 10.0
    sent: list[float] = []
    now_s = 3600.0
    while len(sent) < 50:
        answer = governor.admit(now_s, pending=99)
        if isinstance(answer, Permit):
            sent.append(now_s)
            governor.settle(answer, now_s, LIVE)
        else:
            assert answer.until_s is not None
            now_s = answer.until_s
    assert (
        sum(1 for at_s in sent if at_s < 3601.0) <= 10 + 5
    )  # a second, and what catching up allows


def test_case_10_retries_never_fill_the_slots() -> None:
    """After an outage the retries are the slow ones: a quarter of the slots is theirs."""
    governor = Governor(Policy(max_in_flight=40, adaptive=False), 0.0)
    retries = 0
    while isinstance(governor.admit(0.0, retry=True), Permit):
        retries += 1
    assert retries == 10
    fresh = 0
    while isinstance(governor.admit(0.0), Permit):
        fresh += 1
    assert fresh == 30


def fetched(provider: Provider, n: int) -> Result:
    """A job of `n` records in the lab; it raises `Deadlock` should nothing be waited for."""
    return run(Scenario("case", "edge case", provider, n), "ventil", seed=3, give_up=10.0)


QUICK = Service(median_s=0.2, sigma=0.3)


@pytest.mark.parametrize(
    "provider",
    [
        Provider(1, QUICK, hard_cap=1),
        Provider(1, QUICK, queue_limit=0),
        Provider(8, QUICK, queue_limit=16, events=(CapacityDrop(5, 20, 20, 0),)),
        Provider(32, QUICK, queue_limit=64, events=(CapacityDrop(0.5, 60, 60, 2),)),
    ],
    ids=["cap of 1", "one server, no queue", "capacity 0 and back", "drop while doubling"],
)
def test_case_6_hardly_any_capacity(provider: Provider) -> None:
    """Everything is fetched, in a time that is not far from the best."""
    result = fetched(provider, 300)
    assert result.finished
    assert result.ratio < 2.5


@pytest.mark.parametrize(
    ("median_s", "n"), [(70.0, 40), (0.2, 600)], ids=["all take 70 s", "all alike"]
)
def test_case_7_answers_without_any_spread(median_s: float, n: int) -> None:
    """Slow is no outage, and a spread of nothing is no reason to divide by it."""
    result = fetched(Provider(8, Service(median_s=median_s, sigma=0.0)), n)
    assert result.finished
    assert result.ratio < 2.0


@pytest.mark.parametrize("hangs", [False, True])
def test_case_8_ten_seconds_up_and_ten_down(hangs: bool) -> None:
    """An outage at the first request, and five more: each is survived."""
    flapping = tuple(Outage(20.0 * k, 20.0 * k + 10.0, hangs=hangs) for k in range(6))
    provider = Provider(8, QUICK, queue_limit=16, timeout_s=5.0, events=flapping)
    result = fetched(provider, 1000)
    assert result.finished
    assert result.outage_sent is not None
    assert result.outage_sent < 150


def test_case_11_a_killed_worker_breaks_no_window_for_the_next() -> None:
    """It leaves requests in flight and a state without a goodbye: what it may have sent
    after its last word is charged, so both together keep the quota."""
    quota = Quota(10, 60.0)
    policy = Policy(quotas=(quota,), max_in_flight=4, adaptive=False)
    first = Governor(policy, 0.0)
    sent = [permit.sent_s for _ in range(4) if isinstance(permit := first.admit(1.0), Permit)]
    state = first.state(1.0)
    # It lived on for what the state allows for, unheard of.
    sent += [1.4 for _ in range(2)]
    second = Governor(policy, 2.0, state=state)
    now_s = 2.0
    while len(sent) < 25:
        answer = second.admit(now_s)
        if isinstance(answer, Permit):
            sent.append(now_s)
            second.settle(answer, now_s, LIVE)
        else:
            assert answer.until_s is not None
            now_s = answer.until_s
    for at_s in sent:
        assert sum(at_s - 60.0 < other_s <= at_s for other_s in sent) <= quota.limit


def test_case_12_a_slot_comes_back_once() -> None:
    """Cancelled, answered late, answered twice: one slot, one count."""
    governor = Governor(Policy(max_in_flight=2, adaptive=False, timeout_s=5.0), 0.0)
    one, two = governor.admit(0.0), governor.admit(0.0)
    assert isinstance(one, Permit)
    assert isinstance(two, Permit)
    governor.settle(one, 1.0, Outcome(Verdict.IGNORED))
    governor.settle(one, 2.0, LIVE)
    governor.settle(one, 3.0, SILENT)
    assert governor.in_flight == 1
    assert isinstance(governor.admit(60.0), Permit)  # two is overdue: its slot is free
    assert isinstance(governor.admit(60.0), Permit)
    governor.settle(two, 61.0, LIVE)
    assert governor.in_flight == 2


def test_case_14_there_is_always_something_to_wait_for() -> None:
    """Whatever the answers: never above the limit, and no wait for nothing."""
    random = Random(14)
    outcomes = [LIVE] * 6 + [SILENT, Outcome(Verdict.OVERLOADED), Outcome(Verdict.REFUSED)]
    governor, now_s, out = Governor(Policy(max_in_flight=8), 0.0), 0.0, list[Permit]()
    for _ in range(3000):
        answer = governor.admit(now_s, pending=100)
        if isinstance(answer, Permit):
            out.append(answer)
            assert governor.in_flight <= 8
        elif out and (answer.until_s is None or random.random() < 0.7):
            now_s += random.random()
            governor.settle(out.pop(random.randrange(len(out))), now_s, random.choice(outcomes))
        else:
            assert answer.until_s is not None
            now_s = max(now_s, answer.until_s)
