"""A provider that says "later" is heard, whoever granted the request, and whoever paces now."""

from __future__ import annotations

import pytest

from ventil.adapters.pacing_words import news_from, news_words
from ventil.core.exchange import Outcome, Verdict
from ventil.core.governor import Governor, Policy
from ventil.core.lease import KEPT_S, Leases
from ventil.core.pacer import Grant, Pacer
from ventil.core.permit import Permit
from ventil.core.policy import Reason

LATER = Outcome(Verdict.THROTTLED, 30.0, detail="429")
UNNAMED = Outcome(Verdict.THROTTLED, detail="429")
KIND = (1, False)


def pacer_of(*, now_s: float = 0.0, first: int = 1) -> Pacer:
    """A pacer without quotas."""
    policy = Policy(max_in_flight=10, adaptive=False, timeout_s=5.0)
    return Pacer(Governor(policy, now_s), now_s, first=first)


def held_until_s(pacer: Pacer, now_s: float) -> float | None:
    """When the pacer grants again, as it says."""
    pacer.wanted("w", "a", KIND, 1)
    assert pacer.grants(now_s) == []
    assert pacer.wait is not None
    assert pacer.wait.reason is Reason.COOLDOWN
    return pacer.wait.until_s


def test_a_former_pacers_grant_is_told_to_come_later() -> None:
    """The new one holds, until the time that the answer named."""
    pacer = pacer_of(now_s=100.0, first=1000)
    pacer.under_way([7], until_s=110.0)
    before = pacer.changes
    pacer.done(7, 101.0, LATER, "x")
    assert held_until_s(pacer, 102.0) == pytest.approx(131.0, abs=0.1)
    assert pacer.changes > before  # stored at once
    assert len(pacer.grants(131.2)) == 1


def test_an_answer_from_before_the_term_counts_from_its_own_time() -> None:
    """A word that comes late makes no wait longer, and one that is over makes none."""
    pacer = pacer_of(now_s=100.0, first=1000)
    pacer.done(7, 90.0, LATER, "x")
    assert held_until_s(pacer, 100.0) == pytest.approx(120.0, abs=0.1)
    other = pacer_of(now_s=200.0, first=1000)
    other.done(7, 90.0, LATER, "x")
    other.wanted("w", "a", KIND, 1)
    assert len(other.grants(200.0)) == 1


def test_a_burst_is_one_and_told_twice_is_told_once() -> None:
    """Many answers without a time to requests of the former pacer close the gate once."""
    once, often = (pacer_of(now_s=100.0, first=1000) for _ in range(2))
    once.done(1, 100.1, UNNAMED, "x")
    for number in (1, 2, 3, 1, 2, 3):
        often.done(number, 100.1, UNNAMED, "x")
    assert held_until_s(once, 100.2) == held_until_s(often, 100.2)


def test_other_answers_of_strangers_say_nothing() -> None:
    """A governor learns from its own requests."""
    pacer = pacer_of(now_s=100.0, first=1000)
    before = pacer.changes
    for number in range(20):
        pacer.done(number, 101.0, Outcome(Verdict.OVERLOADED, detail="503"), number)
    assert pacer.changes == before
    assert pacer.breaker(101.0) == "closed"


def test_who_was_taken_for_dead_is_heard() -> None:
    """Its slot came back long ago; what the provider said to it holds all the same."""
    pacer = pacer_of()
    pacer.wanted("w", "a", KIND, 1)
    [grant] = pacer.grants(0.0)
    pacer.gone("w", over_s=2.0)
    assert pacer.grants(3.0) == []
    assert pacer.out == 0
    pacer.done(grant.number, 4.0, LATER, "x")
    assert held_until_s(pacer, 4.1) == pytest.approx(34.0, abs=0.1)


def throttled(leases: Leases, number: int, at_s: float) -> None:
    """A request on this grant is answered with a 429."""
    leases.granted(Grant(number, "w", "a", 1, False, use_by_s=at_s + 1.0))
    permit = leases.governor("a").admit(at_s)
    assert isinstance(permit, Permit)
    leases.governor("a").settle(permit, at_s + 0.1, LATER)


def test_what_was_told_to_a_pacer_that_died_is_told_again() -> None:
    """It may have died before it stored it; once to each pacer that begins soon after."""
    leases = Leases()
    throttled(leases, 7, 100.0)
    assert len(leases.take_news()[3]) == 1  # to one that is dead already
    for _ in range(2):
        leases.new_pacer()
    leases.sweep(102.0)
    pacer = pacer_of(now_s=102.0, first=1000)
    for word in news_words(leases):
        news_from(word, pacer, "w", 102.0)
    assert held_until_s(pacer, 102.0) == pytest.approx(130.1, abs=0.1)
    assert leases.take_news()[3] == []
    leases.sweep(100.1 + KEPT_S)
    leases.new_pacer()
    assert leases.take_news()[3] == []
