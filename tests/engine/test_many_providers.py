"""A run of many providers, each at its own pace, in virtual time."""

from __future__ import annotations

import asyncio
import datetime as dt

import pytest
from engine_bench import policy_of
from many_bench import ManyBench, plain, sent

from ventil.core.exchange import Request, Response
from ventil.errors import Suspended
from ventil.testing import ScriptedTransport, answer


async def test_each_request_passes_the_gate_of_the_provider_that_it_names() -> None:
    """And is counted there; what is kept is stored with the sample."""
    keys = [f"a-b-{n}" for n in range(4)] + [f"b--{n}" for n in range(3)]
    bench = ManyBench(keys, plain("a", "b"))
    run = await bench.execute()
    assert set(bench.statuses(run).values()) == {"ok"}
    assert sent(bench) == {"a": 4, "b": 7}
    kept = bench.store.kept(run.series, "a-b-1")
    assert kept is not None
    assert (kept.body, kept.memory) == (b"A-B-1", b"once")
    tallies = run.tallies
    assert tallies["requests"]["sent"] == 11
    assert {n: t["requests"]["ok"] for n, t in tallies["providers"].items()} == {"a": 4, "b": 7}


async def test_each_provider_has_its_own_pace() -> None:
    """A slow one does not slow those who do not need it."""
    keys = [f"a--{n}" for n in range(100)] + [f"b--{n}" for n in range(10)]
    bench = ManyBench(
        keys,
        plain("a", "b"),
        {"a": policy_of("100/s", max_in_flight=50), "b": policy_of("1/s", max_in_flight=1)},
        chunk_size=20,
    )
    run = await bench.execute()
    assert set(bench.statuses(run).values()) == {"ok"}
    last_a = bench.transports["a"].sent[-1][0] - bench.transports["a"].sent[0][0]
    last_b = bench.transports["b"].sent[-1][0] - bench.transports["b"].sent[0][0]
    assert last_a < 3.0
    assert last_b >= 9.0


async def test_who_needs_a_provider_that_says_later_waits_and_nobody_else() -> None:
    """All others are done, in the same chunks too; then the run is suspended and says why."""
    keys = [f"{'a-b' if n % 2 else 'a-'}-{n}" for n in range(60)]
    later = {"on": True}

    def b(request: Request) -> Response:
        return answer(429, retry_after="7200") if later["on"] else answer()

    bench = ManyBench(keys, plain("a") | {"b": ScriptedTransport(b, latency_s=0.1)})
    with pytest.raises(Suspended, match=r"b: .*later than --max-wait"):
        await bench.execute()
    run, resumed = bench.prepare()
    assert resumed
    statuses = bench.statuses(run)
    assert [statuses[key] for key in keys] == [None if n % 2 else "ok" for n in range(60)]
    asked_a, asked_b = sent(bench)["a"], sent(bench)["b"]
    assert asked_a == 60
    assert asked_b < 5
    assert bench.store.failures() == []

    later["on"] = False
    await asyncio.sleep(7300.0)
    run = await bench.execute()
    assert set(bench.statuses(run).values()) == {"ok"}
    assert sent(bench)["a"] == asked_a  # what those who waited had asked is remembered
    assert sent(bench)["b"] == asked_b + 30


async def test_work_that_breaks_costs_its_record_alone() -> None:
    """It is in the failure queue with what was said; the rest goes on."""
    keys = [f"a--{n}" for n in range(5)] + ["a--hostile"]
    bench = ManyBench(keys, plain("a"))
    run = await bench.execute()
    statuses = bench.statuses(run)
    assert statuses.pop("a--hostile") == "failed"
    assert set(statuses.values()) == {"ok"}
    [failure] = bench.store.failures()
    assert (failure.key, failure.detail) == ("a--hostile", "took more than 5 s")
    assert failure.request == "GET /a--hostile"


async def test_what_waits_for_the_workbench_counts_as_in_flight() -> None:
    """Fetched bytes do not pile up in memory while work on them takes its time."""
    bench = ManyBench(
        [f"a--{n}" for n in range(40)],
        plain("a", latency_s=0.001),
        {"a": policy_of(max_in_flight=4)},
    )
    began_s = asyncio.get_running_loop().time()
    await bench.execute()
    assert asyncio.get_running_loop().time() - began_s >= 40 / 4 * 0.1


async def test_the_next_period_asks_with_what_is_remembered() -> None:
    """One request each, no work; what is kept stays."""
    bench = ManyBench([f"a-b-{n}" for n in range(10)], plain("a", "b"))
    await bench.execute()
    before = sent(bench)
    bench.day += dt.timedelta(days=7)
    run = await bench.execute()
    assert sent(bench) == {"a": before["a"] + 10, "b": before["b"]}
    assert len(bench.workbench.worked) == 10
    kept = bench.store.kept(run.series, "a-b-3")
    assert kept is not None
    assert (kept.body, kept.memory) == (b"A-B-3", b"again")
