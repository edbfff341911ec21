"""Workers that share a Postgres: elections, grants, the gone, and a database that goes away."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from itertools import count

import psycopg
import pytest

from postgres_server import PostgresServer
from ventil.adapters import pacing, roster, terms
from ventil.adapters.pacing import Pacing
from ventil.adapters.postgres import conninfo
from ventil.adapters.sql import upgrade_database
from ventil.adapters.worker_store import WorkerStore
from ventil.core.exchange import Outcome, Verdict
from ventil.core.governor import Governor, GovernorState, Policy, Quota
from ventil.core.permit import Permit
from ventil.core.snapshot import GovernorState as State
from ventil.errors import Fenced

KEY = "plain@localhost"
MOST_S = 60.0


@pytest.fixture
def url(postgres: PostgresServer) -> str:
    """A database with our schema."""
    url = postgres.database()
    upgrade_database(url)
    return url


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beats, terms and silences that are shorter, for tests."""
    monkeypatch.setattr(pacing, "BEAT_S", 0.1)
    monkeypatch.setattr(terms, "TERM_S", 2.0)
    monkeypatch.setattr(roster, "ENDED_S", 0.5)


def worker_of(url: str, name: str, notes: list[str], *quotas: str, most: int = 5) -> Pacing:
    """A worker that serves one provider."""
    policy = Policy(
        quotas=tuple(Quota.parse(text) for text in quotas),
        max_in_flight=most,
        adaptive=False,
        timeout_s=1.0,
    )

    def governor(now_s: float, state: GovernorState | None, lost_s: float) -> Governor:
        return Governor(policy, now_s, state=state, lost_s=lost_s)

    return Pacing(
        url,
        worker=name,
        host="here",
        slots=1,
        version="1",
        governors={KEY: governor},
        timeouts_s={KEY: 1.0},
        note=notes.append,
    )


async def permit_of(worker: Pacing, run: str = "run", *, pending: int = 1) -> Permit:
    """A permit, as soon as there is one."""
    governor = worker.leases[KEY].governor(run)
    while True:
        answer = governor.admit(worker.clock.now_s(), pending=pending)
        if isinstance(answer, Permit):
            return answer
        await asyncio.sleep(0.005)


def settle(worker: Pacing, permit: Permit) -> None:
    """It was answered."""
    governor = worker.leases[KEY].governor("run")
    governor.settle(permit, worker.clock.now_s(), Outcome(Verdict.LIVE))


async def kill(worker: Pacing) -> None:
    """Its connections close, as those of a killed process do; it says nothing."""
    assert worker._task is not None
    worker._task.cancel()
    with suppress(asyncio.CancelledError):
        await worker._task


async def until(done: Callable[[], bool]) -> None:
    """Return when *done* says so."""
    while not done():  # noqa: ASYNC110 - the other side is a server
        await asyncio.sleep(0.01)


def tell(story: Callable[[], Coroutine[None, None, None]]) -> None:
    """Run a story, not for ever."""

    async def bounded() -> None:
        async with asyncio.timeout(MOST_S):
            await story()

    asyncio.run(bounded())


def test_two_workers_share_the_slots(url: str, quick: None) -> None:
    """Never more than the limit between them; what one gives back the other gets."""

    async def story() -> None:
        one, two = worker_of(url, "one", []), worker_of(url, "two", [])
        await one.join()
        await two.join()
        mine = [await permit_of(one, pending=n) for n in (3, 2, 1)]
        theirs = [await permit_of(two, pending=n) for n in (2, 1)]
        more = asyncio.create_task(permit_of(two))
        await asyncio.sleep(0.3)
        assert not more.done()
        settle(one, mine[0])
        theirs.append(await more)
        assert len({p.number for p in (*mine, *theirs)}) == 6
        for worker in (one, two):
            await worker.leave()

    tell(story)


def test_the_pacer_may_leave(url: str, quick: None) -> None:
    """Another one goes on, with what was learned and what was sent."""

    async def story() -> None:
        one, two = (worker_of(url, name, [], "3/100s") for name in ("one", "two"))
        await one.join()
        settle(one, await permit_of(one))
        await two.join()
        settle(two, await permit_of(two))
        await asyncio.sleep(0.1)  # the word of it is on its way
        await one.leave()
        settle(two, await permit_of(two))
        last = asyncio.create_task(permit_of(two))
        await asyncio.sleep(0.5)
        assert not last.done()
        last.cancel()
        await two.leave()

    tell(story)


def test_a_worker_that_ends_is_noticed(url: str, quick: None) -> None:
    """Its slots come back, its chunks are free; it was the pacer, too."""

    async def story() -> None:
        notes: list[str] = []
        one, two = worker_of(url, "one", [], most=1), worker_of(url, "two", notes, most=1)
        await one.join()
        await permit_of(one)
        await two.join()
        await kill(one)
        await permit_of(two)
        await until(lambda: any("one is gone" in note for note in notes))
        await two.leave()

    tell(story)


