"""The fetcher: what is sent again, when, and how often."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Sequence

import pytest
from engine_bench import GateBench, PeculiarProvider, policy_of

from ventil.core.exchange import Fault, FaultKind, Fetch, Reply, Request
from ventil.core.model import Sample, Status
from ventil.core.period import Period
from ventil.engine.door import MOST_THROTTLES, Door
from ventil.engine.fetch import Fetcher
from ventil.engine.ledger import LedgerWriter
from ventil.ports import Provider
from ventil.testing import PlainProvider, ScriptedTransport, answer

PERIOD = Period.parse("last-week", today=dt.date(2025, 11, 21))


class FetchBench(GateBench):
    """A fetcher behind a gate."""

    def open(
        self, transport: ScriptedTransport, provider: Provider | None = None, tries: int = 2
    ) -> Fetcher:
        """A fetcher of *provider* (the plain one) over *transport*."""
        ledger = LedgerWriter(
            self.store, series="s", day="d", run_id="r", written=lambda samples: None
        )
        asked = provider or PlainProvider()
        self.door = Door(asked, transport, self.gate, self.clock, tries=tries)
        return Fetcher(
            recipe=asked,
            doors={asked.name: self.door},
            ledger=ledger,
            clock=self.clock,
            period=PERIOD,
        )

    def stored(self, key: str) -> Status | None:
        [(_, entry, _)] = self.store.entries("s", "d", [key])
        return None if entry is None else entry.sample.status


async def test_an_answer_is_in_flight_until_it_is_stored() -> None:
    """It is returned with the request that brought it."""
    bench = FetchBench(policy_of())
    fetcher = bench.open(ScriptedTransport([answer(body=42)]))
    found = await fetcher.batch(("a", "b"), {})
    assert [(s.key, s.value, request) for s, request in found] == [
        ("a", 42, "GET /a,b"),
        ("b", 42, "GET /a,b"),
    ]
    assert bench.stored("a") is None
    assert bench.gate.in_flight == 1
    await fetcher.stored()
    assert bench.stored("a") is bench.stored("b") is Status.OK
    assert bench.gate.in_flight == 0


async def test_a_throttled_request_comes_again_when_it_may() -> None:
    """It is not the record's fault: it waits behind the pause, and is answered."""
    bench = FetchBench(policy_of())
    transport = ScriptedTransport([answer(429, retry_after="30"), answer(429), answer()])
    fetcher = bench.open(transport)
    [(sample, _)] = await fetcher.batch(("a",), {})
    assert sample.status is Status.OK
    times = [at_s for at_s, _ in transport.sent]
    assert times[1] - times[0] >= 30.0
    assert times[2] - times[1] >= 10.0  # the policy's cooldown
    assert bench.door.requests.throttled == 2
    assert bench.door.requests.ok == 1


async def test_a_record_that_is_always_throttled_ends() -> None:
    """After so many throttles it has failed, and says so."""
    bench = FetchBench(policy_of())
    transport = ScriptedTransport(lambda _: answer(429))
    fetcher = bench.open(transport)
    [(sample, _)] = await fetcher.batch(("a",), {})
    assert (sample.status, sample.detail) == (Status.FAILED, "429")
    assert len(transport.sent) == MOST_THROTTLES + 1


@pytest.mark.parametrize("tries", [1, 2, 4])
@pytest.mark.parametrize(
    "reply", [answer(500), Fault(FaultKind.TIMEOUT, "no answer within 30 s")]
)
async def test_an_overload_is_tried_again_so_often(tries: int, reply: Reply) -> None:
    """`tries` in all; the record has failed then, and that is stored."""
    bench = FetchBench(policy_of())
    transport = ScriptedTransport(lambda _: reply)
    fetcher = bench.open(transport, tries=tries)
    [(sample, _)] = await fetcher.batch(("a",), {})
    assert sample.status is Status.FAILED
    assert len(transport.sent) == tries
    await fetcher.stored()
    assert bench.stored("a") is Status.FAILED
    assert bench.door.requests.failed == tries


