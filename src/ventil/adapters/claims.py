"""The durable queue among many workers: the chunks' own rows.

A chunk is somebody's from its claim to the end of the attempt; the rows are the truth, so
there is no second journal that could say otherwise, and a run is queued by being created.
Who is gone loses its claims with its membership (`pacing`). An attempt whose records partly
failed gives its chunk back with a time before which nobody takes it.

Why not the durable library here, as in the one-process form: it leaves the chunks of a dead
worker stranded until they are recovered through a private call, its limits leak between
workers unless every queue is partitioned, and it costs 4 ms of CPU a workflow to write down
a second time what the rows say.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable, Sequence
from math import inf

from ventil.adapters.worker_store import WorkerStore
from ventil.errors import StateError
from ventil.ports import ChunkHandler, Clock

LOOK_S = 0.25
"""How often a worker with a free slot looks for a chunk."""

OTHERS_S = 1.0
"""How often it looks which chunks the others have finished."""


class ClaimQueue:
    """The `Durable` port for one run in one worker of many."""

    def __init__(
        self, store: WorkerStore, clock: Clock, *, share: Callable[[], float] = lambda: inf
    ) -> None:
        """*share* says how many chunks this run may have at once just now."""
        self._store = store
        self._clock = clock
        self._share = share
        self._tasks: set[asyncio.Task[None]] = set()
        self._mine: set[int] = set()  # chunks under way, or to be given back
        self._stopping = False
        self._unsure = False  # whether a claim may have succeeded of which we do not know
        self._looking: asyncio.Task[None] | None = None
        self._free = asyncio.Event()
        self._run_id = ""
        self._open: set[int] = set()
        self._ended: deque[tuple[int, float]] = deque()  # to be given back, and not before

    async def start(
        self, run_id: str, handler: ChunkHandler, *, at_once: int, retry_delay_s: float
    ) -> None:
        """Begin to claim chunks of the run, up to *at_once* at a time."""
        self._run_id = run_id
        self._store.let_go(run_id, None, 0.0)  # what an earlier start here could not give back
        rows = self._store.chunk_progress(run_id)
        self._open = {index for index, _, _, finished in rows if not finished}
        self._looking = asyncio.create_task(self._look(handler, at_once, retry_delay_s))

    async def _look(self, handler: ChunkHandler, at_once: int, retry_delay_s: float) -> None:
        loop = asyncio.get_running_loop()
        others_s = loop.time() + OTHERS_S
        while True:
            self._free.clear()
            try:
                if self._unsure:
                    self._store.keep(self._run_id, [*self._mine])
                    self._unsure = False
                while self._ended:
                    self._store.let_go(self._run_id, *self._ended[0])
                    self._mine.discard(self._ended.popleft()[0])
                most = int(min(at_once, self._share()))
                self._take(handler, most - len(self._tasks), retry_delay_s)
                if loop.time() >= others_s:
                    others_s = loop.time() + OTHERS_S
                    for index, attempts in self._store.finished_of(self._run_id, [*self._open]):
                        # Asked about an attempt that has ended, the engine only takes note.
                        self._open.discard(index)
                        await handler(self._run_id, index, attempts)
            except StateError:  # the engine meets it too, and ends the run here if it lasts
                self._unsure = True
                await asyncio.sleep(LOOK_S)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK_S):
                    await self._free.wait()

    def _take(self, handler: ChunkHandler, most: int, retry_delay_s: float) -> None:
        if most <= 0 or self._stopping:
            return
        for index, attempts in self._store.claim(self._run_id, most, self._clock.now_s()):
            self._mine.add(index)
            self._open.add(index)  # made since the start, it may end at another worker's
            task = asyncio.create_task(
                self._attempt(handler, index, attempts + 1, retry_delay_s)
            )
            self._tasks.add(task)
            task.add_done_callback(self._over)

    async def _attempt(
        self, handler: ChunkHandler, index: int, attempt: int, retry_delay_s: float
    ) -> None:
        try:
            again = await handler(self._run_id, index, attempt)
        except asyncio.CancelledError:
            self._stopping = True  # the run is: what is claimed now would wait for nothing
            raise
        if again:
            self._ended.append((index, self._clock.now_s() + retry_delay_s))
        else:
            self._open.discard(index)
            self._mine.discard(index)

    def _over(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._free.set()

    async def enqueue(self, run_id: str, chunks: Sequence[tuple[int, int, float]]) -> None:
        """Nothing: what is to be done stands in the rows."""

    async def stop(self, *, over: bool) -> None:
        """Claim nothing more, interrupt what is under way, give back what is claimed."""
        tasks = [*self._tasks, *([self._looking] if self._looking else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._run_id and not over:
            with contextlib.suppress(StateError):  # the next start does
                self._store.let_go(self._run_id, None, 0.0)
