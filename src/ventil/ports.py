"""What the engine needs of the outside, as protocols; `adapters/` implements them.

The engine sees these and the pure core, never an adapter. Times are seconds since the
epoch, UTC (`*_s`). Store calls are short transactions and block the caller: they are
local (a SQLite file), and a call is at most some milliseconds.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol

from ventil.core.exchange import Called, Outcome, Reply, Request, Steps
from ventil.core.fold import Published
from ventil.core.model import Good, Interval, Kept, Sample, Status
from ventil.core.period import Period


class Clock(Protocol):
    """Time that never jumps inside a process."""

    def now_s(self) -> float:
        """Seconds since the epoch, UTC; steady: start of the process plus elapsed time."""
        ...


class Recipe(Protocol):
    """How records become requests, and responses samples."""

    def batches(self, keys: Iterable[str], /) -> Iterable[tuple[str, ...]]:
        """The records of one request each, in the kindest form the API has."""
        ...

    def fetch(self, keys: Sequence[str], period: Period, good: Mapping[str, Good], /) -> Steps:
        """The recipe for one batch; `good` holds the last good values known of it."""
        ...


class Api(Protocol):
    """An API that we ask: what its replies mean."""

    @property
    def name(self) -> str:
        """Its name in settings and reports, such as npm-downloads."""
        ...

    def judge(self, request: Request, reply: Reply, now_s: float, /) -> Outcome:
        """What a reply means to the governor."""
        ...


class Provider(Recipe, Api, Protocol):
    """An API with a recipe of its own."""


class Workbench(Protocol):
    """Does named tasks on untrusted bytes in other processes, within each task's limits."""

    async def run(self, task: str, payload: bytes, /) -> bytes:
        """What the task gave. Raises WorkbenchError when it broke a limit, or broke."""
        ...


class Combiner(Protocol):
    """How questions to one provider share a request; `Request.part` is a question."""

    def kind(self, part: Any, /) -> Hashable:
        """Parts of one kind may share a request."""
        ...

    def most(self, part: Any, /) -> int:
        """How many of its kind may."""
        ...

    def combine(self, parts: Sequence[Any], /) -> Request:
        """One request for all of *parts*."""
        ...

    def split(self, parts: Sequence[Any], reply: Reply, /) -> list[Reply | None] | None:
        """The reply to each, as if it had been sent alone; None for one left out.

        None instead of the list: it was too much for one request.
        """
        ...


class Transport(Protocol):
    """Sends one request to one provider. Never raises for what the world does."""

    async def send(self, request: Request) -> Reply:
        """The answer, or the fault that came instead, within the provider's timeout."""
        ...

    async def close(self) -> None:
        """Close all connections."""
        ...


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


class Callback(StrEnum):
    """What became of a call to a token's address."""

    TAKEN = "taken"
    REPEATED = "repeated"  # it was answered before; nothing has changed
    OVER = "over"  # nobody waits for it any more: expired, cancelled, or failed for good
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Wait:
    """What a record waits for: its order, not after `until_s`; whether it was cancelled.

    `look_s` is when it is to be looked at again, whether or not an answer has come.
    """

    key: str
    number: int
    until_s: float
    look_s: float
    cancelled: bool


@dataclass(frozen=True, slots=True)
class Crowd:
    """The records of a run that wait for a later answer.

    `until_s`: when the last of them gives up, None when nobody waits. `alone`: nothing
    else of the run is left to do.
    """

    count: int
    until_s: float | None
    alone: bool


class WaitingRoom(Protocol):
    """Records that wait for an answer hours after they ordered it, and their task tokens.

    A token is known by its digest alone. Every method is one transaction.
    """

    def next_order(self, run_id: str, key: str) -> int:
        """The number of the order that a look at a record begins with."""
        ...

    def issue(self, run_id: str, key: str, number: int, digest: bytes) -> None:
        """A token for an order; an order may have several, of which one is answered."""
        ...

    def answer(self, run_id: str, key: str, number: int) -> Called | None:
        """What an order was answered with; None while it was not."""
        ...

    def wait(self, run_id: str, key: str) -> Wait | None:
        """What a record waits for; None when it does not."""
        ...

    def park(self, run_id: str, wait: Wait) -> bool:
        """Let a record wait; False, and no change, when it is answered or cancelled."""
        ...

    def elsewhere(self, run_id: str, index: int, keys: Sequence[str]) -> set[str]:
        """Those of a chunk's *keys* that wait, or are taken up by another chunk."""
        ...

    def settle(self, run_id: str, index: int, keys: Sequence[str]) -> None:
        """Those of a chunk's *keys* that do not wait are done with; so are their tokens."""
        ...

    def wake(self, run_id: str, now_s: float, *, most: int) -> int | None:
        """Put up to *most* records that are to be looked at into a new chunk; its index."""
        ...

    def crowd(self, run_id: str) -> Crowd:
        """Who waits."""
        ...


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
