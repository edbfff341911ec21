"""Every second of waiting has a named cause."""

from __future__ import annotations

import pytest
from engine_bench import JobBench

from ventil.core.exchange import Reply, Request
from ventil.testing import ScriptedTransport, answer

KEYS = ["k1", "k2", "k3"]


async def test_the_time_until_a_retry_is_a_retry_delay() -> None:
    """While only failed records are left, and their time has not come."""

    def reply(request: Request) -> Reply:
        return answer(500) if request.target == "/k2" else answer(body=7)

    bench = JobBench(ScriptedTransport(reply, latency_s=0.01), KEYS, tries=1)
    run = await bench.execute()
    assert run.tallies["waits_s"]["retry delay"] == pytest.approx(300.0, abs=2.0)


async def test_a_loop_that_is_held_up_names_our_own_cpu() -> None:
    """A timer that fires late was late because this process was busy."""

    def reply(request: Request) -> Reply:
        if request.target == "/k2":
            bench.clock.start_s += 4.0  # as a long computation does: time passes, nothing runs
        return answer(body=7)

    bench = JobBench(ScriptedTransport(reply, latency_s=0.3), [f"k{n}" for n in range(20)])
    run = await bench.execute()
    assert 3.0 < run.tallies["waits_s"]["own CPU"] <= 4.0
