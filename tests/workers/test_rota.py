"""Which runs a worker works on: of its shards, due and nobody's, so many at once."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator

import psycopg
import pytest

from postgres_server import PostgresServer
from ventil.adapters.postgres import conninfo
from ventil.adapters.sql import open_store, upgrade_database
from ventil.adapters.worker_store import WorkerStore
from ventil.core.model import Interval
from ventil.core.places import TURN_S
from ventil.ports import ChunkRow, Run, RunState
from ventil.wiring.rota import Rota

KEYS = [f"p{number}@h" for number in range(12)]
NEEDS = {key: frozenset({key}) for key in KEYS}
WORKERS = ["v", "w", "x"]


def run_of(name: str, key: str = KEYS[0], *, urgent: bool = False) -> Run:
    """A run that begins where its name says among the others."""
    day = dt.date(2026, 11, 20)
    return Run(
        id=name,
        job=name,
        fingerprint=name,
        state=RunState.RUNNING,
        provider=key,
        series=key,
        period="last-day",
        interval=Interval(day, day),
        day="2026-11-21",
        output=name,
        refresh=False,
        tolerate=0.0,
        created_s=1000.0 + ord(name[0]),
        finished_s=None,
        records=1,
        settled_before=0,
        urgent=urgent,
    )


@pytest.fixture
def url(postgres: PostgresServer) -> str:
    """A database with our schema and three workers that serve everybody."""
    url = postgres.database()
    upgrade_database(url)
    with psycopg.connect(conninfo(url)) as db:
        for worker in WORKERS:
            db.execute(
                "INSERT INTO ventil.worker (id, host, providers, slots, version, joined_s,"
                " seen_s) VALUES (%s, 'h', %s, 2, '1', 0, 0)",
                (worker, "[" + ", ".join(f'"{key}"' for key in KEYS) + "]"),
            )
    return url


@pytest.fixture
def store(url: str) -> Iterator[WorkerStore]:
    """The store in the hands of worker w."""
    store = WorkerStore(url, "w")
    yield store
    store.close()


def submit(url: str, *runs: Run, chunks: int = 1) -> None:
    """Queue runs."""
    store = open_store(url)
    for run in runs:
        rows = [ChunkRow(n, ((f"{run.id}{n}",),), 0, 0, False, 0.0) for n in range(chunks)]
        store.create_run(run, ["a"], rows)
    store.close()


def test_what_is_due_and_nobodys(url: str, store: WorkerStore) -> None:
    """Not what others work on, nor what is to be tried later, is over or was cancelled; urgent
    runs first, then the oldest; what this worker could not give back is its own again."""
    submit(url, *(run_of(name) for name in "dbcea"), run_of("z", urgent=True))
    store.update_run("c", cancel=True)
    other = WorkerStore(url, "v")
    assert other.claim("b", 1, 0.0)
    other.close()
    assert store.claim("d", 1, 0.0)
    assert store.claim("e", 1, 0.0)
    store.let_go("e", 0, 1e12)
    found = store.runs_to_work_on(KEYS)
    assert found == [("z", KEYS[0], True), ("a", KEYS[0], False), ("d", KEYS[0], False)]
    assert store.runs_to_work_on(KEYS[1:]) == []


def test_a_run_that_nobody_works_on_is_cancelled(url: str, store: WorkerStore) -> None:
    """At a worker's next look; one that somebody works on ends there."""
    submit(url, run_of("a"), run_of("b"))
    assert store.claim("b", 1, 0.0)
    for run in "ab":
        store.update_run(run, cancel=True)
    Rota("w", NEEDS, slots=2).look(store, 0.0)
    found = {run.id: run.state for run in store.runs()}
    assert found == {"a": RunState.CANCELLED, "b": RunState.RUNNING}


def test_runs_of_a_provider_share_its_slots(url: str, store: WorkerStore) -> None:
    """Another provider has slots of its own; who waits has a turn."""
    submit(url, run_of("a"), run_of("b"), run_of("c"), run_of("d", KEYS[1]), chunks=5)
    rota = Rota("w", NEEDS, slots=2)
    assert set(rota.look(store, 0.0).begin) == {"a", "b", "d"}
    assert [rota.share(run) for run in "abcd"] == [1, 1, 0, 2]
    assert rota.look(store, TURN_S - 1).end == ()
    assert rota.look(store, TURN_S).end == ("a",)
    rota.over("a")
    assert rota.look(store, TURN_S + 1).begin == ("c",)


def test_every_provider_is_served(url: str, store: WorkerStore) -> None:
    """By so many of the workers as a shard has; who was in it and is not any more, ends."""
    names = "abcdefghijkl"
    submit(url, *(run_of(n, key) for n, key in zip(names, KEYS, strict=True)), chunks=5)
    rotas = {worker: Rota(worker, NEEDS, slots=2, size=2) for worker in WORKERS}
    served = [run for rota in rotas.values() for run in rota.look(store, 0.0).begin]
    assert sorted(served) == sorted(names * 2)
    with psycopg.connect(conninfo(url), autocommit=True) as db:
        db.execute("UPDATE ventil.worker SET gone = 'ended' WHERE id = 'x'")
        more = [run for worker in "vw" for run in rotas[worker].look(store, 1.0).begin]
        assert len(served) - len(rotas["x"]._key_of) + len(more) == 2 * len(names)
        db.execute("UPDATE ventil.worker SET gone = NULL WHERE id = 'x'")
        ended = [run for worker in "vw" for run in rotas[worker].look(store, 2.0).end]
    assert sorted(ended) == sorted(more)
