"""Where a run, its ledger and its failures are kept."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol

from ventil.core.fold import Published
from ventil.core.model import Good, Kept, Sample
from ventil.ports.rows import ChunkRow, Entry, Failure, ProviderRow, Run


class Store(Protocol):
    """The ledger, the runs, the failure queue and the providers' states.

    Every write is one transaction. Raises `StateError` when the database cannot be
    read or written.
    """

    # runs
    def create_run(self, run: Run, keys: Sequence[str], chunks: Iterable[ChunkRow]) -> None:
        """Store a run with its records and chunks, whole or not at all."""
        ...

    def run(self, run_id: str) -> Run | None:
        """A run by its id; None when there is none."""
        ...

    def runs(self, *, limit: int = 50) -> list[Run]:
        """The latest runs, newest first."""
        ...

    def find_resumable(self, job: str) -> list[Run]:
        """Runs of a job that are not over, newest first."""
        ...

    def update_run(self, run_id: str, **changes: object) -> None:
        """Change fields of a run, named as in `Run`."""
        ...

    def run_keys(self, run_id: str) -> list[str]:
        """A run's records, in the order of its catalogue."""
        ...

    # chunks
    def chunk(self, run_id: str, index: int) -> ChunkRow:
        """One chunk with its records."""
        ...

    def chunk_progress(self, run_id: str) -> list[tuple[int, int, int, bool]]:
        """(index, attempts, failed, finished) of every chunk."""
        ...

    def end_attempt(
        self,
        run_id: str,
        index: int,
        *,
        attempts: int,
        failed: int,
        finished: bool,
        at_s: float,
    ) -> None:
        """Note that an attempt at a chunk has ended at *at_s*."""
        ...

    def reopen_chunks(self, run_id: str, chunks: Iterable[ChunkRow]) -> None:
        """Add chunks to a run that is over (a replay)."""
        ...

    def chunk_count(self, run_id: str) -> int:
        """How many chunks a run has."""
        ...

    # ledger
    def record(
        self,
        series: str,
        day: str,
        run_id: str,
        samples: Sequence[tuple[Sample, float]],
        *,
        stepped: bool = False,
    ) -> None:
        """Write samples, each with the time it was fetched, as one transaction.

        A settled sample is never replaced by one that is not; see `core.fold`. What a sample
        wants to be kept is stored with it, body and memory each unless it is None.
        `stepped`: the steps noted of these records in this run are forgotten.
        """
        ...

    def note_steps(self, run_id: str, steps: Sequence[tuple[str, int, bytes]]) -> None:
        """Note (record, number, data) of records that are under way in a run."""
        ...

    def steps(self, run_id: str, key: str) -> list[bytes]:
        """What is noted of a record in a run, in the order of the numbers."""
        ...

    def settled(
        self, series: str, day: str, keys: Sequence[str], *, since_s: float | None = None
    ) -> set[str]:
        """Those of *keys* that need not be asked again in this period.

        With `since_s`, only what was fetched at or after that time counts (a refresh).
        """
        ...

    def settled_count(
        self, series: str, day: str, keys: Sequence[str], *, since_s: float | None = None
    ) -> int:
        """How many of *keys* `settled` would name."""
        ...

    def good(self, series: str, keys: Sequence[str]) -> dict[str, Good]:
        """The last good values of those of *keys* that have one."""
        ...

    def entries(
        self, series: str, day: str, keys: Sequence[str]
    ) -> Iterator[tuple[str, Entry | None, Good | None]]:
        """For each of *keys*, in order: this period's entry and the last good value."""
        ...

    def published(self, series: str, day: str, keys: Sequence[str]) -> Iterator[Published]:
        """What is published of each of *keys*, in order: see `core.fold.publish`."""
        ...

    def kept(self, series: str, name: str) -> Kept | None:
        """What `record` has kept under a name; None when there is nothing."""
        ...

    # failure queue
    def put_failures(
        self, run_id: str, failures: Iterable[tuple[Sample, str, int]], now_s: float
    ) -> None:
        """Queue (sample, request, attempts) as open failures of a run."""
        ...

    def failures(
        self, *, run_id: str | None = None, state: str | None = "open"
    ) -> list[Failure]:
        """Failures, oldest first; None stands for any run, any state."""
        ...

    def close_failures(self, run_id: str, keys: Sequence[str], state: str) -> int:
        """Mark open failures as replayed or dropped; returns how many."""
        ...

    # providers
    def provider(self, key: str) -> ProviderRow:
        """A provider's row; an empty one when nothing is stored."""
        ...

    def providers(self) -> list[ProviderRow]:
        """All providers that anything is stored of."""
        ...

    def save_provider(self, key: str, state: str, stamp_s: float) -> None:
        """Store a governor's state."""
        ...

    def pause_provider(self, key: str, reason: str | None) -> None:
        """Pause a provider with a reason, or let it go on (None)."""
        ...

    # housekeeping
    def prune(self, *, before_day: str, keep_runs: int) -> None:
        """Drop old samples and all but the latest finished runs; never a last good value."""
        ...

    def close(self) -> None:
        """Close the database."""
        ...


class Recorder(Protocol):
    """Writes samples while others go on: `Store.record` without blocking the caller."""

    async def record(
        self, series: str, day: str, run_id: str, samples: Sequence[tuple[Sample, float]], /
    ) -> None:
        """See `Store.record`."""
        ...
