"""The gate: order, pauses, patience, and books that always balance."""

from __future__ import annotations

import asyncio
import random

import pytest
from engine_bench import KEY, PATIENT, GateBench, policy_of

from ventil.core.exchange import Outcome, Verdict
from ventil.core.governor import GovernorState, Permit
from ventil.core.lease import Leases
from ventil.core.pacer import Grant
from ventil.core.quota import QuotaImpossible
from ventil.engine.gate import Gate, Patience
from ventil.errors import StateError, Suspended

LIVE = Outcome(Verdict.LIVE)
DOWN = Outcome(Verdict.OVERLOADED, detail="503")


def now_s() -> float:
    """The loop's time."""
    return asyncio.get_running_loop().time()


async def test_permits_come_in_the_order_of_arrival() -> None:
    """One a second is allowed: the first goes now, each other a second after the one before."""
    bench = GateBench(policy_of("1/s"))
    got: list[tuple[int, float]] = []

    async def one(number: int) -> None:
        permit = await bench.gate.acquire(record=number)
        got.append((number, round(now_s(), 1)))
        bench.gate.settle(permit, LIVE, bench.clock.now_s())

    async with asyncio.TaskGroup() as group:
        for number in range(4):
            group.create_task(one(number))
    assert got == [(0, 0.0), (1, 1.0), (2, 2.0), (3, 3.0)]
    assert bench.gate.waits_s == {"quota": pytest.approx(3.03, abs=0.02)}


async def test_a_spent_retry_budget_holds_up_retries_only() -> None:
    """A quarter of the slots are for retries; first tries that came later go past them."""
    bench = GateBench(policy_of(max_in_flight=4))
    gate = bench.gate
    first = await gate.acquire(retry=True)
    second = asyncio.create_task(gate.acquire(retry=True))
    await asyncio.sleep(1)
    assert not second.done()
    fresh = [asyncio.create_task(gate.acquire()) for _ in range(2)]
    await asyncio.sleep(1)
    assert [task.done() for task in fresh] == [True, True]
    assert not second.done()
    gate.settle(first, LIVE, bench.clock.now_s())
    await asyncio.sleep(0)
    assert second.done()
    assert gate.in_flight == 3


async def test_a_pause_lets_nothing_out() -> None:
    """Until it is over; the waiting is told and added up under its name."""
    bench = GateBench(policy_of())
    bench.gate.pause("maintenance")
    task = asyncio.create_task(bench.gate.acquire())
    await asyncio.sleep(50)
    assert not task.done()
    assert bench.gate.limited_by() == "plain: paused: maintenance"
    bench.gate.pause(None)
    await task
    assert bench.gate.limited_by() is None
    assert bench.gate.waits_s == {"paused": pytest.approx(50.0)}


async def test_an_announced_wait_beyond_patience_suspends() -> None:
    """The provider says an hour, the user half an hour: the run stops, and says why."""
    bench = GateBench(policy_of(), Patience(max_wait_s=1800.0, reach_within_s=60.0))
    permit = await bench.gate.acquire()
    throttle = Outcome(Verdict.THROTTLED, 3600.0, detail="429 with Retry-After 3600 s")
    bench.gate.settle(permit, throttle, bench.clock.now_s())
    task = asyncio.create_task(bench.gate.acquire())
    await asyncio.sleep(0)
    [stop] = bench.stops
    assert isinstance(stop, Suspended)
    assert "cooldown until 01:00 UTC" in stop.message
    assert "--max-wait allows (30 min)" in stop.message
    task.cancel()


async def test_an_announced_wait_within_patience_is_waited_for() -> None:
    """All of it, and under its name."""
    bench = GateBench(policy_of(), Patience(max_wait_s=3700.0, reach_within_s=60.0))
    permit = await bench.gate.acquire()
    throttle = Outcome(Verdict.THROTTLED, 3600.0, detail="429")
    bench.gate.settle(permit, throttle, bench.clock.now_s())
    await bench.gate.acquire()
    assert now_s() >= 3600.0
    assert bench.stops == []
    assert bench.gate.waits_s["cooldown"] == pytest.approx(3600.0, abs=1.0)


async def test_our_own_errands_are_no_word_of_the_provider() -> None:
    """A permit that is still on its way from the pacer is waited for, whatever the patience."""
    leases, bench = Leases(), GateBench(policy_of())
    gate = Gate(
        KEY,
        leases.governor("run"),
        bench.clock,
        bench.store,
        patience=Patience(max_wait_s=0.0, reach_within_s=0.0),
        stop=bench.stops.append,
    )
    task = asyncio.create_task(gate.acquire())
    await asyncio.sleep(1)
    leases.granted(Grant(1, "worker", "run", 1, False, bench.clock.now_s() + 1.0))
    gate.check()
    await task
    assert bench.stops == []


async def test_a_request_heavier_than_its_quota_ends_the_run() -> None:
    """Also one that stands in line behind another: no wait would do."""
    bench = GateBench(policy_of("3/s", max_in_flight=1))
    permit = await bench.gate.acquire()
    task = asyncio.create_task(bench.gate.acquire(weight=5))
    await asyncio.sleep(1)
    bench.gate.settle(permit, LIVE, bench.clock.now_s())
    [stop] = bench.stops
    assert isinstance(stop, QuotaImpossible)
    task.cancel()


async def work(bench: GateBench, outcome: Outcome) -> None:
    """Ask for permit after permit, each for another record, with the same outcome."""
    number = 0
    while not bench.stops:
        number += 1
        permit = await bench.gate.acquire(record=number)
        await asyncio.sleep(0.05)
        bench.gate.settle(permit, outcome, bench.clock.now_s())


