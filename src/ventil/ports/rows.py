"""What the store holds, as values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from ventil.core.model import Interval, Sample, Status


class RunState(StrEnum):
    """Where a run stands.

    `RUNNING` also describes a run whose process was killed. The states from `DONE` on are
    final, except that resume and replay open a `PARTIAL` or `CANCELLED` run again.
    """

    RUNNING = "running"
    INTERRUPTED = "interrupted"
    SUSPENDED = "suspended"
    DONE = "done"
    PARTIAL = "partial"
    FAILED = "failed"
    CANCELLED = "cancelled"
    SUPERSEDED = "superseded"

    @property
    def resumable(self) -> bool:
        """Whether `runs resume` (or the same command) goes on with it."""
        return self in (RunState.RUNNING, RunState.INTERRUPTED, RunState.SUSPENDED)


@dataclass(frozen=True, slots=True)
class Run:
    """One execution of a job, as it is stored.

    `series` names what the values are comparable with: provider key and period name.
    `day` is the UTC day that settles its records. `fingerprint` is equal for two runs
    of the same command on the same catalogue, so that the second can resume the first.
    `tallies` holds requests and waits so far: `{"requests": {...}, "limited_by": {...}}`.
    `urgent`: a person waits for it, so it goes before other runs of the same provider.
    """

    id: str
    job: str
    fingerprint: str
    state: RunState
    provider: str
    series: str
    period: str
    interval: Interval
    day: str
    output: str
    refresh: bool
    tolerate: float
    created_s: float
    finished_s: float | None
    records: int
    settled_before: int
    message: str = ""
    cancel: bool = False
    tallies: Mapping[str, Any] = field(default_factory=dict)
    urgent: bool = False


@dataclass(frozen=True, slots=True)
class ChunkRow:
    """A chunk of a run: its batches, how many attempts have ended, records still failed.

    `since_s`: when the chunk was planned, or its last attempt ended. What this run fetched
    of its records after that belongs to the attempt that is due or under way.
    """

    index: int
    batches: tuple[tuple[str, ...], ...]
    attempts: int
    failed: int
    finished: bool
    since_s: float


@dataclass(frozen=True, slots=True)
class Entry:
    """What the ledger holds of one record in one period."""

    sample: Sample
    fetched_at_s: float
    attempts: int
    run_id: str


@dataclass(frozen=True, slots=True)
class Failure:
    """A record that failed for good in a run.

    `state`: open, replayed, dropped or superseded (a later run of the same artefact has
    asked for it).
    """

    id: int
    run_id: str
    key: str
    status: Status
    detail: str
    request: str
    attempts: int
    first_s: float
    last_s: float
    state: str


@dataclass(frozen=True, slots=True)
class ProviderRow:
    """The persisted state of a provider key. `paused` is None, or why it is paused."""

    key: str
    state: str | None
    stamp_s: float | None
    paused: str | None
    limits: str | None = None
