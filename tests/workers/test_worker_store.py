"""What one worker of many writes: fenced, in one statement, and never over what is better."""

from __future__ import annotations

import asyncio
import datetime as dt

import pytest

from postgres_server import PostgresServer
from ventil.adapters.recorder import SampleRecorder
from ventil.adapters.sql import SqlStore, open_store, upgrade_database
from ventil.adapters.worker_store import WorkerStore
from ventil.core.model import Interval, Sample, Status
from ventil.errors import Fenced
from ventil.ports import ChunkRow, Run, RunState

WEEK = Interval(dt.date(2025, 11, 14), dt.date(2025, 11, 20))
MONTH = Interval(dt.date(2025, 10, 21), dt.date(2025, 11, 20))
DAY, SERIES, NOW_S = "2025-11-21", "plain@localhost/last-week", 1_763_700_000.0


@pytest.fixture
def url(postgres: PostgresServer) -> str:
    """A database with our schema and a worker `w` in it."""
    url = postgres.database()
    upgrade_database(url)
    postgres.run(
        "INSERT INTO ventil.worker (id, host, providers, slots, version, joined_s, seen_s)"
        " VALUES ('w', 'h', '[]', 1, '1', 0, 0)",
        database=url,
    )
    return url


def run_of(name: str, day: str = DAY, state: RunState = RunState.RUNNING) -> Run:
    """A run as it is created."""
    return Run(
        id=name, job="stats", fingerprint="f", state=state, provider="plain@localhost",
        series=SERIES, period="last-week", interval=WEEK, day=day, output="stats.json",
        refresh=False, tolerate=0.05, created_s=NOW_S, finished_s=None, records=3,
        settled_before=0,
    )  # fmt: skip


def record(url: str, store: WorkerStore, *samples: Sample) -> None:
    """Have samples written as a worker does."""

    async def work() -> None:
        recorder = SampleRecorder(url, store)
        try:
            await recorder.record(SERIES, DAY, "r", [(sample, NOW_S) for sample in samples])
        finally:
            await recorder.close()

    asyncio.run(work())


def stored(store: SqlStore, *keys: str) -> list[tuple[Status, int | None, str]]:
    """What stands of these records."""
    return [
        (entry.sample.status, entry.sample.value, entry.sample.detail)
        for _, entry, _ in store.entries(SERIES, DAY, keys)
        if entry is not None
    ]


def end(postgres: PostgresServer, url: str) -> None:
    """The worker is given up."""
    postgres.run("UPDATE ventil.worker SET gone = 'silent'", database=url)


def test_samples_are_written_beside_what_is_better(url: str) -> None:
    """By the rules of every store, whatever their statuses and days are."""
    store = WorkerStore(url, "w")
    record(url, store, Sample("a", Status.OK, 1, WEEK))  # the first of its series
    record(
        url,
        store,
        Sample("b", Status.OK, 2, MONTH),
        Sample("a", Status.FAILED, detail="500 \0"),
        Sample("c", Status.FAILED, detail="500 \0"),
    )
    record(url, store, Sample("c", Status.FAILED, detail="1"), Sample("c", Status.OK, 3, WEEK))
    record(url, store, Sample("b", Status.UNKNOWN, detail="gone"))
    assert stored(store, "a", "b", "c") == [
        (Status.OK, 1, ""),
        (Status.UNKNOWN, None, "gone"),
        (Status.OK, 3, ""),
    ]
    good = store.good(SERIES, ["a", "b", "c"])
    assert {key: one.value for key, one in good.items()} == {"a": 1, "b": 2, "c": 3}
    assert good["b"].interval == MONTH
    assert [e.attempts for _, e, _ in store.entries(SERIES, DAY, ["c"]) if e] == [3]
    store.close()


def test_a_worker_that_was_given_up_writes_nothing(url: str, postgres: PostgresServer) -> None:
    """No sample, no claim, no end of an attempt, no tally."""
    store = WorkerStore(url, "w")
    record(url, store, Sample("a", Status.OK, 1, WEEK))
    store.create_run(run_of("r"), ["a"], [ChunkRow(0, (("a",),), 0, 0, False, NOW_S)])
    assert store.claim("r", 1, NOW_S) == [(0, 0)]
    assert store.chunk("r", 0).batches == (("a",),)
    end(postgres, url)
    with pytest.raises(Fenced):
        record(url, store, Sample("b", Status.OK, 2, WEEK))
    with pytest.raises(Fenced):
        store.end_attempt("r", 0, attempts=1, failed=0, finished=True, at_s=NOW_S)
    store.update_run("r", tallies={"requests": {}})
    assert store.claim("r", 1, NOW_S) == []
    assert stored(store, "b") == []
    assert store.part("r") == {}
    assert store.chunk_progress("r") == [(0, 0, 0, False)]
    store.close()


def test_a_claim_of_which_no_word_came_back_is_given_back(url: str) -> None:
    """And those under way are kept."""
    store = WorkerStore(url, "w")
    chunks = [ChunkRow(n, ((str(n),),), 0, 0, False, NOW_S) for n in range(3)]
    store.create_run(run_of("r"), ["0", "1", "2"], chunks)
    assert len(store.claim("r", 3, NOW_S)) == 3
    store.keep("r", [1])
    assert [index for index, _ in store.claim("r", 3, NOW_S)] == [0, 2]
    store.close()


def test_a_day_is_folded_once_nobody_works_on_it(url: str) -> None:
    """Creating a run folds the days before; a small run never folds a large one's again."""
    store = WorkerStore(url, "w")
    people = open_store(url)

    def unfolded() -> list[str]:
        with people._database.direct() as db:
            return [row[0] for row in db.execute("SELECT day FROM unfolded ORDER BY day")]

    record(url, store, Sample("a", Status.OK, 1, WEEK))
    people.create_run(run_of("same-day"), [], [])
    people.create_run(run_of("next-day", "2025-11-22"), [], [])
    assert unfolded() == [DAY]  # same-day is running
    people.prune(before_day="2025-11-22", keep_runs=50)
    assert len(stored(people, "a")) == 1  # not lost before it is folded
    people.update_run("same-day", state=RunState.DONE, finished_s=NOW_S)
    people.create_run(run_of("a-day-later", "2025-11-23"), [], [])
    assert unfolded() == []
    assert people.good(SERIES, ["a"])["a"].value == 1
    people.prune(before_day="2025-11-22", keep_runs=50)
    assert stored(people, "a") == []
    assert people.good(SERIES, ["a"])["a"].value == 1
    people.close()
    store.close()


def test_last_good_values_are_those_of_the_latest_day(url: str) -> None:
    """Of days that are folded already, and of days that are not; as any other store says."""
    store, plain = WorkerStore(url, "w"), open_store(url)
    try:
        for number, day in enumerate(("2025-11-19", "2025-11-20")):
            keys = ("a", "b") if number == 0 else ("b", "c")
            plain.create_run(run_of(f"r{number}", day), keys, ())
            samples = [(Sample(k, Status.OK, 10 * number + 1, WEEK), NOW_S) for k in keys]
            plain.record(SERIES, day, f"r{number}", samples)
            plain.update_run(f"r{number}", state=RunState.DONE)  # the next one folds its day
        asked = ("a", "b", "c", "d")
        found = [*store.entries(SERIES, DAY, asked)]
        assert found == [*plain.entries(SERIES, DAY, asked)]
        assert [good and good.value for _, _, good in found] == [1, 11, 11, None]
    finally:
        store.close()
        plain.close()
