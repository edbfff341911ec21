"""Cancel, resume and an early end meet: the last word of a person stands, on both databases."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace

import pytest

from orders import ORDERS
from ventil.adapters.sql import SqlStore, open_store
from ventil.core.fold import Counts
from ventil.errors import Cancelled, Interrupted, StateError, Suspended, VentilError
from ventil.ports import ChunkRow, Run, RunState
from ventil.wiring.asked import Result
from ventil.wiring.execution import close

OVER = [state for state in RunState if not state.resumable]
ENDINGS = [Cancelled("c"), Suspended("s"), Interrupted("i", signal=15), StateError("gone")]


@pytest.fixture
def store(url: str) -> Iterator[SqlStore]:
    """A run of one chunk, on a database of each kind."""
    store = open_store(url)
    store.create_run(ORDERS, ["a"], [ChunkRow(0, (("a",),), 0, 0, False, 1.0)])
    yield store
    store.close()


def stands(store: SqlStore) -> Run:
    """The run as it is stored."""
    run = store.run("r1")
    assert run is not None
    return run


def end(store: SqlStore, error: VentilError) -> Result:
    """A process that followed the run since it began ends early with *error*."""

    async def publish(suspended: str | None) -> tuple[Counts, bool]:
        return Counts(1, 1, 0, 0, 0, 0), False

    return asyncio.run(close(ORDERS, store, error, publish))


def test_resumed_before_the_end_is_noted(store: SqlStore) -> None:
    """Cancelled, seen by its follower, resumed by another command; only then the end of the
    first is noted. That late word changes nothing.
    """
    assert store.cancel_run("r1", worked_on=False) is RunState.CANCELLED
    assert store.reopen_run(stands(store))
    assert end(store, Cancelled("c")).exit_code == 1
    assert (stands(store).state, stands(store).cancel) == (RunState.RUNNING, False)


@pytest.mark.parametrize("error", ENDINGS)
def test_cancelled_before_the_end_is_noted(store: SqlStore, error: VentilError) -> None:
    """However it ends then, it ends cancelled, and says so."""
    store.update_run("r1", cancel=True)
    result = end(store, error)
    assert stands(store).state is RunState.CANCELLED
    assert result.run.state is RunState.CANCELLED
    if isinstance(error, Suspended):
        assert isinstance(result.error, Cancelled)


@pytest.mark.parametrize("error", ENDINGS)
@pytest.mark.parametrize("state", OVER)
def test_over_before_the_end_is_noted(
    store: SqlStore, state: RunState, error: VentilError
) -> None:
    """What another command has brought to an end stays so."""
    store.update_run("r1", state=state, cancel=state is RunState.CANCELLED)
    end(store, error)
    assert stands(store).state is state


def test_a_resume_that_a_cancel_overtakes(store: SqlStore) -> None:
    """A run that was cancelled after a resume had looked at it is not woken by that."""
    store.update_run("r1", state=RunState.SUSPENDED)
    seen = stands(store)
    assert store.cancel_run("r1", worked_on=True) is RunState.CANCELLED
    assert not store.reopen_run(seen)
    assert stands(store).state is RunState.CANCELLED
    assert store.reopen_run(stands(store))
    assert stands(store).state is RunState.RUNNING


@pytest.mark.parametrize("state", OVER)
def test_what_is_over_is_not_cancelled(store: SqlStore, state: RunState) -> None:
    """The caller is told, and nothing changes."""
    store.update_run("r1", state=state)
    assert store.cancel_run("r1", worked_on=True) is None
    assert stands(store) == replace(ORDERS, state=state)
    assert store.cancel_run("nobody", worked_on=True) is None


def test_who_works_on_a_run_ends_it(store: SqlStore) -> None:
    """On a shared database: whoever holds a chunk of it; on a file: who holds the lock."""
    if store._database.shared:
        assert store.cancel_run("r1", worked_on=True) is RunState.CANCELLED
        assert store.reopen_run(stands(store))
        with store._database.transaction() as db:
            db.execute("UPDATE chunk SET owner = 'w'")
    assert store.cancel_run("r1", worked_on=True) is RunState.RUNNING
    assert stands(store).cancel
    assert store.cancel_run("r1", worked_on=False) is RunState.CANCELLED
