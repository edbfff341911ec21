"""The ledger writer: many samples in one transaction, and nobody goes on before it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from ventil.core.model import Sample, Status
from ventil.engine.ledger import LONGEST_WAIT_S, POURING, RECORDER_WAITS_S, LedgerWriter
from ventil.errors import StateError
from ventil.testing import EPOCH_S, MemoryStore


def writer_of(store: MemoryStore, told: list[str], *, enough: int = 1) -> LedgerWriter:
    """A writer that notes in *told* what is written; *enough* answers are worth a commit."""

    def written(samples: Sequence[tuple[Sample, float]]) -> None:
        told.extend(sample.key for sample, _ in samples)

    return LedgerWriter(
        store, series="s", day="d", run_id="r", written=written, enough=lambda: enough
    )


def ok(key: str) -> Sample:
    """A sample that settles."""
    return Sample(key, Status.OK, 1)


async def test_what_arrives_together_is_committed_together() -> None:
    """Twenty writers, one transaction; each goes on only when it is in the store."""
    store, told = MemoryStore(), []
    writer = writer_of(store, told)

    async def one(number: int) -> None:
        key = f"k{number}"
        await writer.write([ok(key)], EPOCH_S)
        assert store.settled("s", "d", [key]) == {key}

    await asyncio.gather(*(one(number) for number in range(20)))
    assert store.writes == 1
    assert sorted(told) == sorted(f"k{number}" for number in range(20))
    await writer.write([], EPOCH_S)
    assert store.writes == 1


async def test_an_error_reaches_every_writer() -> None:
    """All of a failed commit are told, nothing is called written, and the next one is apart."""
    store, told = MemoryStore(), []
    writer = writer_of(store, told)
    store.fault = StateError("the disk is full")
    writes = [writer.write([ok(f"k{number}")], EPOCH_S) for number in range(5)]
    ends = await asyncio.gather(*writes, return_exceptions=True)
    assert ends == [store.fault] * 5
    assert told == []
    store.fault = None
    await writer.write([ok("later")], EPOCH_S)
    assert told == ["later"]
    assert store.settled("s", "d", ["k0", "later"]) == {"later"}


async def test_a_writer_that_gives_up_harms_nobody() -> None:
    """Its samples are an answer all the same: they are stored with the others'."""
    store, told = MemoryStore(), []
    writer = writer_of(store, told)
    first = asyncio.create_task(writer.write([ok("a")], EPOCH_S))
    second = asyncio.create_task(writer.write([ok("b")], EPOCH_S))
    asyncio.get_running_loop().call_soon(first.cancel)
    with pytest.raises(asyncio.CancelledError):
        await first
    await second
    assert store.settled("s", "d", ["a", "b"]) == {"a", "b"}


async def test_who_puts_need_not_wait() -> None:
    """What it wants done afterwards is done when its samples are in the store."""
    store, told = MemoryStore(), []
    writer = writer_of(store, told)

    def afterwards() -> None:
        assert store.settled("s", "d", ["a", "b"]) == {"a", "b"}
        done.append(1)

    done: list[int] = []
    writer.put([ok("a")], EPOCH_S, afterwards)
    writer.put([ok("b")], EPOCH_S, afterwards)
    assert not done
    await writer.stored()
    assert done == [1, 1]
    assert store.writes == 1
    await writer.stored()
    assert store.writes == 1


class SlowRecorder:
    """Ends a commit when it is let go, with `fault` if there is one."""

    def __init__(self, fault: StateError | None) -> None:
        self.go = asyncio.Event()
        self.fault = fault

    async def record(
        self, series: str, day: str, run_id: str, samples: Sequence[tuple[Sample, float]]
    ) -> None:
        """Wait for that."""
        await self.go.wait()
        if self.fault is not None:
            raise self.fault


@pytest.mark.parametrize("fault", [None, StateError("the connection was cut")])
@pytest.mark.parametrize("more", [False, True])
async def test_a_commit_under_way_is_waited_for(fault: StateError | None, more: bool) -> None:
    """A chunk that ended before its samples are stored would lose them to a kill."""
    recorder = SlowRecorder(fault)
    writer = LedgerWriter(
        MemoryStore(),
        series="s",
        day="d",
        run_id="r",
        written=lambda _: None,
        recorder=recorder,
    )
    writer.put([ok("a")], EPOCH_S, lambda: None)
    await asyncio.sleep(2 * RECORDER_WAITS_S)
    if more:
        writer.put([ok("b")], EPOCH_S, lambda: None)
    stored = asyncio.create_task(writer.stored())
    await asyncio.sleep(2 * RECORDER_WAITS_S)
    assert not stored.done()
    recorder.go.set()
    await asyncio.wait([stored])
    assert stored.exception() is fault


@pytest.mark.parametrize(("at_once", "commits"), [(POURING - 1, 2), (POURING, 1)])
async def test_answers_that_pour_in_are_waited_for_once_more(
    at_once: int, commits: int
) -> None:
    """Few answers are committed when the wait is over; of many, those to come too."""
    store, told = MemoryStore(), []
    writer = writer_of(store, told, enough=100)
    for number in range(at_once):
        writer.put([ok(f"early{number}")], EPOCH_S, lambda: None)
    await asyncio.sleep(1.5 * LONGEST_WAIT_S)
    writer.put([ok("late")], EPOCH_S, lambda: None)
    await asyncio.sleep(1.5 * LONGEST_WAIT_S)
    assert len(told) == at_once + 1
    assert store.writes == commits


async def test_a_put_that_fails_is_told_before_anything_goes_on() -> None:
    """First whoever can stop the run, then those who go on; and nothing is put any more."""
    store, order = MemoryStore(), []
    writer = LedgerWriter(
        store,
        series="s",
        day="d",
        run_id="r",
        written=lambda _: order.append("written"),
        failed=lambda error: order.append(str(error)),
    )
    store.fault = StateError("the disk is full")
    writer.put([ok("a")], EPOCH_S, lambda: order.append("afterwards"))
    with pytest.raises(StateError):
        await writer.stored()
    assert order == ["the disk is full", "afterwards"]
    with pytest.raises(StateError):
        writer.put([ok("b")], EPOCH_S, lambda: None)
