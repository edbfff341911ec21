"""What every durable queue does: the same suite over tasks and over the library on SQLite."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from ventil.adapters.durable import DbosQueue, _teach_subseconds
from ventil.errors import StateError
from ventil.ports import Durable
from ventil.testing import InlineQueue, run_virtual

DELAY_S = 0.5
MOST_S = 20.0

Told = Callable[[], Coroutine[None, None, None]]


@dataclass(frozen=True)
class Kind:
    """`open` opens the same queue again and again, as the starts of a process do.

    `tell` runs a story: in virtual time, or for the library, with its threads, in real time.
    """

    open: Callable[[], Durable]
    tell: Callable[[Told], None]


@pytest.fixture(params=["inline", pytest.param("library", marks=pytest.mark.slow)])
def kind(request: pytest.FixtureRequest, tmp_path: Path) -> Kind:
    """Each kind of queue."""
    if request.param == "library":
        return Kind(lambda: DbosQueue(f"sqlite:///{tmp_path}/ventil.sqlite"), tell_really)
    queue = InlineQueue()
    return Kind(lambda: queue, lambda told: run_virtual(told(), most_s=MOST_S))


def tell_really(told: Told) -> None:
    """Run a story in real time, not for ever."""

    async def bounded() -> None:
        async with asyncio.timeout(MOST_S):
            await told()

    asyncio.run(bounded())


def now_s() -> float:
    """The running loop's time."""
    return asyncio.get_running_loop().time()


@dataclass
class Work:
    """A handler: notes its calls; *fails* tells how many attempts at a chunk fail."""

    fails: dict[int, int] = field(default_factory=dict)
    holds: asyncio.Event | None = None
    calls: list[tuple[int, int]] = field(default_factory=list)
    at_s: list[float] = field(default_factory=list)
    running: int = 0
    most: int = 0
    cut_off: int = 0

    async def __call__(self, run_id: str, index: int, attempt: int) -> int:
        assert run_id == "r1"
        self.calls.append((index, attempt))
        self.at_s.append(now_s())
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            await (asyncio.sleep(0.02) if self.holds is None else self.holds.wait())
        except asyncio.CancelledError:
            self.cut_off += 1
            raise
        finally:
            self.running -= 1
        return 3 if self.fails.get(index, 0) >= attempt else 0


async def until(done: Callable[[], bool]) -> None:
    """Return when *done* says so."""
    while not done():  # noqa: ASYNC110 - the other side is a library without an event
        await asyncio.sleep(0.01)


def test_chunks_run_a_few_at_once(kind: Kind) -> None:
    """Each once, never more at a time than allowed, and again what partly failed."""

    async def told() -> None:
        work = Work(fails={2: 1, 5: 2})
        queue = kind.open()
        await queue.start("r1", work, at_once=3, retry_delay_s=DELAY_S)
        await queue.enqueue("r1", [(index, 1, 0.0) for index in range(8)])
        await queue.enqueue("r1", [(index, 1, 0.0) for index in range(8)])
        await until(lambda: len(work.calls) >= 11)
        await asyncio.sleep(0.15)
        await queue.stop(over=True)
        first = [(index, 1) for index in range(8)]
        assert sorted(work.calls) == sorted([*first, (2, 2), (5, 2), (5, 3)])
        assert work.most == 3
        times = dict(zip(work.calls, work.at_s, strict=True))
        assert times[5, 2] - times[5, 1] >= DELAY_S
        assert times[5, 3] - times[5, 2] >= DELAY_S

    kind.tell(told)


def test_what_was_interrupted_runs_again(kind: Kind) -> None:
    """A stop cuts off what runs; the next start takes it up with what was still queued."""

    async def told() -> None:
        work = Work(holds=asyncio.Event())
        queue = kind.open()
        await queue.start("r1", work, at_once=2, retry_delay_s=DELAY_S)
        await queue.enqueue("r1", [(index, 1, 0.0) for index in range(4)])
        await until(lambda: work.running == 2)
        await queue.stop(over=False)
        assert (work.running, work.cut_off) == (0, 2)
        again = Work()
        queue = kind.open()
        await queue.start("r1", again, at_once=2, retry_delay_s=DELAY_S)
        await queue.enqueue("r1", [(index, 1, 0.0) for index in range(4)])
        await until(lambda: len({index for index, _ in again.calls}) == 4)
        await queue.stop(over=True)
        assert {attempt for _, attempt in again.calls} == {1}

    kind.tell(told)


