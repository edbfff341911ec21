"""Edge cases that concern several parts of the governor together.

The others stand beside the part they are about: 1 and 2 in test_headers, test_governor
and test_learner; 6, 7 and 8 in test_limit; 9 in test_breaker and test_rejection; 12 and
13 in test_governor; 14 in tests/property.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from ventil.core.exchange import Outcome, Reply, Response, Verdict
from ventil.core.governor import Governor, Permit, Policy, Quota, Reason, Wait
from ventil.core.outcome import judge_http

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
