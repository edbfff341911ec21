"""One attempt at one chunk: fetch what is not settled yet, note what failed.

An attempt is at-least-once. When it ended but the queue did not get to know (a kill in
between), the second call answers from the chunk's row and asks nobody anything. When it
was killed under way, the second call goes on with what the first one has not asked yet:
what failed in it is due only in the next attempt.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from ventil.core.model import Good, Sample, Status
from ventil.crashpoint import crashpoint
from ventil.engine.fetch import Fetcher, Found
from ventil.engine.ledger import LedgerWriter
from ventil.errors import Suspended, VentilError
from ventil.ports import ChunkRow, Clock, Entry, Recipe, Run, Store


@dataclass(frozen=True, slots=True)
class Attempts:
    """How often a chunk's failed part is tried again, and how many batches go side by side."""

    retries: int
    side_by_side: int


class ChunkProcessor:
    """Processes the chunks of one run. `note` is told what went wrong inside of us."""

    def __init__(
        self,
        run: Run,
        *,
        store: Store,
        recipe: Recipe,
        fetcher: Fetcher,
        ledger: LedgerWriter,
        clock: Clock,
        attempts: Attempts,
        note: Callable[[str], None],
    ) -> None:
        self._run = run
        self._store = store
        self._recipe = recipe
        self._fetcher = fetcher
        self._ledger = ledger
        self._clock = clock
        self._attempts = attempts
        self._note = note

    async def process(self, index: int, attempt: int) -> int:
        """Process chunk *index* for the *attempt*-th time (from 1).

        Returns how many records are to be tried again later: 0 when the chunk is finished,
        because all is settled or doubtful, or because the attempts are used up and the
        failed records are in the failure queue.

        Raises Suspended when records are left that a provider would answer later than
        anybody wants to wait; all others are done by then, and the attempt has not ended.
        """
        run, store = self._run, self._store
        row = store.chunk(run.id, index)
        if row.attempts >= attempt:
            return 0 if row.finished else row.failed
        known = self._known(row)
        deferrals = self._fetcher.deferrals
        elsewhere = set() if deferrals is None else deferrals.elsewhere(index, [*known])
        batches, found = self._due(row, known, again=attempt > 1, elsewhere=elsewhere)
        keys = [key for batch in batches for key in batch]
        before = self._failed_before(index, row, [known[key] for key in keys])
        good = {key: last for key in keys if (last := known[key][1]) is not None}
        results, suspended = await self._fetch_all(index, batches, good)
        await self._fetcher.stored()
        for result in results:
            found.extend(result)
        if suspended is not None:
            raise suspended
        asked = {sample.key for sample, _ in found} if before else set()
        if deferrals is not None:
            asked |= deferrals.parked
        left = [sample for sample in before if sample.key not in asked]
        if left:
            self._note(
                f"chunk {index + 1}: {len(left)} records that had failed before were not "
                "asked again, as those asked before them failed again in a row"
            )
            found.extend((sample, self._fetcher.first_request(sample.key)) for sample in left)
        failed = [pair for pair in found if pair[0].status is Status.FAILED]
        finished = not failed or attempt > self._attempts.retries
        if finished:
            self._queue_failures(found)
        if deferrals is not None and finished:
            deferrals.settle(index, [*known])
        crashpoint("attempt.before")
        store.end_attempt(
            run.id,
            index,
            attempts=attempt,
            failed=len(failed),
            finished=finished,
            at_s=self._clock.now_s(),
        )
        crashpoint("attempt.after")
        return 0 if finished else len(failed)

    def _known(self, row: ChunkRow) -> dict[str, tuple[Entry | None, Good | None]]:
        """This period's entry and the last good value of each of a chunk's records."""
        keys = [key for batch in row.batches for key in batch]
        return {
            key: (entry, good)
            for key, entry, good in self._store.entries(self._run.series, self._run.day, keys)
        }

    def _due(
        self,
        row: ChunkRow,
        known: Mapping[str, tuple[Entry | None, Good | None]],
        *,
        again: bool,
        elsewhere: set[str],
    ) -> tuple[list[tuple[str, ...]], list[Found]]:
        """The batches still to ask, and what was asked already and is not settled.

        A first attempt keeps the planned batches less what is settled; a later one asks
        what failed, batched anew. A doubtful answer is not asked twice in one run, it
        needs hours, not minutes; but a replay, a new chunk, asks for it again. Those that are
        taken care of *elsewhere* are left out.
        """
        run = self._run
        since_s = run.created_s if run.refresh else float("-inf")
        over = set(elsewhere)
        asked: list[Found] = []
        for key, (entry, _) in known.items():
            if entry is None:
                continue
            status = entry.sample.status
            if status.settles:
                if entry.fetched_at_s >= since_s:
                    over.add(key)
            elif entry.run_id == run.id:
                fresh = entry.fetched_at_s > row.since_s
                if fresh or (again and status is Status.SUSPECT):
                    over.add(key)
                    asked.append((entry.sample, self._fetcher.first_request(key)))
        if again:
            due = [key for key in known if key not in over]
            return [tuple(batch) for batch in self._recipe.batches(due)], asked
        if not over:
            return list(row.batches), asked
        kept = (tuple(key for key in batch if key not in over) for batch in row.batches)
        return [batch for batch in kept if batch], asked

    def _failed_before(
        self,
        index: int,
        row: ChunkRow,
        due: Sequence[tuple[Entry | None, Good | None]],
    ) -> list[Sample]:
        """What is known of the records that are due, if every one of them has failed before.

        An attempt may then end before all are asked again; see `core.blame`.
        """
        before: list[Sample] = []
        again: list[str] = []
        for entry, _ in due:
            if (
                entry is None
                or entry.sample.status is not Status.FAILED
                or entry.fetched_at_s > row.since_s
            ):
                return []
            before.append(entry.sample)
            if entry.attempts > 1:
                again.append(entry.sample.key)
        if before:
            self._fetcher.failed_before(index, again if self._any_answered() else ())
        return before

    def _any_answered(self) -> bool:
        """Whether the provider ever answered in this run, in this start or an earlier one."""
        before = self._run.tallies.get("requests", {})
        return self._fetcher.answered or before.get("ok", 0) > 0

    async def _fetch_all(
        self, index: int, batches: Sequence[tuple[str, ...]], good: Mapping[str, Good]
    ) -> tuple[list[list[Found]], Suspended | None]:
        results: list[list[Found]] = []
        suspended: Suspended | None = None
        todo = deque(batches)

        async def work(group: asyncio.TaskGroup) -> None:
            def another() -> None:
                if todo:
                    group.create_task(work(group))

            nonlocal suspended
            while todo and not self._fetcher.hopeless(index):
                batch = todo.popleft()
                try:
                    found = await self._fetcher.batch(batch, good, chunk=index, stuck=another)
                except Suspended as error:  # others may need other providers
                    suspended = error
                except VentilError:
                    raise
                except Exception as error:  # a fault of ours must not cost the other records
                    results.append(await self._broken(batch, error))
                else:
                    results.append(found)

        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(min(self._attempts.side_by_side, len(batches))):
                    group.create_task(work(group))
        except ExceptionGroup as group_error:
            raise _first(group_error) from group_error
        return results, suspended

    async def _broken(self, batch: Sequence[str], error: Exception) -> list[Found]:
        """A fault of ours met *batch*: its records have failed, and that is stored."""
        words = f"internal error: {type(error).__name__}: {error}"[:300]
        self._note(f"{batch[0]}{' ...' if len(batch) > 1 else ''}: {words}")
        samples = [Sample(key, Status.FAILED, detail=words) for key in batch]
        await self._ledger.write(samples, self._clock.now_s())
        return [(sample, "") for sample in samples]

    def _queue_failures(self, found: Sequence[Found]) -> None:
        """Put what is not settled into the failure queue, with how often it was asked."""
        run = self._run
        if all(sample.status.settles for sample, _ in found):
            return
        left = {sample.key: (sample, request) for sample, request in found}
        left = {key: pair for key, pair in left.items() if not pair[0].status.settles}
        attempts = {
            key: entry.attempts if entry else 1
            for key, entry, _ in self._store.entries(run.series, run.day, list(left))
        }
        crashpoint("failures.before")
        self._store.put_failures(
            run.id,
            ((sample, request, attempts[key]) for key, (sample, request) in left.items()),
            self._clock.now_s(),
        )
        crashpoint("failures.after")


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
