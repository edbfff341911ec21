"""A run that is cancelled by its worker, and one that a person has resumed meanwhile."""

from __future__ import annotations

import asyncio

import psycopg
from test_worker_store import run_of, url

from ventil.adapters.recorder import SampleRecorder
from ventil.adapters.worker_store import WorkerStore
from ventil.ports import RunState

__all__ = ["url"]


def test_a_resumed_run_is_not_cancelled_late(url: str) -> None:
    """The word of the worker that ended it counts only as long as a person's does."""
    store = WorkerStore(url, "w")
    for name, cancel in (("gone", True), ("resumed", False)):
        store.create_run(run_of(name), ["k"], [])
        store.update_run(name, cancel=cancel)
        store.cancelled(name, "why")
    states = {name: store.run(name) for name in ("gone", "resumed")}
    store.close()
    assert {name: run.state for name, run in states.items() if run} == {
        "gone": RunState.CANCELLED,
        "resumed": RunState.RUNNING,
    }


def test_one_connection_for_all_that_begin_together(url: str) -> None:
    """Two runs that write their first samples at once do not leave one open."""

    async def both() -> list[psycopg.AsyncConnection[tuple[object, ...]]]:
        store = WorkerStore(url, "w")
        recorder = SampleRecorder(url, store)
        found = await asyncio.gather(recorder._connected(), recorder._connected())
        await recorder.close()
        store.close()
        return list(found)

    first, second = asyncio.run(both())
    assert first is second
