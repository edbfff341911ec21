"""The `Store` port in memory: what the engine needs of a state database, in dictionaries.

Values are frozen, so nothing that was handed out changes later; everything is gone with
the object. `fault` set to an error makes every write raise it and change nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from copy import deepcopy
from dataclasses import replace
from typing import Any

from ventil.core.fold import Published, publish, settle
from ventil.core.model import Good, Kept, Sample, Status
from ventil.errors import StateError
from ventil.ports import ChunkRow, Entry, Failure, ProviderRow, Run


class MemoryStore:
    """See the module. `writes` counts the transactions."""

    def __init__(self) -> None:
        self.fault: StateError | None = None
        self.writes = 0
        self._runs: dict[str, Run] = {}
        self._keys: dict[str, list[str]] = {}
        self._chunks: dict[str, dict[int, ChunkRow]] = {}
        self._entries: dict[tuple[str, str], dict[str, Entry]] = {}
        self._good: dict[str, dict[str, Good]] = {}
        self._kept: dict[tuple[str, str], Kept] = {}
        self._steps: dict[tuple[str, str], dict[int, bytes]] = {}
        self._failures: dict[tuple[str, str], Failure] = {}
        self._providers: dict[str, ProviderRow] = {}
        self._next_failure = 1

    def _write(self) -> None:
        if self.fault is not None:
            raise self.fault
        self.writes += 1

    # -- runs ------------------------------------------------------------------------

    def create_run(self, run: Run, keys: Sequence[str], chunks: Iterable[ChunkRow]) -> None:
        """Store a run with its records and chunks."""
        rows = {chunk.index: chunk for chunk in chunks}
        self._write()
        if run.id in self._runs:
            raise StateError(f"there is a run {run.id} already")
        self._runs[run.id] = run
        self._keys[run.id] = list(keys)
        self._chunks[run.id] = rows

    def run(self, run_id: str) -> Run | None:
        """A run by its id; None when there is none."""
        return self._runs.get(run_id)

    def runs(self, *, limit: int = 50) -> list[Run]:
        """The latest runs, newest first."""
        return sorted(self._runs.values(), key=lambda run: -run.created_s)[:limit]

    def find_resumable(self, job: str) -> list[Run]:
        """Runs of a job that are not over, newest first."""
        everything = self.runs(limit=len(self._runs))
        return [run for run in everything if run.job == job and run.state.resumable]

    def update_run(self, run_id: str, **changes: Any) -> None:
        """Change fields of a run."""
        self._write()
        if run_id in self._runs:
            self._runs[run_id] = replace(self._runs[run_id], **changes)

    def run_keys(self, run_id: str) -> list[str]:
        """A run's records, in the order of its catalogue."""
        return list(self._keys[run_id])

    # -- chunks ----------------------------------------------------------------------

    def chunk(self, run_id: str, index: int) -> ChunkRow:
        """One chunk with its records."""
        return self._chunks[run_id][index]

    def chunk_progress(self, run_id: str) -> list[tuple[int, int, int, bool]]:
        """(index, attempts, failed, finished) of every chunk."""
        rows = self._chunks.get(run_id, {})
        return [
            (index, rows[index].attempts, rows[index].failed, rows[index].finished)
            for index in sorted(rows)
        ]

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
        """Note that an attempt at a chunk has ended."""
        self._write()
        row = self._chunks[run_id][index]
        self._chunks[run_id][index] = replace(
            row, attempts=attempts, failed=failed, finished=finished, since_s=at_s
        )

    def reopen_chunks(self, run_id: str, chunks: Iterable[ChunkRow]) -> None:
        """Add chunks to a run that is over."""
        self._write()
        self._chunks[run_id].update({chunk.index: chunk for chunk in chunks})

    def chunk_count(self, run_id: str) -> int:
        """How many chunks a run has."""
        return len(self._chunks.get(run_id, {}))

    # -- ledger ----------------------------------------------------------------------

    def record(
        self,
        series: str,
        day: str,
        run_id: str,
        samples: Sequence[tuple[Sample, float]],
        *,
        stepped: bool = False,
    ) -> None:
        """Write samples; what is settled is not replaced by what is not."""
        self._write()
        entries = self._entries.setdefault((series, day), {})
        good = self._good.setdefault(series, {})
        for sample, at_s in samples:
            old = entries.get(sample.key)
            if settle(old.sample if old else None, sample) is sample:
                attempts = old.attempts + 1 if old else 1
                entries[sample.key] = Entry(sample, at_s, attempts, run_id)
            if sample.status is Status.OK and sample.value is not None:
                good[sample.key] = Good(sample.value, sample.interval, at_s)
            if sample.kept is not None:
                self._keep(series, sample.kept, at_s)

            if stepped:
                self._steps.pop((run_id, sample.key), None)

    def note_steps(self, run_id: str, steps: Sequence[tuple[str, int, bytes]]) -> None:
        """Note (record, number, data) of records that are under way in a run."""
        self._write()
        for key, number, data in steps:
            self._steps.setdefault((run_id, key), {})[number] = data

    def steps(self, run_id: str, key: str) -> list[bytes]:
        """What is noted of a record in a run, in the order of the numbers."""
        noted = self._steps.get((run_id, key), {})
        return [noted[number] for number in sorted(noted)]

    def _keep(self, series: str, kept: Kept, at_s: float) -> None:
        old = self._kept.get((series, kept.name), kept)
        self._kept[series, kept.name] = Kept(
            kept.name,
            old.body if kept.body is None else kept.body,
            old.memory if kept.memory is None else kept.memory,
            at_s,
        )

    def kept(self, series: str, name: str) -> Kept | None:
        """What was kept under a name; None when there is nothing."""
        return self._kept.get((series, name))

    def settled(
        self, series: str, day: str, keys: Sequence[str], *, since_s: float | None = None
    ) -> set[str]:
        """Those of *keys* that need not be asked again in this period."""
        entries = self._entries.get((series, day), {})
        return {
            key
            for key in keys
            if (entry := entries.get(key)) is not None
            and entry.sample.status.settles
            and (since_s is None or entry.fetched_at_s >= since_s)
        }

    def settled_count(
        self, series: str, day: str, keys: Sequence[str], *, since_s: float | None = None
    ) -> int:
        """How many of *keys* `settled` would name."""
        return len(self.settled(series, day, keys, since_s=since_s))

    def good(self, series: str, keys: Sequence[str]) -> dict[str, Good]:
        """The last good values of those of *keys* that have one."""
        good = self._good.get(series, {})
        return {key: good[key] for key in keys if key in good}

    def entries(
        self, series: str, day: str, keys: Sequence[str]
    ) -> Iterator[tuple[str, Entry | None, Good | None]]:
        """For each of *keys*, in order: this period's entry and the last good value."""
        entries = self._entries.get((series, day), {})
        good = self._good.get(series, {})
        for key in keys:
            yield key, entries.get(key), good.get(key)

    def published(self, series: str, day: str, keys: Sequence[str]) -> Iterator[Published]:
        """What is published of each of *keys*, in order."""
        for key, entry, good in self.entries(series, day, keys):
            yield publish(key, entry.sample if entry else None, good)

    # -- failure queue ---------------------------------------------------------------

    def put_failures(
        self, run_id: str, failures: Iterable[tuple[Sample, str, int]], now_s: float
    ) -> None:
        """Queue (sample, request, attempts) as open failures of a run."""
        rows = list(failures)
        self._write()
        for sample, request, attempts in rows:
            place = (run_id, sample.key)
            old = self._failures.get(place)
            if old is None:
                number, first_s = self._next_failure, now_s
                self._next_failure += 1
            else:
                number, first_s = old.id, old.first_s
            self._failures[place] = Failure(
                number,
                run_id,
                sample.key,
                sample.status,
                sample.detail,
                request,
                attempts,
                first_s,
                now_s,
                "open",
            )

    def failures(
        self, *, run_id: str | None = None, state: str | None = "open"
    ) -> list[Failure]:
        """Failures, oldest first; None stands for any run, any state."""
        return sorted(
            (
                failure
                for failure in self._failures.values()
                if run_id in (None, failure.run_id) and state in (None, failure.state)
            ),
            key=lambda failure: failure.id,
        )

    def close_failures(self, run_id: str, keys: Sequence[str], state: str) -> int:
        """Mark open failures as replayed or dropped; returns how many."""
        self._write()
        closed = 0
        for key in dict.fromkeys(keys):
            failure = self._failures.get((run_id, key))
            if failure is not None and failure.state == "open":
                self._failures[(run_id, key)] = replace(failure, state=state)
                closed += 1
        return closed

    # -- providers -------------------------------------------------------------------

    def provider(self, key: str) -> ProviderRow:
        """A provider's row; an empty one when nothing is stored."""
        return self._providers.get(key, ProviderRow(key, None, None, None))

    def providers(self) -> list[ProviderRow]:
        """All providers that anything is stored of, by key."""
        return [self._providers[key] for key in sorted(self._providers)]

    def save_provider(self, key: str, state: str, stamp_s: float) -> None:
        """Store a governor's state."""
        self._write()
        self._providers[key] = replace(self.provider(key), state=state, stamp_s=stamp_s)

    def pause_provider(self, key: str, reason: str | None) -> None:
        """Pause a provider with a reason, or let it go on (None)."""
        self._write()
        self._providers[key] = replace(self.provider(key), paused=reason)

    # -- housekeeping ----------------------------------------------------------------

    def prune(self, *, before_day: str, keep_runs: int) -> None:
        """Drop old samples and all but the latest finished runs."""
        self._write()
        for place in [place for place in self._entries if place[1] < before_day]:
            del self._entries[place]
        latest = {run.id for run in self.runs(limit=keep_runs)}
        waiting = {failure.run_id for failure in self.failures()}
        for run in list(self._runs.values()):
            if not (run.state.resumable or run.id in latest or run.id in waiting):
                del self._runs[run.id], self._keys[run.id], self._chunks[run.id]
                for place in [place for place in self._failures if place[0] == run.id]:
                    del self._failures[place]

    def close(self) -> None:
        """Nothing to close."""

    def copy(self) -> MemoryStore:
        """What a kill at this moment would leave on the disk."""
        return deepcopy(self)
