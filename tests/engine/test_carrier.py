"""Questions that share requests, in virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import Hashable, Sequence

import pytest
from engine_bench import GateBench, policy_of

from ventil.core.exchange import Fault, FaultKind, Reply, Request, Response
from ventil.engine.door import Door
from ventil.errors import Suspended
from ventil.testing import PlainProvider, ScriptedTransport, answer


class Listing:
    """The `Combiner` port: words with commas between; what is too long is too much."""

    def __init__(self, most: int = 5, enough: int = 100) -> None:
        self._most, self.enough = most, enough

    def kind(self, part: str, /) -> Hashable:
        """Capitals do not mix with others."""
        return part.isupper()

    def most(self, part: str, /) -> int:
        """So many."""
        return self._most

    def combine(self, parts: Sequence[str], /) -> Request:
        """All of them."""
        return Request("/" + ",".join(parts))

    def split(self, parts: Sequence[str], reply: Reply, /) -> list[Reply | None] | None:
        """Each its own; what is answered with - is left out once."""
        if isinstance(reply, Fault) and len(parts) > 1:
            return None
        if isinstance(reply, Fault) or reply.status != 200:
            return [reply] * len(parts)
        words = reply.body.decode().split(",")
        return [None if word == "-" else answer(body=word) for word in words]


def echo(request: Request) -> Response:
    """The words back."""
    return answer(body=request.target.removeprefix("/"))


class CarrierBench(GateBench):
    """A door with a combiner behind a gate."""

    def open(self, transport: ScriptedTransport, combiner: Listing | None = None) -> Door:
        """The door."""
        return Door(
            PlainProvider(),
            transport,
            self.gate,
            self.clock,
            tries=2,
            combiner=combiner or Listing(),
        )


async def ask(door: Door, *parts: str) -> list[str]:
    """The answers to parts that are asked side by side."""

    async def one(part: str) -> str:
        request = Request(f"/{part}", part=part)
        reply, held = await door.exchange(request, part, 0, lambda: None)
        assert held is None
        assert isinstance(reply, Response), reply
        return reply.body.decode() or str(reply.status)

    return list(await asyncio.gather(*map(one, parts)))


async def test_parts_that_wait_together_share_a_request() -> None:
    """As many as fit, of one kind; each gets its own answer, every permit is settled."""
    bench, transport = CarrierBench(policy_of()), ScriptedTransport(echo)
    words = [*"abcdefg", "X", "Y"]
    assert await ask(bench.open(transport), *words) == words
    assert sorted(transport.targets) == ["/X,Y", "/a,b,c,d,e", "/f,g"]
    assert bench.gate.in_flight == 0


async def test_those_who_come_while_it_waits_go_along() -> None:
    """A provider of one request a second gets few full requests, not many small ones."""
    bench = CarrierBench(policy_of("1/s", max_in_flight=1))
    transport = ScriptedTransport(echo, latency_s=0.1)
    door = bench.open(transport, Listing(most=50))

    async def later(number: int) -> list[str]:
        await asyncio.sleep(number * 0.1)
        return await ask(door, f"w{number}")

    found = await asyncio.gather(*map(later, range(40)))
    assert found == [[f"w{number}"] for number in range(40)]
    assert len(transport.sent) <= 7


async def test_too_much_for_one_request_is_asked_in_halves() -> None:
    """And from then on in smaller ones."""

    def strict(request: Request) -> Reply:
        many = request.target.count(",") + 1
        return Fault(FaultKind.TIMEOUT, "too much") if many > 2 else echo(request)

    bench = CarrierBench(policy_of(max_in_flight=1, breaker_threshold=50))
    transport = ScriptedTransport(strict)
    assert await ask(bench.open(transport), *"abcde") == [*"abcde"]
    assert transport.targets == ["/a,b,c,d,e", "/a,b", "/c,d", "/e"]


async def test_what_a_partial_answer_left_out_is_asked_again() -> None:
    """The others have their answers meanwhile."""
    once = {"b", "d"}

    def partial(request: Request) -> Response:
        words = request.target.removeprefix("/").split(",")
        body = ",".join("-" if word in once else word for word in words)
        once.clear()
        return answer(body=body)

    bench, transport = CarrierBench(policy_of()), ScriptedTransport(partial)
    assert await ask(bench.open(transport), *"abcd") == [*"abcd"]
    assert transport.targets == ["/a,b,c,d", "/b,d"]


async def test_a_wait_that_is_too_long_turns_all_of_them_away() -> None:
    """Those who come later are judged anew."""
    bench = CarrierBench(policy_of())
    transport = ScriptedTransport([answer(429, retry_after="99999"), *[answer(body="a")] * 9])
    door = bench.open(transport)
    bench.gate._stop = lambda error: bench.gate.turn_away(error)  # type: ignore[arg-type]
    bench.gate._patience = type(bench.gate._patience)(600.0, 600.0)
    results = await asyncio.gather(ask(door, "a"), ask(door, "b"), return_exceptions=True)
    assert [type(result) for result in results] == [Suspended, Suspended]
    with pytest.raises(Suspended):
        await ask(door, "a")
    assert len(transport.sent) == 1


async def test_who_gave_up_is_not_asked_for() -> None:
    """A cancelled part takes nobody along, and no request goes out for nobody."""
    bench, transport = CarrierBench(policy_of()), ScriptedTransport(echo)
    door = bench.open(transport)
    first, second = asyncio.create_task(ask(door, "a")), asyncio.create_task(ask(door, "b"))
    await asyncio.sleep(0.01)
    first.cancel()
    assert await second == ["b"]
    assert transport.targets == ["/b"]
    alone = asyncio.create_task(ask(door, "c"))
    await asyncio.sleep(0.01)
    alone.cancel()
    await asyncio.sleep(5.0)
    bench.gate.pause("a moment")
    waiting = asyncio.create_task(ask(door, "d"))
    await asyncio.sleep(5.0)  # for a permit by now
    waiting.cancel()
    bench.gate.pause(None)
    await asyncio.sleep(5.0)
    assert transport.targets == ["/b"]
    assert bench.gate.in_flight == 0
    assert await ask(door, "e") == ["e"]
