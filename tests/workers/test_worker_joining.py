"""Joining the others: heard from outside meanwhile, and patient for who was in before."""

from __future__ import annotations

import asyncio
import signal
from types import SimpleNamespace
from typing import Any

import pytest

from ventil.errors import Fenced, Interrupted, StateError
from ventil.wiring import worker as workers
from ventil.wiring.worker import Worker

STOP = Interrupted("left on SIGTERM", signal=signal.SIGTERM)
AWAY = StateError("the database is away")


class Scripted:
    """A worker whose memberships end as the script says."""

    script: list[Exception]
    rests = 0

    def __init__(self, *_: object, **__: object) -> None:
        self.id = "w"

    def stop(self, error: Exception) -> None:
        """Nobody calls it here."""

    async def serve(self) -> None:
        """As the script says."""
        raise Scripted.script.pop(0)

    async def rest(self, _: float) -> None:
        """Count."""
        Scripted.rests += 1


def memberships(monkeypatch: pytest.MonkeyPatch, *script: Exception) -> list[str]:
    """What is noted of the memberships."""
    notes: list[str] = []
    Scripted.script, Scripted.rests = list(script), 0
    monkeypatch.setattr(workers, "Worker", Scripted)
    workshop: Any = SimpleNamespace(stop=None)
    reporter: Any = SimpleNamespace(note=notes.append)
    with pytest.raises(type(script[-1])):
        asyncio.run(workers.serve(workshop, reporter, providers=["p"], slots=1))
    return notes


def test_who_was_in_waits_for_the_database(monkeypatch: pytest.MonkeyPatch) -> None:
    """Given up while the database is away, it tries again until it is told to leave."""
    notes = memberships(monkeypatch, Fenced("given up"), AWAY, AWAY, STOP)
    assert Scripted.rests == 2
    assert sum("the database is away; joining again" in note for note in notes) == 2


def test_the_first_time_a_database_that_is_away_is_an_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whoever started the worker hears of it."""
    memberships(monkeypatch, AWAY)
    assert Scripted.rests == 0


def test_a_stop_is_heard_while_joining() -> None:
    """The others' answer may take long; nothing is left behind."""
    done: list[str] = []

    class Pacing:
        async def join(self) -> None:
            """Never ends."""
            await asyncio.Future()

        async def leave(self) -> None:
            done.append("left")

    async def stopped() -> None:
        worker: Any = Worker.__new__(Worker)
        worker._pacing = Pacing()
        worker._store = SimpleNamespace(close=lambda: done.append("closed"))
        worker._stopping = asyncio.get_running_loop().create_future()
        serving = asyncio.create_task(worker.serve())
        await asyncio.sleep(0)
        worker.stop(STOP)
        await serving

    with pytest.raises(Interrupted):
        asyncio.run(stopped())
    assert done == ["left", "closed"]
