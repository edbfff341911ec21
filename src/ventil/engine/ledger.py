"""Writes samples into the ledger, many in one transaction.

What arrives close together is committed together (a group commit): one at a time when the
provider allows one request in flight, dozens when it allows hundreds. A commit costs as
much as the rows of ten answers, so one waits for four fifths of what is in flight, and for
`LONGEST_WAIT_S` at most, or twice that where answers pour in. A request counts as in flight
until its samples are committed, so a killed process repeats at most the requests that were
in flight.

With a `Recorder` nobody waits for a commit but those whose samples are in it: what comes
meanwhile is committed together when it has ended.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from functools import partial

from ventil.core.model import Kept, Sample
from ventil.crashpoint import crashpoint
from ventil.ports import Recorder, Store

LONGEST_WAIT_S = 0.001
"""How long a sample waits for others to be committed with; twice that where they pour in."""

POURING = 4
"""Answers within `LONGEST_WAIT_S` that make it worth while to wait as long once more."""

RECORDER_WAITS_S = 0.04
"""How long it waits where nobody waits for the commit but a chunk at its end."""


class LedgerWriter:
    """Group commit for one run: its series, its day, its id.

    `enough()` says how many answers are worth a commit without further waiting. `failed` is
    told when what was put could not be committed.
    `journaled`: steps are noted of records under way, and forgotten with their samples.
    `recorder` writes the samples of others, if there is one.
    """

    def __init__(
        self,
        store: Store,
        *,
        series: str,
        day: str,
        run_id: str,
        written: Callable[[Sequence[tuple[Sample, float]]], None],
        enough: Callable[[], int] = lambda: 1,
        failed: Callable[[Exception], None] = lambda _: None,
        journaled: bool = False,
        recorder: Recorder | None = None,
    ) -> None:
        self._store = store
        self._recorder = None if journaled else recorder
        self._commit: asyncio.Task[None] | None = None  # under way
        self._series = series
        self._day = day
        self._run_id = run_id
        self._written = written
        self._journaled = journaled
        self._samples: list[tuple[Sample, float]] = []
        self._steps: list[tuple[str, int, bytes]] = []
        self._enough = enough
        self._failed = failed
        self._writers: list[asyncio.Future[None]] = []
        self._afterwards: list[Callable[[], None]] = []
        self._fault: Exception | None = None
        self._flushing: asyncio.Handle | None = None
        self._soon = False

    def kept(self, name: str) -> Kept | None:
        """What the run's series has kept under *name*. Raises StateError."""
        return self._store.kept(self._series, name)

    async def write(self, samples: Sequence[Sample], at_s: float) -> None:
        """Return when *samples*, fetched at *at_s*, are committed. Raises StateError."""
        if not samples:
            return
        self._samples.extend([(sample, at_s) for sample in samples])
        await self._committed()

    def put(
        self, samples: Sequence[Sample], at_s: float, afterwards: Callable[[], None]
    ) -> None:
        """Have *samples*, fetched at *at_s*, committed soon, and *afterwards* called then.

        It is called whatever comes of the commit. Raises the error of an earlier one.
        """
        self._samples.extend([(sample, at_s) for sample in samples])
        self._afterwards.append(afterwards)
        self._schedule()
        self._raise_fault()

    async def stored(self) -> None:
        """Return when all that was put is committed. Raises StateError when some is not."""
        under_way = self._commit
        if self._afterwards:  # they are committed after what is under way
            await self._committed()
        elif under_way is not None:
            await asyncio.wait([under_way])
            if under_way.cancelled():
                raise asyncio.CancelledError
        self._raise_fault()

    def _raise_fault(self) -> None:
        if self._fault is not None:
            raise self._fault

    def steps(self, key: str) -> list[bytes]:
        """What was noted of *key* in this run, in order. Raises StateError."""
        return self._store.steps(self._run_id, key)

    async def note(self, key: str, steps: Sequence[tuple[int, bytes]]) -> None:
        """Return when the numbered *steps* of *key* are noted. Raises StateError."""
        if steps:
            self._steps.extend((key, number, data) for number, data in steps)
            await self._committed()

    async def _committed(self) -> None:
        loop = asyncio.get_running_loop()
        # One future for each writer: who is cancelled takes nobody along.
        committed: asyncio.Future[None] = loop.create_future()
        self._writers.append(committed)
        self._schedule()
        await committed

    def _schedule(self) -> None:
        if self._soon or self._commit is not None:
            return
        loop = asyncio.get_running_loop()
        awaited = self._recorder is not None and self._writers
        if awaited or len(self._writers) + len(self._afterwards) >= self._enough():
            if self._flushing is not None:
                self._flushing.cancel()
            self._soon = True
            self._flushing = loop.call_soon(self._flush)
        elif self._flushing is None:
            if self._recorder is None:
                self._flushing = loop.call_later(LONGEST_WAIT_S, self._ring)
            else:
                self._flushing = loop.call_later(RECORDER_WAITS_S, self._flush)

    def _ring(self) -> None:
        """Wait as long once more while answers pour in: they are what holds the loop up."""
        if len(self._writers) + len(self._afterwards) < POURING:
            self._flush()
        else:
            self._flushing = asyncio.get_running_loop().call_later(LONGEST_WAIT_S, self._flush)

    def _flush(self) -> None:
        self._flushing, self._soon = None, False
        samples, self._samples = self._samples, []
        steps, self._steps = self._steps, []
        writers, self._writers = self._writers, []
        afterwards, self._afterwards = self._afterwards, []
        over = partial(self._over, samples, writers, afterwards)
        if self._recorder is not None and samples:
            self._commit = asyncio.create_task(self._record(self._recorder, samples, over))
            return
        try:
            if steps:
                crashpoint("steps.before")
                self._store.note_steps(self._run_id, steps)
                crashpoint("steps.after")
            if samples:
                crashpoint("ledger.before")
                self._store.record(
                    self._series, self._day, self._run_id, samples, stepped=self._journaled
                )
                crashpoint("ledger.after")
        except Exception as error:
            over(error)
        else:
            over(None)

    async def _record(
        self,
        recorder: Recorder,
        samples: Sequence[tuple[Sample, float]],
        over: Callable[[Exception | None], None],
    ) -> None:
        crashpoint("ledger.before")
        error: Exception | None = None
        try:
            await recorder.record(self._series, self._day, self._run_id, samples)
        except Exception as fault:
            error = fault
        crashpoint("ledger.after")
        self._commit = None
        over(error)
        if self._writers or self._afterwards:
            self._schedule()

    def _over(
        self,
        samples: Sequence[tuple[Sample, float]],
        writers: Sequence[asyncio.Future[None]],
        afterwards: Sequence[Callable[[], None]],
        error: Exception | None,
    ) -> None:
        """A commit has ended; its *error* is handed to every writer of it."""
        if error is not None:
            if afterwards:
                self._fault = error
                self._failed(error)
            for writer in writers:
                if not writer.done():
                    writer.set_exception(error)
        else:
            self._written(samples)
            for writer in writers:
                if not writer.done():
                    writer.set_result(None)
        for call in afterwards:
            call()
