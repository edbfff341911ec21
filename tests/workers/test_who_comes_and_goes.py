"""Slots of workers that come back, and of those that never will, when pacers change."""

from __future__ import annotations

import json
from typing import Any

import pytest
from test_pacing import KEY, kill, permit_of, quick, settle, tell, until, url, worker_of

from ventil.adapters.database_clock import DatabaseClock
from ventil.adapters.messages import Messages
from ventil.adapters.pacing_words import under_way_words
from ventil.adapters.terms import Term, Terms
from ventil.adapters.worker_store import WorkerStore
from ventil.core.governor import Governor, Policy
from ventil.core.lease import Leases
from ventil.core.pacer import Grant, Pacer
from ventil.core.permit import Permit
from ventil.core.snapshot import GovernorState

__all__ = ["quick", "url"]  # fixtures
KIND = (1, False)


def pacer_of(*, most: int = 10, now_s: float = 0.0, first: int = 1) -> Pacer:
    """A pacer without quotas."""
    policy = Policy(max_in_flight=most, adaptive=False, timeout_s=5.0)
    return Pacer(Governor(policy, now_s), now_s, first=first)


def test_who_comes_back_keeps_its_slots() -> None:
    """It says that its requests go on: nothing is free at the time set for the gone."""
    pacer = pacer_of(most=1)
    pacer.wanted("w", "a", KIND, 1)
    [grant] = pacer.grants(0.0)
    pacer.used(grant.number, 0.1)
    pacer.gone("w", over_s=5.0)
    pacer.only("w", [grant.number])
    pacer.wanted("v", "a", KIND, 1)
    assert pacer.settled
    assert pacer.grants(10.0) == []
    pacer.unused(grant.number, 10.0)
    assert len(pacer.grants(10.0)) == 1


def busy(count: int) -> Leases:
    """A worker with so many requests under way."""
    leases = Leases()
    governor = leases.governor("a")
    for number in range(4_000_000_001, 4_000_000_001 + count):
        leases.granted(Grant(number, "w", "a", 1, False, use_by_s=1.0))
        assert isinstance(governor.admit(0.0), Permit)
    return leases


@pytest.mark.parametrize("count", [0, 1, 660, 2500])
def test_what_is_under_way_is_told_in_parts(count: int) -> None:
    """None is larger than a notification; the pacer that waits for it has it all."""
    leases = busy(count)
    key, clock = "k", DatabaseClock()
    terms = Terms("p", clock, {}, {key: 5.0}, lambda _: None)
    messages = Messages("p", clock, {key: Leases()}, terms, {}, {key: 5.0})
    pacer = pacer_of(most=5000, first=5_000_000_000)
    term = terms.mine[key] = Term(5, 10.0, pacer, {"w"}, 0.0)
    clock.now_s = lambda: 1.0  # type: ignore[method-assign]
    head: dict[str, Any] = {"k": key, "t": 5, "from": "w", "n": 2}
    words = [*under_way_words(leases)]
    for word in words:
        assert term.awaited
        text = json.dumps({**head, **word}, separators=(",", ":"))
        assert len(text) < 8000
        messages._heard(json.loads(text))
    assert not term.awaited
    assert pacer.out == count
    assert not term.under_way


def test_who_may_not_grant_yet_looks_at_leisure() -> None:
    """A time in the past is no reason to look every millisecond."""
    key, clock = "k", DatabaseClock()
    clock.now_s = lambda: 100.0  # type: ignore[method-assign]
    terms = Terms("p", clock, {}, {key: 5.0}, lambda _: None)
    messages = Messages("p", clock, {key: Leases()}, terms, {}, {key: 5.0})
    pacer = pacer_of(most=1)
    pacer.wanted("w", "a", KIND, 1)
    pacer.grants(0.0)
    pacer.gone("w", over_s=7.0)
    term = terms.mine[key] = Term(1, 200.0, pacer, {"v"}, 0.0)
    assert messages._patience_s() == pytest.approx(0.25)
    term.awaited.clear()
    assert messages._patience_s() == pytest.approx(0.001)


def test_a_pacer_that_leaves_with_dead_under_way_says_so(url: str, quick: None) -> None:
    """Its last state is not final: the successor takes the slots of the dead for taken."""

    async def story() -> None:
        one, two = worker_of(url, "one", []), worker_of(url, "two", [])
        await one.join()
        settle(one, await permit_of(one))  # it paces
        await two.join()
        await permit_of(two)
        await kill(two)
        term = one._terms.mine[KEY]
        await until(lambda: not term.pacer.settled)
        term.pacer.gone("two", over_s=term.until_s + 1000.0)  # however slow this machine is
        await one.leave()
        store = WorkerStore(url, "one")
        text = store.provider(KEY).state
        store.close()
        assert text is not None
        assert not GovernorState.from_json(text).final

    tell(story)


def test_a_save_of_a_term_that_is_over_ends_no_newer_one(url: str, quick: None) -> None:
    """A new term of our own may have begun while the old one was being stored."""

    async def story() -> None:
        one = worker_of(url, "one", [])
        await one.join()
        settle(one, await permit_of(one))
        old = one._terms.mine[KEY]
        await kill(one)  # no beat comes between
        newer = Term(old.number + 1, old.until_s, old.pacer, set(), 0.0)
        over = Term(old.number - 1, old.until_s, old.pacer, set(), 0.0)
        one._terms.mine[KEY] = newer
        async with await one._connect() as connection:
            assert not await one._terms.save(connection, KEY, over)
        assert one._terms.mine[KEY] is newer
        await one.leave()

    tell(story)