def test_a_delay_goes_on_across_starts(kind: Kind) -> None:
    """A retry that was waiting comes when it was due, not a whole delay after the restart."""

    async def told() -> None:
        delay_s = 2.0
        work = Work(fails={0: 1})
        queue = kind.open()
        await queue.start("r1", work, at_once=2, retry_delay_s=delay_s)
        await queue.enqueue("r1", [(0, 1, 0.0)])
        await until(lambda: len(work.calls) == 1 and work.running == 0)
        await asyncio.sleep(0.3)  # so that the retry is queued
        await queue.stop(over=False)
        again = Work()
        queue = kind.open()
        await queue.start("r1", again, at_once=2, retry_delay_s=delay_s)
        await asyncio.sleep(0.5)
        restarted_s = now_s()
        await queue.enqueue("r1", [(0, 2, delay_s)])  # as the engine does: left as it is
        await until(lambda: again.calls == [(0, 2)])
        await queue.stop(over=True)
        assert again.at_s[0] - work.at_s[0] >= delay_s
        assert again.at_s[0] < restarted_s + delay_s - 0.2

    kind.tell(told)


def test_what_ended_in_an_earlier_start_runs_again_when_asked_for(kind: Kind) -> None:
    """The ledger lost its last commits: it asks again, and the queue does not refuse."""

    async def told() -> None:
        work = Work(fails={1: 1})
        queue = kind.open()
        await queue.start("r1", work, at_once=2, retry_delay_s=0.0)
        await queue.enqueue("r1", [(0, 1, 0.0), (1, 1, 0.0)])
        await until(lambda: (1, 2) in work.calls and work.running == 0)
        await asyncio.sleep(0.3)  # so that the ends are noted
        await queue.stop(over=False)
        again = Work(fails={1: 1})
        queue = kind.open()
        await queue.start("r1", again, at_once=2, retry_delay_s=0.0)
        await queue.enqueue("r1", [(0, 1, 0.0), (1, 1, 0.0)])
        await until(lambda: len(again.calls) == 3)
        await queue.stop(over=True)
        assert sorted(again.calls) == [(0, 1), (1, 1), (1, 2)]

    kind.tell(told)


@pytest.mark.slow
def test_a_damaged_queue_is_named_with_its_remedy(tmp_path: Path) -> None:
    """The queue's file is not the ledger: it can be moved away."""
    (tmp_path / "ventil.queue.sqlite").write_bytes(b"no database" * 1000)

    async def told() -> None:
        queue = DbosQueue(f"sqlite:///{tmp_path}/ventil.sqlite")
        with pytest.raises(StateError, match=r"ventil\.queue\.sqlite") as caught:
            await queue.start("r1", Work(), at_once=2, retry_delay_s=1.0)
        assert caught.value.hint is not None
        assert "in the ledger" in caught.value.hint
        await queue.stop(over=False)

    tell_really(told)


def test_an_older_sqlite_knows_subseconds_too() -> None:
    """From Python 3.12 on the library's tables have columns with this default."""
    connection = sqlite3.connect(":memory:")
    _teach_subseconds(connection, None)
    connection.execute(
        "CREATE TABLE t (n INTEGER, at_ms INTEGER DEFAULT (unixepoch('subsec') * 1000))"
    )
    connection.execute("INSERT INTO t (n) VALUES (1)")
    [(at_ms,)] = connection.execute("SELECT at_ms FROM t")
    assert at_ms / 1000 == pytest.approx(time.time(), abs=5.0)
    with pytest.raises(sqlite3.OperationalError):
        connection.execute("SELECT unixepoch('tomorrow')")
