"""Who is stopped or cut off holds up nobody but itself, whoever dies meanwhile."""

from __future__ import annotations

import asyncio
import contextlib
import json
from dataclasses import replace

import pytest
from test_pacing import KEY, kill, permit_of, quick, settle, tell, until, url, worker_of

from ventil.adapters import roster
from ventil.adapters.pacing import Pacing
from ventil.core.exchange import Outcome, Verdict
from ventil.core.governor import Governor, Policy
from ventil.core.pacer import LEASE_S, Pacer
from ventil.core.promise import SPARE, kept, most_held, promised
from ventil.core.snapshot import GovernorState

__all__ = ["quick", "url"]  # fixtures
KIND = (1, False)
LONG_S = 1000.0


def pacer_of(most: int) -> Pacer:
    """A pacer without quotas, for who wants more than there is."""
    policy = Policy(max_in_flight=most, adaptive=False, timeout_s=5.0)
    pacer = Pacer(Governor(policy, 0.0), 0.0)
    for worker in ("v", "w"):
        pacer.wanted(worker, "a", KIND, 1000)
    return pacer


def test_what_is_promised_is_more_than_is_held() -> None:
    """By a quarter, and by some at least, also for who holds nothing."""
    promises = promised({"v": 1, "w": 20})
    assert promises == {"v": 1 + SPARE, "w": 25}
    assert kept(promises, {"v": 3, "w": 25, "x": SPARE})
    assert not kept(promises, {"w": 26})
    assert not kept(promises, {"x": SPARE + 1})
    assert most_held(promises, "x") == SPARE


def test_the_state_says_what_each_may_hold() -> None:
    """It comes back from the database as it was; a state of an older version says nothing."""
    pacer = pacer_of(8)
    pacer.grants(0.0)
    text = pacer.state(0.0).to_json()
    state = GovernorState.from_json(text)
    assert state.promises is not None
    assert {one.worker: one.most for one in state.promises} == {"v": 6, "w": 6}
    older = json.loads(text)
    del older["promises"]
    assert GovernorState.from_json(json.dumps(older)).promises is None


def test_what_a_stopped_one_may_hold_is_taken_until_it_speaks() -> None:
    """The others get the rest at once, and all when it has said what it has under way."""
    pacer = pacer_of(8)
    pacer.reserve("u", 3, 10.0)
    assert len(pacer.grants(0.0)) == 5
    assert pacer.held["u"] == 3
    pacer.under_way([-7], 10.0, "u")
    pacer.only("u", [-7])
    assert len(pacer.grants(1.0)) == 3
    assert pacer.held["u"] == 0


def test_what_a_stopped_one_may_hold_comes_back_in_time() -> None:
    """And what two of them may hold is no less than the sum."""
    pacer = pacer_of(8)
    pacer.reserve("t", 3, 5.0)
    pacer.reserve("u", 3, 10.0)
    pacer.unheard(0.0, 2.0)
    assert pacer.grants(0.0) == []
    assert len(pacer.grants(3.0)) == 2
    assert len(pacer.grants(6.0)) == 3
    assert len(pacer.grants(11.0)) == 3


def test_a_limit_that_begins_anew_is_not_all_taken_by_the_stopped() -> None:
    """It begins at half of what was good; together they have no more than that was."""
    policy = Policy(max_in_flight=20, adaptive=True, timeout_s=5.0)
    before = Governor(policy, 0.0).state(0.0)
    assert before.limit is not None
    state = replace(before, limit=replace(before.limit, limit=20.0, good=20.0))
    pacer = Pacer(Governor(policy, 1.0, state=state), 1.0)
    assert pacer._governor.limit == 10
    pacer.reserve("u", 12, 60.0)
    pacer.wanted("v", "a", KIND, 1000)
    assert len(pacer.grants(1.0)) == 8


def test_who_tells_nothing_gets_its_part_and_no_more() -> None:
    """Slots that others give back go to those who tell."""
    pacer = pacer_of(8)
    told: dict[int, float] = {}
    for step in range(100):
        now_s = 0.01 * step
        for number in [n for n, over_s in told.items() if over_s <= now_s]:
            del told[number]
            pacer.done(number, now_s, Outcome(Verdict.LIVE), None)
        for grant in pacer.grants(now_s):
            if grant.worker == "v":  # of w nothing is heard
                pacer.used(grant.number, now_s)
                told[grant.number] = now_s + 0.05
    assert len(told) >= 2
    assert pacer.held["w"] <= 6


