"""How a run ends early: how long it waits for what is in flight, and what it never strands."""

from __future__ import annotations

import asyncio

import pytest
from engine_bench import JobBench

from ventil.errors import Interrupted, Stopped
from ventil.testing import ScriptedTransport, answer

KEYS = [f"k{number}" for number in range(20)]


async def test_the_end_of_a_turn_waits_for_slow_answers() -> None:
    """All that is in flight is kept, and nothing new goes out meanwhile."""
    bench = JobBench(ScriptedTransport(lambda _: answer(body=7), latency_s=20.0), KEYS)
    run, _ = bench.prepare()
    runner = bench.runner(run)
    task = asyncio.create_task(runner.execute())
    await asyncio.sleep(0.3)
    runner.stop(Stopped("others wait"), within_s=33.0)
    with pytest.raises(Stopped):
        await task
    assert bench.transport.cut_off == 0
    assert len(bench.transport.sent) == 4
    assert list(bench.statuses(run).values()).count("ok") == 4


async def test_a_signal_shortens_the_end_of_a_turn() -> None:
    """Who leaves waits three seconds from the signal on, whatever the turn had left."""
    bench = JobBench(ScriptedTransport(lambda _: answer(body=7), latency_s=20.0), KEYS)
    run, _ = bench.prepare()
    runner = bench.runner(run)
    task = asyncio.create_task(runner.execute())
    await asyncio.sleep(0.3)
    runner.stop(Stopped("others wait"), within_s=33.0)
    await asyncio.sleep(5.0)
    runner.stop(Interrupted("left", signal=15))
    with pytest.raises(Stopped, match="others wait"):
        await task
    assert asyncio.get_running_loop().time() < 9.0
    assert bench.transport.cut_off == 4


async def test_an_error_that_nobody_foresaw_ends_the_run() -> None:
    """It is raised to whoever executes the run, instead of holding a chunk for ever."""
    bench = JobBench(ScriptedTransport(lambda _: answer(body=7)), KEYS)
    run, _ = bench.prepare()
    runner = bench.runner(run)

    async def broken(index: int, attempt: int) -> int:
        raise RuntimeError("a bug of ours")

    runner._processor.process = broken  # type: ignore[method-assign]
    with pytest.raises(RuntimeError, match="a bug of ours"):
        await runner.execute()


async def test_a_chunk_of_later_keeps_the_run_open() -> None:
    """One that was made after the start and is under way is not cut off by the others' end."""
    bench = JobBench(ScriptedTransport(lambda _: answer(body=7)), KEYS)
    run, _ = bench.prepare()
    runner = bench.runner(run)
    ended: list[int] = []

    async def process(index: int, attempt: int) -> int:
        await asyncio.sleep(50.0 if index == 99 else 1.0)
        ended.append(index)
        return 0

    runner._processor.process = process  # type: ignore[method-assign]
    task = asyncio.create_task(runner.execute())
    await asyncio.sleep(0.1)
    await bench.queue.enqueue(run.id, [(99, 1, 0.0)])
    await task
    assert 99 in ended
