"""What every store keeps of a record beside its number: documents and memories."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from ventil.adapters.sql import open_store
from ventil.core.model import Kept, Sample, Status
from ventil.ports import Store
from ventil.testing import EPOCH_S, MemoryStore

DAY = "2025-11-17"
SERIES = "changelogs@1f3a/week"


@pytest.fixture(params=["memory", "sqlite"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """An empty store of each kind."""
    opened: Store = (
        MemoryStore()
        if request.param == "memory"
        else open_store(f"sqlite:///{tmp_path}/ventil.sqlite")
    )
    yield opened
    opened.close()


def put(store: Store, kept: Kept | None, at_s: float = EPOCH_S) -> None:
    """Record a number with what is to be kept."""
    sample = Sample("a@1", Status.OK, 1, kept=kept)
    store.record(SERIES, DAY, "r1", [(sample, at_s)])


def test_what_a_sample_keeps_is_found_under_its_name(store: Store) -> None:
    """Body and memory, byte by byte, with the time; nothing under other names and series."""
    body = b"\x00" + "\u00e9".encode() * 1000
    put(store, Kept("a", body, b"\xff"))
    assert store.kept(SERIES, "a") == Kept("a", body, b"\xff", EPOCH_S)
    assert store.kept(SERIES, "a@1") is None
    assert store.kept("other", "a") is None


def test_what_is_left_out_stays_as_it_was(store: Store) -> None:
    """None leaves body or memory as they were; an empty one takes their place."""
    put(store, Kept("a", b"body", b"memory"))
    put(store, Kept("a", None, b"newer"), EPOCH_S + 1)
    assert store.kept(SERIES, "a") == Kept("a", b"body", b"newer", EPOCH_S + 1)
    put(store, Kept("a", b"", None), EPOCH_S + 2)
    assert store.kept(SERIES, "a") == Kept("a", b"", b"newer", EPOCH_S + 2)
    put(store, None, EPOCH_S + 3)
    assert store.kept(SERIES, "a") == Kept("a", b"", b"newer", EPOCH_S + 2)


def test_pruning_leaves_what_is_kept(store: Store) -> None:
    """Documents outlive the samples they came with."""
    put(store, Kept("a", b"body", b"memory"))
    store.prune(before_day="2030-01-01", keep_runs=1)
    assert store.kept(SERIES, "a") == Kept("a", b"body", b"memory", EPOCH_S)


def test_a_database_of_the_first_version_is_brought_forward(tmp_path: Path) -> None:
    """What is in it stays, and what came later works."""
    url, file = f"sqlite:///{tmp_path}/ventil.sqlite", tmp_path / "ventil.sqlite"
    first = open_store(url)
    put(first, None)
    first.close()
    with closing(sqlite3.connect(file)) as db:
        db.executescript("DROP TABLE kept; UPDATE ventil_version SET version = 1")
    later = open_store(url)
    assert later.settled(SERIES, DAY, ["a@1"]) == {"a@1"}
    put(later, Kept("a", b"body"))
    assert later.kept(SERIES, "a") == Kept("a", b"body", None, EPOCH_S)
    later.close()
    with closing(sqlite3.connect(file)) as db:
        (version,) = db.execute("SELECT version FROM ventil_version").fetchone()
    assert version >= 2
