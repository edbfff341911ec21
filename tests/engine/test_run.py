"""A whole run between fakes: chunks, retries, endings, resumption, replay."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest
from engine_bench import JobBench, PeculiarProvider, policy_of

from ventil.core.exchange import Reply, Request
from ventil.core.model import Status
from ventil.engine.chunk import ChunkProcessor
from ventil.engine.gate import Patience
from ventil.errors import Cancelled, Interrupted, StateError, Suspended
from ventil.ports import ChunkRow, RunState
from ventil.testing import FakeClock, ScriptedTransport, answer

KEYS = [f"k{number}" for number in range(20)]


def plain(_: Request) -> Reply:
    """All is well."""
    return answer(body=7)


def failing(*keys: str, status: int = 500) -> ScriptedTransport:
    """A transport on which some records fail and all others are well."""

    def reply(request: Request) -> Reply:
        return answer(status) if request.target.strip("/") in keys else answer(body=7)

    return ScriptedTransport(reply, latency_s=0.01)


async def test_every_record_is_asked_for_once() -> None:
    """And then every chunk is finished, the queue empty, the transport closed."""
    bench = JobBench(ScriptedTransport(plain, latency_s=0.05), KEYS)
    run = await bench.execute()
    assert Counter(bench.transport.targets) == {f"/{key}": 1 for key in KEYS}
    assert set(bench.statuses(run).values()) == {"ok"}
    assert all(finished for *_, finished in bench.store.chunk_progress(run.id))
    assert bench.queue.waiting == []
    assert bench.transport.closed
    assert bench.transport.most_in_flight == 4
    assert run.tallies["requests"] == {"sent": 20, "ok": 20, "throttled": 0, "failed": 0}


async def test_only_the_failed_part_of_a_chunk_is_tried_again() -> None:
    """After the delay, without holding anything up; what fails again is queued, with why."""
    bench = JobBench(failing("k3", "k7"), KEYS, tries=1)
    run = await bench.execute()
    times = Counter(bench.transport.targets)
    assert times == {f"/{key}": 2 if key in ("k3", "k7") else 1 for key in KEYS}
    late = [request.target for at_s, request in bench.transport.sent if at_s >= 300.0]
    assert sorted(late) == ["/k3", "/k7"]
    assert {
        f.key: (f.status, f.detail, f.request, f.attempts) for f in bench.store.failures()
    } == {
        "k3": (Status.FAILED, "500", "GET /k3", 2),
        "k7": (Status.FAILED, "500", "GET /k7", 2),
    }
    assert bench.statuses(run)["k3"] == "failed"


@pytest.mark.parametrize("retries", [0, 1, 3])
async def test_so_many_retries(retries: int) -> None:
    """A chunk's failed part is tried `retries` times more."""
    bench = JobBench(failing("k3"), KEYS, tries=1, retries=retries)
    await bench.execute()
    assert bench.transport.targets.count("/k3") == 1 + retries
    assert len(bench.store.failures()) == 1


async def test_a_doubtful_answer_is_not_asked_for_twice_in_a_run() -> None:
    """It needs hours: not by the retry of its chunk, but it is in the failure queue."""
    transport = failing("k1")

    def reply(request: Request) -> Reply:
        if request.target == "/k0":
            return answer(203)
        return answer(500) if request.target == "/k1" else answer(body=7)

    transport = ScriptedTransport(reply, latency_s=0.01)
    bench = JobBench(transport, KEYS, provider=PeculiarProvider(), tries=1)
    run = await bench.execute()
    assert transport.targets.count("/k0") == 1
    assert transport.targets.count("/k1") == 2
    queued = {f.key: (f.status, f.request) for f in bench.store.failures()}
    assert queued == {
        "k0": (Status.SUSPECT, "GET /k0"),
        "k1": (Status.FAILED, "GET /k1"),
    }
    assert bench.statuses(run)["k0"] == "suspect"


async def test_a_replay_asks_again_also_for_the_doubtful() -> None:
    """A new chunk of the same run: what failed and what was doubtful, each once."""
    replies = {"/k0": [answer(203), answer(body=9)], "/k1": [answer(500)] * 2 + [answer()]}

    def reply(request: Request) -> Reply:
        script = replies.get(request.target)
        return script.pop(0) if script else answer(body=7)

    transport = ScriptedTransport(reply, latency_s=0.01)
    bench = JobBench(transport, KEYS, provider=PeculiarProvider(), tries=1)
    run = await bench.execute()
    bench.store.update_run(run.id, state=RunState.PARTIAL)
    sent = len(transport.sent)
    index = bench.store.chunk_count(run.id)
    again = ChunkRow(index, (("k0",), ("k1",)), 0, 0, False, bench.clock.now_s())
    bench.store.reopen_chunks(run.id, [again])
    await bench.runner(bench.stored(run)).execute()
    assert transport.targets[sent:] == ["/k0", "/k1"]
    assert bench.statuses(run) == dict.fromkeys(KEYS, "ok")