def test_a_grant_whose_use_was_not_heard_of_is_no_want_less() -> None:
    """A worker was cut off, tells that the request goes on, and what it wants beside that."""
    pacer = pacer_of(1)
    [grant] = pacer.grants(0.0)
    assert grant.worker == "v"
    pacer.only("v", [grant.number])
    pacer.wanted("v", "a", KIND, 1, seen=0)
    pacer.wanted("w", "a", KIND, 0)
    pacer.done(grant.number, 0.1, Outcome(Verdict.LIVE), None)
    assert [one.worker for one in pacer.grants(0.1)] == ["v"]


def test_an_answer_that_was_read_late_says_nothing_of_the_provider() -> None:
    """Who slept for five seconds makes nobody wait for the dead for ten."""
    pacer = pacer_of(2)
    for grant in pacer.grants(0.0):
        pacer.used(grant.number, 0.0)
        if grant.worker == "v":
            pacer.done(grant.number, 0.1, Outcome(Verdict.LIVE), None)
    pacer.gone("w", over_s=10.0)
    pacer.done(2, 5.0, Outcome(Verdict.LIVE), None)
    assert pacer.longest_s(10.0) < 1.0


def test_the_quiet_get_nothing() -> None:
    """What they wanted is remembered."""
    pacer = pacer_of(8)
    pacer.quiet = {"w"}
    assert {grant.worker for grant in pacer.grants(0.0)} == {"v"}
    pacer.quiet = ()
    for number in range(1, 9):
        pacer.unused(number, 0.0)
    assert {grant.worker for grant in pacer.grants(LEASE_S)} == {"v", "w"}


def freeze(worker: Pacing) -> None:
    """Its sessions stand, and it neither beats nor hears nor tells, as when it is stopped."""

    async def never(*_: object) -> None:
        await asyncio.Event().wait()

    worker._beat = never  # type: ignore[assignment,method-assign]
    worker._messages._heard = lambda _: None  # type: ignore[method-assign]
    worker._messages._send = never  # type: ignore[method-assign,assignment]


@pytest.mark.parametrize("how", ["stopped", "given up"])
def test_a_pacer_dies_while_another_one_is_stopped(
    url: str, quick: None, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    """The third one goes on with the slots that nobody can have, long before any timeout."""
    monkeypatch.setattr(roster, "QUIET_S", 0.5)
    monkeypatch.setattr(roster, "SILENT_S", LONG_S if how == "stopped" else 1.0)

    async def story() -> None:
        notes: list[str] = []
        one, two, three = (
            worker_of(url, name, notes, most=8) for name in ("one", "two", "three")
        )
        for worker in (one, two, three):
            worker._terms._timeouts_s = {KEY: LONG_S}
            await worker.join()
            settle(worker, await permit_of(worker))
        held = [await permit_of(two) for _ in range(2)]
        await until(lambda: one._terms.mine[KEY].promises.get("two", 0) >= 2)
        freeze(two)
        if how == "given up":
            await until(lambda: any("two is gone (silent)" in note for note in notes))
        await kill(one)
        got = [await permit_of(three)]
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(1.0):
                while True:
                    got.append(await permit_of(three, pending=9))
        assert len(held) + len(got) <= 8
        await kill(two)
        await three.leave()

    tell(story)


@pytest.mark.parametrize("pacer", ["the same", "another"])
def test_who_wakes_up_and_ends_gives_its_slots_back(
    url: str, quick: None, monkeypatch: pytest.MonkeyPatch, pacer: str
) -> None:
    """Long before its requests would have timed out, for whoever paces then."""
    monkeypatch.setattr(roster, "QUIET_S", 0.5)
    monkeypatch.setattr(roster, "SILENT_S", 1.0)

    async def story() -> None:
        notes: list[str] = []
        one, two, three = (
            worker_of(url, name, notes, most=4) for name in ("one", "two", "three")
        )
        for worker in (one, two, three):
            worker._terms._timeouts_s = {KEY: LONG_S}
            await worker.join()
            settle(worker, await permit_of(worker))
        for _ in range(3):
            await permit_of(two)
        await until(lambda: one._terms.mine[KEY].promises.get("two", 0) >= 3)
        freeze(two)
        await until(lambda: any("two is gone (silent)" in note for note in notes))
        if pacer == "another":
            await kill(one)
        await two.leave()
        for pending in (4, 3, 2, 1):
            await permit_of(three, pending=pending)
        for worker in (one, three):
            await worker.leave()

    tell(story)