async def test_an_outage_beyond_patience_suspends() -> None:
    """It answered once; after `max_wait_s` without any further sign the run stops."""
    bench = GateBench(policy_of(), Patience(max_wait_s=600.0, reach_within_s=60.0))
    bench.gate.settle(await bench.gate.acquire(), LIVE, bench.clock.now_s())
    worker = asyncio.create_task(work(bench, DOWN))
    await bench.watch()
    worker.cancel()
    assert 600.0 <= now_s() <= 602.0
    [stop] = bench.stops
    assert "has been down for longer than --max-wait allows (10 min): 503" in str(stop)
    assert bench.gate.waits_s["breaker"] > 500


async def test_a_provider_that_never_answers_suspends_soon() -> None:
    """`reach_within_s` is enough to see that the address is wrong or the network down."""
    bench = GateBench(policy_of(), Patience(max_wait_s=36_000.0, reach_within_s=60.0))
    worker = asyncio.create_task(work(bench, DOWN))
    await bench.watch()
    worker.cancel()
    assert 60.0 <= now_s() <= 62.0
    assert "in 1 min: 503" in str(bench.stops[0])


async def test_books_balance_whoever_gives_up() -> None:
    """Any mix of cancelled waits and requests: every permit comes back exactly once."""
    for seed in range(30):
        chance = random.Random(seed)
        bench = GateBench(policy_of("20/s", max_in_flight=3))
        answered = 0

        async def one(bench: GateBench, chance: random.Random) -> None:
            nonlocal answered
            permit = await bench.gate.acquire(retry=chance.random() < 0.3)
            try:
                await asyncio.sleep(chance.random() * 0.1)
            except asyncio.CancelledError:
                ignored = Outcome(Verdict.IGNORED)
                bench.gate.settle(permit, ignored, bench.clock.now_s())
                raise
            bench.gate.settle(permit, LIVE, bench.clock.now_s())
            answered += 1

        tasks = [asyncio.create_task(one(bench, chance)) for _ in range(40)]
        while not all(task.done() for task in tasks):
            await asyncio.sleep(chance.random() * 0.1)
            if chance.random() < 0.4:
                chance.choice(tasks).cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert answered > 5
        assert bench.gate.in_flight == 0
        assert bench.governor.in_flight == 0
        assert bench.gate.limited_by() is None


async def test_a_permit_given_to_one_who_is_just_giving_up_comes_back() -> None:
    """Handed out and cancelled in the same breath: the next in line gets the slot."""
    bench = GateBench(policy_of(max_in_flight=1))
    held = await bench.gate.acquire()
    second = asyncio.create_task(bench.gate.acquire())
    third = asyncio.create_task(bench.gate.acquire())
    await asyncio.sleep(1)
    bench.gate.settle(held, LIVE, bench.clock.now_s())  # gives the slot to the second
    second.cancel()
    assert isinstance(await third, Permit)
    assert bench.gate.in_flight == bench.governor.in_flight == 1
    with pytest.raises(asyncio.CancelledError):
        await second


async def test_the_state_is_stored_before_it_matters() -> None:
    """Before the first request, every half second of sending, at once on a cooldown."""
    bench = GateBench(policy_of())
    assert bench.store.provider(KEY).state is None
    permit = await bench.gate.acquire()
    row = bench.store.provider(KEY)
    assert row.state is not None
    assert row.stamp_s == bench.clock.start_s
    bench.gate.settle(permit, LIVE, bench.clock.now_s())
    writes = bench.store.writes
    for _ in range(100):
        bench.gate.settle(await bench.gate.acquire(), LIVE, bench.clock.now_s())
        await asyncio.sleep(0.02)
    assert 3 <= bench.store.writes - writes <= 5
    permit = await bench.gate.acquire()
    throttle = Outcome(Verdict.THROTTLED, 60.0, detail="429")
    bench.gate.settle(permit, throttle, bench.clock.now_s())
    stored = bench.store.provider(KEY).state
    assert stored is not None
    state = GovernorState.from_json(stored)
    assert state.gate.until_s >= bench.clock.now_s() + 60.0
    assert not state.final
    bench.gate.save()
    stored = bench.store.provider(KEY).state
    assert stored is not None
    assert GovernorState.from_json(stored).final


async def test_nothing_is_sent_on_a_state_that_cannot_be_stored() -> None:
    """The caller gets the error, the waiting ones are stopped, and no slot is lost."""
    bench = GateBench(policy_of("1/s"), PATIENT)
    bench.store.fault = StateError("the disk is full")
    with pytest.raises(StateError):
        await bench.gate.acquire()
    assert bench.gate.in_flight == bench.governor.in_flight == 0
    task = asyncio.create_task(bench.gate.acquire())
    await asyncio.sleep(5)
    assert not task.done()
    assert bench.stops == [bench.store.fault]
    assert bench.gate.in_flight == bench.governor.in_flight == 0
    task.cancel()


async def test_a_closed_gate_lets_nothing_out() -> None:
    """Those who wait go on waiting until they are cancelled."""
    bench = GateBench(policy_of("1/s"))
    await bench.gate.acquire()
    waiting = asyncio.create_task(bench.gate.acquire())
    await asyncio.sleep(0)
    bench.gate.close()
    late = asyncio.create_task(bench.gate.acquire())
    await asyncio.sleep(100)
    assert not waiting.done()
    assert not late.done()
    assert bench.gate.in_flight == 1
    waiting.cancel()
    late.cancel()