@pytest.mark.parametrize("bad", [1, len(KEYS) - 1])
async def test_bad_records_do_not_cost_the_run(bad: int) -> None:
    """One recipe that raises, or all but one: the others are answered, the run ends well."""
    broken = set(KEYS[:bad])

    class Broken(PeculiarProvider):
        def fetch(self, keys: list[str], *rest: object) -> object:  # type: ignore[override]
            if broken & set(keys):
                raise ValueError("a bug in the recipe")
            return super().fetch(keys, *rest)  # type: ignore[arg-type]

    bench = JobBench(ScriptedTransport(plain), KEYS, provider=Broken())
    run = await bench.execute()
    assert Counter(bench.statuses(run).values()) == {"failed": bad, "ok": len(KEYS) - bad}
    failures = bench.store.failures()
    assert {f.key for f in failures} == broken
    assert "a bug in the recipe" in failures[0].detail
    assert any("a bug in the recipe" in note for note in bench.reporter.notes)


async def test_the_second_call_of_an_ended_attempt_asks_nobody() -> None:
    """The queue may call twice: the answer comes from the chunk's row."""
    bench = JobBench(failing("k3"), KEYS[:5], tries=1)
    run, _ = bench.prepare()
    runner = bench.runner(run)
    processor = runner._processor
    assert await processor.process(0, 1) == 1
    sent = len(bench.transport.sent)
    assert await processor.process(0, 1) == 1
    assert len(bench.transport.sent) == sent
    assert await processor.process(0, 2) == 0
    assert await processor.process(0, 2) == 0
    assert await processor.process(0, 1) == 0
    assert len(bench.transport.sent) == sent + 1
    assert len(bench.store.failures()) == 1
    runner.stop(Cancelled("enough"))
    with pytest.raises(Cancelled):
        await runner._stopped


async def test_a_killed_attempt_goes_on_where_it_was() -> None:
    """What failed in it before the kill is due in the next attempt, not once more in this."""
    bench = JobBench(failing("k0", "k1"), KEYS[:5], policy=policy_of(max_in_flight=1), tries=1)
    run, _ = bench.prepare()

    def processor() -> ChunkProcessor:
        runner = bench.runner(run)
        runner.stop(Cancelled("not by the queue"))
        runner._stopped.exception()
        return runner._processor

    killed = asyncio.create_task(processor().process(0, 1))
    await asyncio.sleep(0.025)  # k0 and k1 have failed, k2 is in flight
    killed.cancel()
    await asyncio.gather(killed, return_exceptions=True)
    assert bench.transport.targets == ["/k0", "/k1", "/k2"]
    assert await processor().process(0, 1) == 2
    assert bench.transport.targets[3:] == ["/k2", "/k3", "/k4"]
    await asyncio.sleep(1)
    assert await processor().process(0, 2) == 0
    assert bench.transport.targets[6:] == ["/k0", "/k1"]
    assert [(f.key, f.request) for f in bench.store.failures()] == [
        ("k0", "GET /k0"),
        ("k1", "GET /k1"),
    ]


async def test_a_person_cancels() -> None:
    """Within a moment; what was answered is kept, and the rest is still queued."""
    bench = JobBench(ScriptedTransport(plain, latency_s=1.0), KEYS)
    run, _ = bench.prepare()
    task = asyncio.create_task(bench.runner(run).execute())
    await asyncio.sleep(1.2)
    bench.store.update_run(run.id, cancel=True)
    with pytest.raises(Cancelled):
        await task
    assert asyncio.get_running_loop().time() < 3.5
    answered = [key for key, status in bench.statuses(run).items() if status == "ok"]
    assert len(answered) == len(bench.transport.sent) == 8
    assert bench.queue.waiting


@pytest.mark.parametrize(("latency_s", "kept"), [(1.0, True), (20.0, False)])
async def test_an_interruption_waits_for_what_is_in_flight(
    latency_s: float, kept: bool
) -> None:
    """But not for ever; the tallies and the governor's state are stored."""
    bench = JobBench(ScriptedTransport(plain, latency_s=latency_s), KEYS)
    run, _ = bench.prepare()
    runner = bench.runner(run)
    task = asyncio.create_task(runner.execute())
    await asyncio.sleep(0.3)
    runner.stop(Interrupted("interrupted by SIGINT", signal=2))
    runner.stop(Cancelled("too late"))
    with pytest.raises(Interrupted):
        await task
    assert asyncio.get_running_loop().time() < 4.0
    assert bench.transport.cut_off == (0 if kept else 4)
    assert list(bench.statuses(run).values()).count("ok") == (4 if kept else 0)
    assert bench.stored(run).tallies["requests"]["sent"] == 4
    state = bench.store.provider(run.provider).state
    assert state is not None
    assert '"final":true' in state.replace(" ", "")


