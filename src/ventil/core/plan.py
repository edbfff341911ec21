"""What a run will ask: names cut into batches, batches into chunks; and how long it takes.

A *batch* is what one request asks about. A *chunk* is the slice of a run that is
scheduled, retried and checkpointed as one. All of it is a function of its arguments: the
same names and the same ledger give the same plan.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ventil.core.quota import Quota

CHUNK_SIZE = 100
"""Records in a chunk, unless the run would have more than `MAX_CHUNKS`."""

MAX_CHUNKS = 2_000
"""A chunk costs 4 to 5 ms of the durable queue's time, so a run has a few thousand."""

BLOCK = 10_000
"""Names that are asked in their own order among themselves.

What is asked together is written together, and in a ledger that is sorted by name neighbours
share a page: with names in any order each has one of its own, to be written and copied back.
"""


@dataclass(frozen=True, slots=True)
class Batch:
    """Records that one request asks about; never empty, never split by the planner."""

    keys: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Chunk:
    """Whole batches, at least one. `index` counts from 0 in the order of the run."""

    index: int
    batches: tuple[Batch, ...]

    @property
    def keys(self) -> tuple[str, ...]:
        """All records of the chunk, in the order they are asked."""
        return tuple(key for batch in self.batches for key in batch.keys)


@dataclass(frozen=True, slots=True)
class Plan:
    """The chunks of a run.

    `records` counts the names planned, `settled` those left out because the ledger has
    settled them, `requests` is one for each batch: bisected batches, second looks at
    doubtful answers and retries come on top. `chunk_size` is the one that was used.
    """

    chunks: tuple[Chunk, ...]
    records: int
    settled: int
    requests: int
    chunk_size: int


def plan(
    names: Iterable[str],
    *,
    batches: Callable[[Iterable[str]], Iterable[Sequence[str]]],
    settled: Container[str] = frozenset(),
    chunk_size: int = CHUNK_SIZE,
    max_chunks: int = MAX_CHUNKS,
) -> Plan:
    """Plan *names* minus *settled*; each of them stands in exactly one batch.

    *batches* is the provider's way to ask about several records at once. A chunk is as
    many whole batches as fit into *chunk_size* records, at least one; *chunk_size* grows
    until there are at most *max_chunks*. Names given twice are planned once. Bulk batches
    come first: they settle most records soonest, should the run end early. Otherwise names
    keep their order but for that within a block of `BLOCK`, which is sorted.

    Raises ValueError when *chunk_size* or *max_chunks* is less than 1.
    """
    if chunk_size < 1 or max_chunks < 1:
        raise ValueError(
            f"chunk_size {chunk_size} and max_chunks {max_chunks} must be 1 or more"
        )
    unique = dict.fromkeys(names)
    due = _by_neighbours([name for name in unique if name not in settled])
    groups = [Batch(tuple(keys)) for keys in batches(due)]
    groups.sort(key=lambda batch: len(batch.keys) == 1)  # stable: bulk first, else as given
    size = max(chunk_size, -(-len(due) // max_chunks))
    while (chunks := _count(groups, size)) > max_chunks:
        # Whole batches fill a chunk unevenly; a little more room each round suffices.
        size = max(size + 1, size * chunks // max_chunks)
    return Plan(
        chunks=tuple(Chunk(i, part) for i, part in enumerate(_parts(groups, size))),
        records=len(due),
        settled=len(unique) - len(due),
        requests=len(groups),
        chunk_size=size,
    )


def _by_neighbours(names: list[str]) -> list[str]:
    """*names* block by block in their order, sorted within each."""
    starts = range(0, len(names), BLOCK)
    return [name for start in starts for name in sorted(names[start : start + BLOCK])]


def _parts(batches: Sequence[Batch], size: int) -> Iterator[tuple[Batch, ...]]:
    start = filled = 0
    for index, batch in enumerate(batches):
        count = len(batch.keys)
        if index > start and filled + count > size:
            yield tuple(batches[start:index])
            start, filled = index, 0
        filled += count
    if start < len(batches):
        yield tuple(batches[start:])


def _count(batches: Sequence[Batch], size: int) -> int:
    return sum(1 for _ in _parts(batches, size))


@dataclass(frozen=True, slots=True)
class Estimate:
    """How long requests take at the least. `limited_by` says what makes it so, in words."""

    seconds: float
    limited_by: str


def estimate(
    requests: int, quotas: Iterable[Quota], max_in_flight: int, latency_s: float
) -> Estimate:
    """The least time for *requests* under every quota window, starting with none used.

    *latency_s* is what one request takes, *max_in_flight* how many may be under way
    together. Left out: cooldowns, retries, hours of access, and that the provider may be
    slower than thought.
    """
    if requests <= 0:
        return Estimate(0.0, "nothing to ask")
    seconds = -(-requests // max_in_flight) * latency_s
    limited_by = f"{max_in_flight} in flight at about {latency_s:g} s each"
    for quota in quotas:
        # A sliding log: the n-th request waits for the full windows before it.
        full_windows = (requests - 1) // quota.allowance
        by_quota = full_windows * (quota.span_s + quota.guard_s) + latency_s
        if by_quota > seconds:
            seconds = by_quota
            limited_by = f"the quota of {quota}"
    return Estimate(seconds, limited_by)
