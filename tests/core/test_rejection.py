"""Rejections: our doing or chance; a cap or a quota."""

from __future__ import annotations

from random import Random

import pytest

from ventil.core.cap import CapOrQuota
from ventil.core.rejection import Cause, Rejections


@pytest.mark.parametrize("share", [0.01, 0.05, 0.3])
def test_errors_that_do_not_depend_on_load_are_chance(share: float) -> None:
    """Edge case 9: at 1 %, 5 % and 30 % the limit is (nearly) never blamed for good."""
    rejections, random = Rejections(), Random(2)
    blamed = 0
    for n in range(20_000):
        in_flight = min(4 + n // 20, 40 if n % 7 else 28)
        rejections.sent(in_flight)
        if random.random() < share:
            cause = rejections.rejected(in_flight, float(n))
            blamed += cause is Cause.OURS
    assert blamed <= 20


def test_rejections_above_a_number_in_flight_are_ours() -> None:
    """A full queue rejects what goes beyond it, and nothing below: two are enough."""
    rejections = Rejections()
    for _ in range(30):
        for in_flight in (2, 4, 6, 8):
            rejections.sent(in_flight)
    rejections.sent(12)
    rejections.sent(12)
    assert rejections.rejected(12, 0.0) is Cause.CHANCE
    assert rejections.rejected(12, 0.0) is Cause.OURS


def test_too_little_evidence_is_unclear() -> None:
    """A few rejections where nothing below was seen yet ask for a trial."""
    rejections = Rejections()
    for _ in range(12):
        rejections.sent(4)
    for _ in range(40):
        rejections.sent(8)
    causes = [rejections.rejected(8, 0.0) for _ in range(3)]
    assert causes[-1] is Cause.UNCLEAR


def test_rejections_that_come_back_before_the_answers_prove_nothing() -> None:
    """A round twice as large as any before: its rejections are there at once, and alone."""
    rejections = Rejections()
    for in_flight in range(1, 65):
        rejections.sent(in_flight)
    for in_flight in range(65, 129):
        rejections.sent(in_flight)
    causes = [rejections.rejected(in_flight, 0.0) for in_flight in (70, 95, 120)]
    assert Cause.OURS not in causes


@pytest.mark.parametrize("share", [0.0, 0.03])
def test_rejections_that_go_on_below_were_not_ours(share: float) -> None:
    """The blame is taken back when nothing changes, and stands when they have ended."""
    rejections, random = Rejections(), Random(4)
    for in_flight in range(1, 100):
        rejections.sent(in_flight)
    for in_flight in range(100, 130):
        rejections.sent(in_flight)
        if in_flight % 10 == 0:
            rejections.rejected(in_flight, 0.0)
    rejections.changed(1.0, 120)
    assert not rejections.acquitted()
    for _ in range(2000):
        rejections.sent(114)
        if random.random() < share:
            rejections.rejected(114, 2.0)
    assert rejections.acquitted() is (share > 0)


def test_rare_rejections_are_not_worth_a_trial() -> None:
    """Three in three hundred cost less than going slower to find out why."""
    rejections = Rejections()
    for _ in range(300):
        rejections.sent(50)
    assert [rejections.rejected(50, 0.0) for _ in range(3)] == [Cause.CHANCE] * 3


def test_what_was_sent_before_the_change_is_answered_for() -> None:
    """One reaction to one burst."""
    rejections = Rejections()
    rejections.changed(10.0, 50)
    assert rejections.rejected(50, 9.0) is Cause.CHANCE


def quota(cap: CapOrQuota, now_s: float, in_flight: int, **how: float | None) -> bool:
    """Whether a throttle now is about the rate."""
    return cap.is_quota(
        now_s,
        in_flight,
        now_s - 0.01,
        throughput=how.get("throughput") or 10.0,
        rate=how.get("rate"),
    )


def test_a_throttle_is_taken_for_a_cap_first() -> None:
    """Nothing above it was let through: a cap, until shown otherwise."""
    cap = CapOrQuota()
    for n in range(20):
        cap.answered(1 + n % 10, 0.1 * n)
    assert not quota(cap, 2.0, 11)


def test_what_was_let_through_above_it_shows_a_quota() -> None:
    """Three requests with more in flight passed within ten seconds (edge case 5)."""
    cap = CapOrQuota()
    for n in range(3):
        cap.answered(20, 1.0 + n)
    assert quota(cap, 5.0, 11)
    assert not quota(CapOrQuota(), 5.0, 11)
    later = CapOrQuota()
    for n in range(3):
        later.answered(20, 1.0 + n)
    assert not quota(later, 20.0, 11)


def test_at_a_cap_of_two_the_third_in_flight_is_let_through_now_and_then() -> None:
    """It is under way while another's answer is: that shows no quota; a fourth would."""
    cap = CapOrQuota()
    for n in range(3):
        cap.answered(3, 1.0 + n)
    assert not quota(cap, 5.0, 3)
    for n in range(3):
        cap.answered(4, 1.0 + n)
    assert quota(cap, 5.0, 3)


def test_throttles_that_go_on_when_drained_show_a_quota() -> None:
    """At clearly fewer in flight, or alone, it cannot be a cap."""
    cap = CapOrQuota()
    assert not quota(cap, 1.0, 20)
    assert cap.assume(1.0, 0.9, (20.0, 1000.0, True))
    assert not cap.assume(1.1, 0.95, (19.0, 19.0, False))  # of the same burst
    assert quota(cap, 2.0, 13)
    assert quota(CapOrQuota(), 1.0, 1)
    assert cap.mistaken(2.0) == (20.0, 1000.0, True)
    assert cap.mistaken(2.0) is None


def test_a_learned_rate_in_full_use_shows_a_quota() -> None:
    """What is paced by a quota and throttled is throttled by it."""
    assert quota(CapOrQuota(), 1.0, 20, rate=10.0, throughput=9.0)
    assert not quota(CapOrQuota(), 1.0, 20, rate=10.0, throughput=2.0)