async def test_a_resumed_run_asks_for_the_rest() -> None:
    """Nothing twice; requests and waits are summed over all its starts."""
    bench = JobBench(ScriptedTransport(plain, latency_s=1.0), KEYS, policy=policy_of("2/s"))
    starts = 0
    while True:
        run, resumed = bench.prepare()
        assert resumed == (starts > 0)
        runner = bench.runner(run)
        task = asyncio.create_task(runner.execute())
        starts += 1
        await asyncio.wait([task], timeout=2.6)
        if task.done():
            break
        runner.stop(Interrupted("interrupted", signal=15))
        with pytest.raises(Interrupted):
            await task
        bench.store.update_run(run.id, state=RunState.INTERRUPTED)
    await task
    assert starts >= 3
    assert Counter(bench.transport.targets) == {f"/{key}": 1 for key in KEYS}
    assert bench.stored(run).tallies["requests"]["sent"] == 20
    assert bench.stored(run).tallies["waits_s"]["quota"] > 4.0


async def test_a_cancelled_task_puts_the_books_right() -> None:
    """Whoever cancels `execute` itself gets the same wind-down as a stop."""
    bench = JobBench(ScriptedTransport(plain, latency_s=1.0), KEYS)
    run, _ = bench.prepare()
    task = asyncio.create_task(bench.runner(run).execute())
    await asyncio.sleep(1.5)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert bench.transport.closed
    assert list(bench.statuses(run).values()).count("ok") == 8
    assert bench.stored(run).tallies["requests"]["sent"] == 8


async def test_the_time_left_counts_a_running_cooldown() -> None:
    """The pause first, and then the rest of the records."""
    throttled = [answer(body=7), answer(429, retry_after="600")]
    transport = ScriptedTransport(
        lambda _: throttled.pop(0) if throttled else answer(body=7), latency_s=1.0
    )
    bench = JobBench(transport, KEYS, policy=policy_of(max_in_flight=1))
    run, _ = bench.prepare()
    task = asyncio.create_task(bench.runner(run).execute())
    await asyncio.sleep(300)
    left_s = bench.reporter.snapshots[-1]["eta_s"]
    await task
    assert 300 < left_s < 360
    assert bench.reporter.snapshots[0]["eta_s"] is None


async def test_a_provider_that_says_later_suspends_the_run() -> None:
    """What was answered is kept; after the wait the same job goes on."""
    throttled = [answer(), answer(429, retry_after="7200")]
    transport = ScriptedTransport(
        lambda _: throttled.pop(0) if throttled else answer(body=7), latency_s=0.1
    )
    bench = JobBench(
        transport,
        KEYS,
        policy=policy_of(max_in_flight=1),
        patience=Patience(max_wait_s=1800.0, reach_within_s=60.0),
    )
    run, _ = bench.prepare()
    with pytest.raises(Suspended, match="--max-wait"):
        await bench.runner(run).execute()
    bench.store.update_run(run.id, state=RunState.SUSPENDED)
    assert len(transport.sent) == 2
    again, resumed = bench.prepare()
    assert (again.id, resumed) == (run.id, True)
    with pytest.raises(Suspended, match="--max-wait"):
        await bench.runner(again).execute()  # too soon: it asks nobody
    assert len(transport.sent) == 2
    await asyncio.sleep(7200)
    await bench.runner(bench.stored(run)).execute()
    assert set(bench.statuses(run).values()) == {"ok"}
    assert len(transport.sent) == 21


async def test_a_store_that_fails_ends_the_run_at_once() -> None:
    """With its error; nothing more is sent on a ledger that cannot be written."""
    transport = ScriptedTransport(plain, latency_s=0.1)
    bench = JobBench(transport, KEYS, policy=policy_of(max_in_flight=1))
    run, _ = bench.prepare()
    task = asyncio.create_task(bench.runner(run).execute())
    await asyncio.sleep(0.45)
    bench.store.fault = StateError("the disk is full")
    with pytest.raises(StateError):
        await task
    assert len(transport.sent) <= 6
    bench.store.fault = None
    again, resumed = bench.prepare()
    assert resumed
    await bench.runner(again).execute()
    assert set(bench.statuses(run).values()) == {"ok"}
    asked = Counter(transport.targets)
    assert sum(asked.values()) - len(KEYS) <= 1


