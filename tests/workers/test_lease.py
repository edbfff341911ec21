"""A worker wants what stands in its line, and sends on what it was granted."""

from __future__ import annotations

from ventil.core.lease import Leases
from ventil.core.pacer import Grant
from ventil.core.permit import Permit, Wait
from ventil.core.policy import Reason

FRESH, AGAIN = (1, False), (1, True)


def grant(number: int, *, retry: bool = False) -> Grant:
    """A grant for run "a" that ends at 1 s."""
    return Grant(number, "w", "a", 1, retry, use_by_s=1.0)


def test_what_stands_in_the_line_is_wanted() -> None:
    """Counted when it is told, whatever was asked for; less what is in stock."""
    leases, line = Leases(), {FRESH: 5, AGAIN: 2}
    leases.governor("a").count_by(lambda: line)
    assert leases.take_news()[0] == [("a", FRESH, 5), ("a", AGAIN, 2)]
    leases.granted(grant(1))
    leases.granted(grant(2, retry=True))
    assert leases.take_news()[0] == []  # the pacer knows
    line[AGAIN] = 0
    wants = leases.take_news()[0]
    assert ("a", AGAIN, 0) in wants
    assert ("a", FRESH, 3) in wants  # one of them may go on the grant for a retry
    line.clear()
    assert leases.take_news()[0] == [("a", FRESH, 0)]


def test_retries_keep_to_their_share() -> None:
    """A first try may go on a grant for a retry, a retry not on one for a first try."""
    leases = Leases()
    governor = leases.governor("a")
    governor.count_by(lambda: {FRESH: 1, AGAIN: 1})
    leases.granted(grant(1))
    refused = governor.admit(0.1, retry=True)
    assert isinstance(refused, Wait)
    assert refused.reason is Reason.RETRY_BUDGET  # so the gate lets a first try go before
    assert isinstance(governor.admit(0.1), Permit)
    leases.granted(grant(2, retry=True))
    assert isinstance(governor.admit(0.1), Permit)


def test_a_retry_alone_waits_for_what_the_pacer_says() -> None:
    """No first try stands behind it that might go before."""
    leases = Leases()
    governor = leases.governor("a")
    governor.count_by(lambda: {AGAIN: 1})
    leases.wait = Wait(9.0, Reason.COOLDOWN, "cooldown")
    refused = governor.admit(0.0, retry=True)
    assert refused == Wait(9.0, Reason.COOLDOWN, "cooldown")


def test_who_asks_first_is_heard_of() -> None:
    """An empty line asks before anybody stands in it: the pacer is told once it does."""
    told: list[None] = []
    leases = Leases(lambda: told.append(None))
    line: dict[tuple[int, bool], int] = {}
    governor = leases.governor("a")
    governor.count_by(lambda: line)
    assert isinstance(governor.admit(0.0), Wait)
    assert told
    line[FRESH] = 1
    assert leases.take_news()[0] == [("a", FRESH, 1)]


def test_what_may_not_be_held_is_not_wanted() -> None:
    """A worker whose answers wait to be stored gets no grants that it could not use."""
    leases = Leases()
    governor = leases.governor("a", most=2)
    governor.count_by(lambda: {FRESH: 5})
    assert leases.take_news()[0] == [("a", FRESH, 2)]
    leases.granted(grant(1))
    assert isinstance(governor.admit(0.1), Permit)
    assert leases.take_news()[0] == []  # one more, as the pacer knows


def test_a_finished_run_has_no_line() -> None:
    """Nothing is wanted for it any more."""
    leases = Leases()
    leases.governor("a").count_by(lambda: {FRESH: 5})
    leases.take_news()
    leases.finished("a")
    assert leases.take_news()[0] == [("a", FRESH, 0)]
    assert not leases.active


def test_a_grant_that_is_heard_of_twice_counts_once() -> None:
    """Or there would be two requests on one slot."""
    leases = Leases()
    governor = leases.governor("a")
    for _ in range(2):
        leases.granted(grant(1))
    assert isinstance(governor.admit(0.1), Permit)
    assert isinstance(governor.admit(0.1), Wait)