@pytest.fixture
def patient(quick: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """No term ends by itself, and nobody is given up, in the time that a test has."""
    monkeypatch.setattr(terms, "TERM_S", 100 * MOST_S)
    monkeypatch.setattr(roster, "ENDED_S", 100 * MOST_S)


def test_a_killed_pacer_is_followed_at_once(url: str, patient: None) -> None:
    """Its term ends with its session; whatever it granted last, no window is exceeded."""

    async def story() -> None:
        quota = Quota.parse("6/2s")
        workers = [worker_of(url, name, [], str(quota)) for name in ("one", "two", "three")]
        sent: list[float] = []

        async def work(worker: Pacing) -> None:
            while True:
                permit = await permit_of(worker, pending=3)
                sent.append(permit.sent_s)
                settle(worker, permit)

        for worker in workers:
            await worker.join()
        tasks = {worker.worker: asyncio.create_task(work(worker)) for worker in workers}

        def pacers() -> list[Pacing]:
            return [worker for worker in workers if KEY in worker._terms.mine]

        for left in (2, 1):
            least = len(sent) + 8
            await until(lambda least=least: len(sent) >= least and pacers() != [])  # type: ignore[misc]
            [pacer] = pacers()
            tasks.pop(pacer.worker).cancel()
            workers.remove(pacer)
            await kill(pacer)
            assert len(workers) == left
        least = len(sent) + 8
        await until(lambda: len(sent) >= least)
        tasks.popitem()[1].cancel()
        await workers[0].leave()
        sent.sort()
        for first, beyond in zip(sent, sent[quota.allowance :], strict=False):
            assert beyond - first > quota.window_s

    tell(story)


def test_who_has_no_session_gets_no_grants(url: str, patient: None) -> None:
    """It would not hear of them; all slots are for the others, once its requests are over."""

    async def story() -> None:
        one, two = worker_of(url, "one", [], most=2), worker_of(url, "two", [], most=2)
        await one.join()
        settle(one, await permit_of(one))
        await two.join()
        for _ in range(2):
            await permit_of(two, pending=3)
        await kill(two)
        for pending in (2, 1):
            await permit_of(one, pending=pending)
        await one.leave()

    tell(story)


def test_who_is_urgent_is_heard_on_the_way(url: str, quick: None) -> None:
    """A worker's wants for a run that a person waits for reach the pacer."""

    async def story() -> None:
        one, two = worker_of(url, "one", []), worker_of(url, "two", [])
        await one.join()
        settle(one, await permit_of(one))  # it paces
        await two.join()
        governor = two.leases[KEY].governor("u", urgent=True)
        await until(lambda: isinstance(governor.admit(two.clock.now_s(), pending=1), Permit))
        for worker in (one, two):
            await worker.leave()

    tell(story)


def test_who_was_given_up_is_fenced(url: str, quick: None) -> None:
    """A late write changes nothing, and the worker hears of it."""

    async def story() -> None:
        one = worker_of(url, "one", [])
        await one.join()
        store = WorkerStore(url, "one")
        store.pause_provider(KEY, "asked to")
        with psycopg.connect(conninfo(url), autocommit=True) as db:
            db.execute("UPDATE ventil.worker SET gone = 'silent' WHERE id = 'one'")
        with pytest.raises(Fenced):
            store.pause_provider(KEY, None)
        with pytest.raises(Fenced):
            store.update_run("r", message="late")
        assert store.provider(KEY).paused == "asked to"
        with pytest.raises(Fenced):
            await one.lost
        store.close()
        await one.leave()

    tell(story)


def test_the_database_may_go_away(postgres: PostgresServer, url: str, quick: None) -> None:
    """Nothing is granted while it is away; when it is back the workers go on, both of them."""

    async def story() -> None:
        notes: list[str] = []
        one, two = worker_of(url, "one", notes), worker_of(url, "two", notes)
        await one.join()
        await two.join()
        settle(one, await permit_of(one))
        settle(two, await permit_of(two))
        postgres.crash()
        try:
            await until(lambda: any("cannot be reached" in note for note in notes))
            held = asyncio.create_task(permit_of(two))
            await asyncio.sleep(0.3)
            assert not held.done()
        finally:
            postgres.start()  # in this thread: the server ends with it
        settle(two, await held)
        settle(one, await permit_of(one))
        assert not one.lost.done()
        assert not two.lost.done()
        for worker in (one, two):
            await worker.leave()

    tell(story)


def test_a_stopped_clock_is_nobodys_business(url: str, quick: None) -> None:
    """A worker's time is the database's, whatever its machine says."""

    async def story() -> None:
        one = worker_of(url, "one", [])
        one.clock._elapsed = lambda: 1_000.0 + asyncio.get_running_loop().time()
        await one.join()
        with psycopg.connect(conninfo(url)) as db:
            row = db.execute("SELECT extract(epoch FROM clock_timestamp())::float8").fetchone()
        assert row is not None
        assert abs(one.clock.now_s() - row[0]) < 5.0
        await one.leave()

    tell(story)


def test_the_time_is_known_well_before_the_first_grant(url: str, quick: None) -> None:
    """Who is not let run while it reads the clock first reads it again."""

    async def story() -> None:
        one = worker_of(url, "one", [])
        steady, calls = one.clock._elapsed, count()
        one.clock._elapsed = lambda: steady() + (10.0 if next(calls) else 0.0)
        read: list[float] = []
        note, one.clock.read = (
            one.clock.read,
            lambda *at: (read.append(at[2] - at[0]), note(*at)),
        )  # type: ignore[method-assign,assignment,func-returns-value]
        async with await one._connect() as connection:
            await one._read_clock(connection)
        assert read[0] >= 10.0
        assert len(read) >= 2
        assert one.clock.error_s <= min(read)

    tell(story)


def test_the_state_is_stored_for_the_next(url: str, quick: None) -> None:
    """What a single process reads later: windows and all."""

    async def story() -> None:
        one = worker_of(url, "one", [], "3/100s")
        await one.join()
        for _ in range(2):
            settle(one, await permit_of(one))
        await asyncio.sleep(0.05)
        await one.leave()
        store = WorkerStore(url, "one")
        text = store.provider(KEY).state
        assert text is not None
        state = State.from_json(text)
        assert state.final
        assert sum(weight for _, weight in state.windows[0].log) == 2
        store.close()

    tell(story)
