"""What a run goes by: time, the durable queue, who is told."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Protocol

from ventil.ports.rows import Run


class Clock(Protocol):
    """Time that never jumps inside a process."""

    def now_s(self) -> float:
        """Seconds since the epoch, UTC; steady: start of the process plus elapsed time."""
        ...


ChunkHandler = Callable[[str, int, int], Awaitable[int]]
"""(run id, chunk index, attempt from 1) -> records to be tried again after the delay."""


class Durable(Protocol):
    """The durable queue: runs chunks, survives crashes, retries later without a slot."""

    async def start(
        self,
        run_id: str,
        handler: ChunkHandler,
        *,
        at_once: int,
        retry_delay_s: float,
    ) -> None:
        """Begin to run this run's chunks; what a crash left over is taken up again."""
        ...

    async def enqueue(self, run_id: str, chunks: Sequence[tuple[int, int, float]]) -> None:
        """Queue (index, attempt, delay in seconds); one that is queued already is left."""
        ...

    async def stop(self, *, over: bool) -> None:
        """Stop taking chunks. Unfinished ones stay queued for the next start.

        `over`: the run is finished, so that nothing of it need be kept.
        """
        ...


class Reporter(Protocol):
    """Listens to a run: a progress display, a log, or nothing."""

    def started(self, run: Run, *, resumed: bool, chunks: int) -> None:
        """The run begins, or goes on."""

    def progress(self, snapshot: Mapping[str, Any]) -> None:
        """Where the run stands: see `Runner.snapshot`; about twice a second."""

    def note(self, text: str) -> None:
        """Something the person should know now."""

    def ended(self, text: str) -> None:
        """The run is over; *text* says how."""