async def test_one_try_is_enough_where_it_works() -> None:
    """A hiccup costs one request."""
    bench = FetchBench(policy_of())
    fetcher = bench.open(ScriptedTransport([answer(502), answer()]))
    [(sample, _)] = await fetcher.batch(("a",), {})
    assert sample.status is Status.OK
    assert bench.door.requests.sent == 2


@pytest.mark.parametrize("down_s", [20.0, 120.0, 600.0])
async def test_an_outage_costs_few_records(down_s: float) -> None:
    """While the breaker is open only probes go out, each for another record."""
    bench = FetchBench(policy_of("10/s"))

    def by_time(_: Request) -> Reply:
        down = 2.0 <= asyncio.get_running_loop().time() < 2.0 + down_s
        return answer(503) if down else answer()

    transport = ScriptedTransport(by_time, latency_s=0.1)
    fetcher = bench.open(transport)
    todo = [f"k{number}" for number in range(200)]
    failed = []

    async def worker() -> None:
        while todo:
            [(sample, _)] = await fetcher.batch((todo.pop(0),), {})
            if sample.status is Status.FAILED:
                failed.append(sample.key)

    await asyncio.gather(*(worker() for _ in range(4)))
    assert len(failed) <= 8, failed
    during = [at_s for at_s, _ in transport.sent if 3.0 <= at_s < 2.0 + down_s]
    assert len(during) <= 8 + down_s / 25


async def test_a_request_that_must_not_be_repeated_goes_once() -> None:
    """Whatever comes of it."""

    class Ordering(PlainProvider):
        def fetch(self, keys: Sequence[str], *_: object) -> Fetch:
            reply = yield Request("/order", method="POST", idempotent=False)
            return [Sample(key, Status.FAILED, detail=str(reply)) for key in keys]

    for reply in (answer(500), answer(429), Fault(FaultKind.BROKEN, "cut off")):
        bench = FetchBench(policy_of())
        transport = ScriptedTransport([reply])
        await bench.open(transport, Ordering()).batch(("a",), {})
        assert len(transport.sent) == 1


async def test_what_is_known_early_is_stored_before_the_next_request() -> None:
    """A kill in the middle of a recipe costs the request under way and no more."""
    bench = FetchBench(policy_of())
    seen: list[Status | None] = []

    def watching(request: Request) -> Reply:
        seen.append(bench.stored("a"))
        return answer(299) if request.target == "/a,b" else answer(body=5)

    fetcher = bench.open(ScriptedTransport(watching), PeculiarProvider())
    found = await fetcher.batch(("a", "b"), {})
    assert seen == [None, Status.OK]
    assert [(s.key, s.value, request) for s, request in found] == [
        ("a", 1, "GET /a,b"),
        ("b", 5, "GET /b"),
    ]


async def test_a_cancelled_request_gives_its_slot_back() -> None:
    """And nothing is stored of it."""
    bench = FetchBench(policy_of(max_in_flight=1))
    fetcher = bench.open(ScriptedTransport(lambda _: answer(), latency_s=60.0))
    task = asyncio.create_task(fetcher.batch(("a",), {}))
    await asyncio.sleep(1)
    assert bench.gate.in_flight == 1
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert bench.gate.in_flight == bench.governor.in_flight == 0
    assert bench.stored("a") is None


async def test_a_recipe_that_raises_gives_its_slot_back() -> None:
    """The error goes to the caller."""

    class Broken(PlainProvider):
        def fetch(self, keys: Sequence[str], *_: object) -> Fetch:
            yield Request("/a")
            raise ValueError("a bug in the recipe")

    bench = FetchBench(policy_of())
    with pytest.raises(ValueError, match="a bug"):
        await bench.open(ScriptedTransport([answer()]), Broken()).batch(("a",), {})
    assert bench.gate.in_flight == bench.governor.in_flight == 0


async def test_the_first_request_for_a_record_is_known_without_sending_it() -> None:
    """For the failure queue, of what was asked before a kill."""
    bench = FetchBench(policy_of())
    assert bench.open(ScriptedTransport([])).first_request("a") == "GET /a"