async def test_midnight_between_an_interruption_and_the_next_command() -> None:
    """Another day is another period: a new run, and the old one is superseded."""
    bench = JobBench(ScriptedTransport(plain, latency_s=1.0), KEYS)
    run, _ = bench.prepare()
    runner = bench.runner(run)
    task = asyncio.create_task(runner.execute())
    await asyncio.sleep(1.5)
    runner.stop(Interrupted("interrupted", signal=15))
    with pytest.raises(Interrupted):
        await task
    bench.store.update_run(run.id, state=RunState.INTERRUPTED)
    bench.clock = FakeClock(bench.clock.start_s + 86_400.0)
    later, resumed = bench.prepare()
    assert not resumed
    assert later.id != run.id
    assert later.settled_before == 0
    old = bench.stored(run)
    assert (old.state, old.message) == (RunState.SUPERSEDED, f"by run {later.id}")
    await bench.runner(later).execute()
    assert set(bench.statuses(later).values()) == {"ok"}
    assert bench.statuses(run)["k0"] == "ok"  # the other day's entries stay as they were


async def test_yesterdays_run_resumed_today_keeps_its_day() -> None:
    """`runs resume` names it: it finishes what it had not asked, under its own day."""
    bench = JobBench(ScriptedTransport(plain, latency_s=1.0), KEYS)
    run, _ = bench.prepare()
    runner = bench.runner(run)
    task = asyncio.create_task(runner.execute())
    await asyncio.sleep(1.5)
    runner.stop(Interrupted("interrupted", signal=15))
    with pytest.raises(Interrupted):
        await task
    bench.clock = FakeClock(bench.clock.start_s + 86_400.0)
    await bench.runner(bench.stored(run)).execute()
    assert Counter(bench.transport.targets) == {f"/{key}": 1 for key in KEYS}
    assert set(bench.statuses(run).values()) == {"ok"}


async def test_another_catalogue_supersedes_the_unfinished_run() -> None:
    """It asks for nothing that the old one has settled."""
    bench = JobBench(ScriptedTransport(plain, latency_s=1.0), KEYS)
    run, _ = bench.prepare()
    runner = bench.runner(run)
    task = asyncio.create_task(runner.execute())
    await asyncio.sleep(1.5)
    runner.stop(Interrupted("interrupted", signal=15))
    with pytest.raises(Interrupted):
        await task
    bench.keys = [*KEYS, "new"]
    later, resumed = bench.prepare()
    assert not resumed
    assert later.settled_before == 8
    assert bench.stored(run).state is RunState.SUPERSEDED
    await bench.runner(later).execute()
    assert Counter(bench.transport.targets) == {f"/{key}": 1 for key in bench.keys}


async def test_a_refresh_asks_once_for_each_across_its_starts() -> None:
    """Settled or not before; what its first start refreshed, its second leaves alone."""
    bench = JobBench(ScriptedTransport(plain, latency_s=1.0), KEYS)
    done = await bench.execute()
    bench.store.update_run(done.id, state=RunState.DONE)
    sent = len(bench.transport.sent)
    bench.refresh = True
    await asyncio.sleep(1)
    run, _ = bench.prepare()
    runner = bench.runner(run)
    task = asyncio.create_task(runner.execute())
    await asyncio.sleep(1.5)
    runner.stop(Interrupted("interrupted", signal=15))
    with pytest.raises(Interrupted):
        await task
    again, resumed = bench.prepare()
    assert (again.id, resumed) == (run.id, True)
    await bench.runner(again).execute()
    assert Counter(bench.transport.targets[sent:]) == {f"/{key}": 1 for key in KEYS}


async def test_a_run_that_is_all_settled_asks_nobody() -> None:
    """The next command of the same day: no chunks, no requests."""
    bench = JobBench(ScriptedTransport(plain), KEYS)
    first = await bench.execute()
    bench.store.update_run(first.id, state=RunState.DONE)
    sent = len(bench.transport.sent)
    second = await bench.execute()
    assert second.id != first.id
    assert (second.records, second.settled_before) == (20, 20)
    assert len(bench.transport.sent) == sent


async def test_a_retry_waits_its_delay_over_a_restart() -> None:
    """Interrupted while a chunk waits for its retry: it is made when it was due."""
    bench = JobBench(failing("k3"), KEYS, tries=1)
    run, _ = bench.prepare()
    runner = bench.runner(run)
    task = asyncio.create_task(runner.execute())
    await asyncio.sleep(100)
    runner.stop(Interrupted("interrupted", signal=15))
    with pytest.raises(Interrupted):
        await task
    assert [attempt for _, attempt in bench.queue.waiting] == [2]
    await bench.runner(bench.stored(run)).execute()
    times = [at_s for at_s, request in bench.transport.sent if request.target == "/k3"]
    assert times[1] - times[0] == pytest.approx(300.0, abs=1.0)
    assert "tried again in" in str(bench.reporter.snapshots[-1]["limited_by"])
