"""Records that never answer, and an outage: the first cost only themselves."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Container

import pytest
from engine_bench import JobBench, policy_of

from ventil.core.exchange import Reply, Request
from ventil.engine.gate import Patience
from ventil.ports import ChunkRow, RunState
from ventil.testing import ScriptedTransport, answer

KEYS = [f"k{number:03}" for number in range(100)]
PATIENCE = Patience(max_wait_s=1800.0, reach_within_s=60.0)


def broken(keys: Container[str]) -> ScriptedTransport:
    """A provider that answers 500 to some and is well otherwise."""

    def reply(request: Request) -> Reply:
        return answer(500) if request.target.strip("/") in keys else answer(body=7)

    return ScriptedTransport(reply, latency_s=0.1)


def bench_of(
    keys: Container[str], *, in_flight: int = 4, chunk_size: int = 20, adaptive: bool = False
) -> JobBench:
    """A job of which some records never answer."""
    return JobBench(
        broken(keys),
        KEYS,
        policy=policy_of(max_in_flight=in_flight, adaptive=adaptive),
        patience=PATIENCE,
        chunk_size=chunk_size,
    )


@pytest.mark.parametrize("adaptive", [False, True])
@pytest.mark.parametrize("in_flight", [1, 4])
@pytest.mark.parametrize("bad", [KEYS[20:40], KEYS[80:], KEYS[:80], KEYS[20:], KEYS[::2]])
async def test_the_others_are_answered_and_the_run_ends(
    bad: list[str], in_flight: int, adaptive: bool
) -> None:
    """One chunk, the last one, all but one, every second record: soon after the retry."""
    bench = bench_of(bad, in_flight=in_flight, adaptive=adaptive)
    run = await bench.execute()
    statuses = bench.statuses(run)
    assert {key for key, status in statuses.items() if status == "failed"} == set(bad)
    assert {failure.key for failure in bench.store.failures()} == set(bad)
    assert max(Counter(bench.transport.targets).values()) <= 8
    assert asyncio.get_running_loop().time() < bench.retry_delay_s + 200.0


async def test_a_replay_of_records_that_fail_again_ends() -> None:
    """It asks each of them, as others were answered after them, and does not wait."""
    bad = KEYS[::2]
    bench = bench_of(bad)
    run = await bench.execute()
    bench.store.update_run(run.id, state=RunState.PARTIAL)
    began_s = asyncio.get_running_loop().time()
    sent = len(bench.transport.sent)
    index = bench.store.chunk_count(run.id)
    again = ChunkRow(index, tuple((key,) for key in bad), 0, 0, False, bench.clock.now_s())
    bench.store.reopen_chunks(run.id, [again])
    await bench.runner(bench.stored(run)).execute()
    assert set(bench.transport.targets[sent:]) == {f"/{key}" for key in bad}
    assert asyncio.get_running_loop().time() < began_s + bench.retry_delay_s + 400.0


async def test_a_tail_that_cannot_be_told_from_an_outage() -> None:
    """Nobody is answered any more: it is waited for like an outage, and then left at that."""
    bad = KEYS[-8:]
    bench = bench_of(bad, chunk_size=100)
    run = await bench.execute()
    statuses = bench.statuses(run)
    assert {key for key, status in statuses.items() if status == "failed"} == set(bad)
    assert asyncio.get_running_loop().time() < 1800.0


@pytest.mark.parametrize("outage_s", [60.0, 600.0, 1500.0])
async def test_an_outage_costs_no_record(outage_s: float) -> None:
    """In the middle of a run, longer than the retry takes: all are answered in the end."""
    loop = asyncio.get_running_loop()

    def reply(request: Request) -> Reply:
        down = 2.0 <= loop.time() < 2.0 + outage_s
        return answer(503) if down else answer(body=7)

    bench = JobBench(
        ScriptedTransport(reply, latency_s=0.2),
        KEYS,
        policy=policy_of("10/s"),
        patience=PATIENCE,
        chunk_size=20,
    )
    run = await bench.execute()
    assert set(bench.statuses(run).values()) == {"ok"}
    assert len(bench.transport.sent) < 100 + 25 + outage_s / 25


async def test_a_broken_chunk_does_not_hide_an_outage() -> None:
    """While the provider is down, the records of a broken chunk are not hammered."""
    loop = asyncio.get_running_loop()
    bad = set(KEYS[:20])

    def reply(request: Request) -> Reply:
        down = 10.0 <= loop.time() < 300.0
        return answer(500) if down or request.target.strip("/") in bad else answer(body=7)

    transport = ScriptedTransport(reply, latency_s=0.2)
    bench = JobBench(transport, KEYS, policy=policy_of("5/s"), patience=PATIENCE, chunk_size=20)
    run = await bench.execute()
    statuses = bench.statuses(run)
    assert {key for key, status in statuses.items() if status == "failed"} == bad
    in_outage = [at_s for at_s, _ in transport.sent if 10.0 <= at_s < 300.0]
    assert len(in_outage) <= 25 + 2 * len(bad)
