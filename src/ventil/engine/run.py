"""Runs a run: chunks through the durable queue, until all are finished or it must stop.

A run can end in five ways. All chunks finished: the caller publishes and closes it. A
stop: the provider says later (`Suspended`), a person cancelled, a signal came, or the
state cannot be stored; then what is under way gets `GRACE_S` to finish (longer, where the
stop says so), the queue keeps the rest, and the next start goes on from there.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import inf
from typing import Any

from ventil.core.governor import Governor, Reason
from ventil.core.lease import LeasedGovernor
from ventil.core.model import Sample, Status
from ventil.core.period import Period
from ventil.core.policy import Policy
from ventil.core.retune import retune
from ventil.crashpoint import crashpoint
from ventil.engine.chunk import Attempts, ChunkProcessor
from ventil.engine.deferred import Deferrals
from ventil.engine.door import Door
from ventil.engine.fetch import Fetcher
from ventil.engine.gate import Gate, Patience
from ventil.engine.ledger import LedgerWriter
from ventil.engine.progress import Progress
from ventil.engine.rest import Rest
from ventil.engine.tallies import Tally, added
from ventil.errors import Cancelled, Suspended
from ventil.ports import (
    Api,
    Clock,
    Combiner,
    Durable,
    Recipe,
    Recorder,
    Reporter,
    Run,
    Store,
    Transport,
    Workbench,
)

GRACE_S = 3.0
"""How long a stop waits for the requests in flight, so that they need not be repeated."""

TICK_S = 0.5
"""How often a run looks for a person's word (cancel, pause) and reports its progress."""

_LATE_S = 0.05  # a timer may be that late without a word about it


@dataclass(frozen=True, slots=True)
class Limits:
    """What bounds a run: see `[run]` in the settings.

    `side_by_side`: batches of a chunk that are under way together; what may be in flight at
    the provider, or all of them where each goes its own way to several providers.
    `journaled`: see `Fetcher`.
    """

    chunks_at_once: int
    retries: int
    retry_delay_s: float
    tries: int
    side_by_side: int
    patience: Patience
    journaled: bool = False


@dataclass(slots=True)
class Outside:
    """What a run needs of the outside. `workbench` is None for recipes that need none.

    `recorder`: writes the samples, where a commit is a long way; None: the store does.
    `deferrals`: for recipes that await answers hours later; None for all others.
    """

    store: Store
    durable: Durable
    clock: Clock
    reporter: Reporter
    workbench: Workbench | None = None
    recorder: Recorder | None = None
    deferrals: Deferrals | None = None


@dataclass(frozen=True, slots=True)
class Party:
    """A provider of a job: its key, how to ask it, and what its governor knows.

    `limits` is what a person has set of it at run time, as stored, and `policy` what that
    means together with the settings. None: what is set later changes nothing here.
    """

    api: Api
    key: str
    governor: Governor | LeasedGovernor
    transport: Transport
    combiner: Combiner | None = None
    limits: str | None = None
    policy: Callable[[str | None], Policy] | None = None


class Runner:
    """Executes one run in this process.

    With one party a wait that is too long ends the run. With several it only turns away
    those who need that one; the run goes on with all the others and is suspended at its end.
    """

    def __init__(
        self,
        run: Run,
        period: Period,
        *,
        outside: Outside,
        recipe: Recipe,
        parties: Sequence[Party],
        limits: Limits,
    ) -> None:
        self._run = run
        self._outside = outside
        self._limits = limits
        self._stopped: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._until_s = inf  # how long a stop waits, by the event loop's time
        self._open: set[int] = set()
        self._left: dict[int, Suspended] = {}  # chunks of which a part has to wait
        store, clock = outside.store, outside.clock
        self._progress = Progress(total=run.records)
        self._keys = {party.api.name: party.key for party in parties}
        self._parties = {party.api.name: party for party in parties}
        self._doors = {
            party.api.name: self._door(party, alone=len(parties) == 1) for party in parties
        }
        self._gates = [door.gate for door in self._doors.values()]
        self._own_waits_s: dict[str, float] = {}
        ledger = LedgerWriter(
            store,
            series=run.series,
            day=run.day,
            run_id=run.id,
            written=self._written,
            enough=self._enough(),
            failed=self._not_stored,
            journaled=limits.journaled or outside.deferrals is not None,
            recorder=outside.recorder,
        )
        self._fetcher = Fetcher(
            recipe=recipe,
            doors=self._doors,
            ledger=ledger,
            clock=clock,
            period=period,
            workbench=outside.workbench,
            journaled=limits.journaled,
            deferrals=outside.deferrals,
        )
        self._processor = ChunkProcessor(
            run,
            store=store,
            recipe=recipe,
            fetcher=self._fetcher,
            ledger=ledger,
            clock=clock,
            attempts=Attempts(limits.retries, limits.side_by_side),
            note=outside.reporter.note,
        )
        self._retrying: dict[int, float] = {}
        self._before = run.tallies
        self._rest = Rest(outside.deferrals, limits.patience.max_wait_s)

    def _door(self, party: Party, *, alone: bool) -> Door:
        outside, limits = self._outside, self._limits

        def stop(error: Exception) -> None:
            if alone or not isinstance(error, Suspended):
                self.stop(error)
            else:
                gate.turn_away(error)

        gate = Gate(
            party.key,
            party.governor,
            outside.clock,
            outside.store,
            patience=limits.patience,
            stop=stop,
        )
        return Door(
            party.api,
            party.transport,
            gate,
            outside.clock,
            tries=limits.tries,
            combiner=party.combiner,
        )

    def _enough(self) -> Callable[[], int]:
        """How many answers are worth a commit: of one provider most of what is in flight."""
        if self._outside.recorder is not None:
            most = self._limits.side_by_side // 2
            return lambda: most
        if len(self._gates) == 1:
            gate = self._gates[0]
            return lambda: gate.in_flight * 4 // 5
        return lambda: self._in_flight // 2

    @property
    def _in_flight(self) -> int:
        return sum(gate.in_flight for gate in self._gates)

    def _not_stored(self, error: Exception) -> None:
        """Send nothing more whose answer could not be written down."""
        for gate in self._gates:
            gate.close()
        self.stop(error)

    def stop(self, error: Exception, *, within_s: float = GRACE_S) -> None:
        """End the run early with *error*; the first one counts.

        Nothing new is sent; what is in flight may end within *within_s*. Of several stops the
        earliest end counts.
        """
        self._until_s = min(self._until_s, asyncio.get_running_loop().time() + within_s)
        if not self._stopped.done():
            self._stopped.set_exception(error)

    def wake(self) -> None:
        """A lease came: those who wait may look again."""
        for gate in self._gates:
            gate.check()

    async def execute(self) -> None:
        """Return when every chunk is finished; raise what `stop` was told otherwise.

        Either way the queue is stopped, the tallies and the governor's state are stored.
        """
        run, store, durable = self._run, self._outside.store, self._outside.durable
        self._progress.settled = self._settled_count()
        self._progress.rate(self._outside.clock.now_s())
        rows = store.chunk_progress(run.id)
        todo = [
            (index, attempts + 1, self._limits.retry_delay_s if attempts else 0.0)
            for index, attempts, _, finished in rows
            if not finished
        ]
        self._open = {index for index, _, _ in todo}
        if not self._open and not self._rest.begun():
            return
        now_s = self._outside.clock.now_s()
        self._retrying = {index: now_s + delay for index, _, delay in todo if delay}
        watch = asyncio.create_task(self._watch())
        queueing: asyncio.Task[None] | None = None
        try:
            await durable.start(
                run.id,
                self._handle,
                at_once=self._limits.chunks_at_once,
                retry_delay_s=self._limits.retry_delay_s,
            )
            queueing = asyncio.create_task(self._enqueue(todo))
            self._rest.begin()
            await self._stopped
        finally:
            with contextlib.suppress(asyncio.InvalidStateError, asyncio.CancelledError):
                self._stopped.exception()
            await self._wind_down(watch, queueing)

    async def _enqueue(self, todo: Sequence[tuple[int, int, float]]) -> None:
        try:
            crashpoint("queue.before")
            await self._outside.durable.enqueue(self._run.id, todo)
            crashpoint("queue.after")
        except Exception as error:
            self.stop(error)

    async def _handle(self, run_id: str, index: int, attempt: int) -> int:
        """The queue's handler: one attempt at one chunk."""
        if self._stopped.done():
            raise asyncio.CancelledError
        self._open.add(index)  # it may be newer than this start: woken, or a replay's
        self._retrying.pop(index, None)
        try:
            again = await self._processor.process(index, attempt)
        except Suspended as error:
            self._left[index] = error
            self._stop_if_all_wait()
            return 0  # as far as the queue knows; the next start looks at the chunk's row
        except (
            Exception
        ) as error:  # also one that nobody foresaw: or the chunk is held for ever
            self.stop(error)
            raise asyncio.CancelledError from error
        if again:
            delay_s = self._limits.retry_delay_s
            self._retrying[index] = self._outside.clock.now_s() + delay_s
        else:
            self._open.discard(index)
            self._end_if_all_done()
            self._stop_if_all_wait()
        return again

    def _end_if_all_done(self) -> None:
        if not (self._open or self._stopped.done() or self._rest.begun()):
            self._stopped.set_result(None)

    async def _take_up(self) -> None:
        """Look again at records whose later answer has come, or is to be asked for."""
        now_s = self._outside.clock.now_s()
        while (index := self._rest.wake(now_s)) is not None:
            self._open.add(index)
            await self._outside.durable.enqueue(self._run.id, [(index, 1, 0.0)])
        late = self._rest.too_long(now_s, self._progress.answered)
        if late is not None:
            self.stop(late)
        self._end_if_all_done()

    def _stop_if_all_wait(self) -> None:
        """Suspend the run when nothing is left but what has to wait for some provider."""
        if self._left and not self._open - self._left.keys():
            said = dict.fromkeys(error.message for error in self._left.values())
            error = next(iter(self._left.values()))
            self.stop(Suspended("; ".join(said), hint=error.hint))

    async def _wind_down(
        self, watch: asyncio.Task[None], queueing: asyncio.Task[None] | None
    ) -> None:
        loop = asyncio.get_running_loop()
        for gate in self._gates:
            gate.close()
        if self._until_s == inf:  # no stop: `execute` itself was cancelled
            self._until_s = loop.time() + GRACE_S
        # A settle rings no bell, so this looks fifty times a second. Who stops the run once
        # more meanwhile may be in a greater hurry.
        while self._in_flight and loop.time() < self._until_s:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
        watch.cancel()
        await asyncio.gather(watch, return_exceptions=True)
        await self._outside.durable.stop(over=not self._open)
        if queueing is not None:
            await asyncio.gather(queueing, return_exceptions=True)
        for door in self._doors.values():
            await door.close()
            door.gate.save()
        self._outside.store.update_run(self._run.id, tallies=self.tallies())

    # -- watching --------------------------------------------------------------------

    async def _watch(self) -> None:
        """Look for a person's word, store the tallies, report."""
        store, run = self._outside.store, self._run
        while True:
            try:
                current = store.run(run.id)
                if current is not None and current.cancel:
                    self.stop(Cancelled(f"run {run.id} was cancelled"))
                for name, door in self._doors.items():
                    row = store.provider(self._keys[name])
                    door.gate.pause(row.paused)
                    self._retune(name, row.limits)
                    door.gate.check()
                store.update_run(run.id, tallies=self.tallies())
                if self._rest.under_way:
                    await self._take_up()
            except Exception as error:
                self.stop(error)
                return
            self._outside.reporter.progress(self.snapshot())
            before_s = self._outside.clock.now_s()
            await asyncio.sleep(TICK_S)
            passed_s = self._outside.clock.now_s() - before_s
            if passed_s - TICK_S > _LATE_S:  # everything here was late by as much
                self._waited(Reason.OWN_CPU, passed_s - TICK_S)
            if self._retrying and not (
                self._in_flight or any(gate.queued for gate in self._gates)
            ):
                self._waited(Reason.RETRY_DELAY, TICK_S)

    def _retune(self, name: str, limits: str | None) -> None:
        """A person may have changed a provider's limits. A pacer sees that by itself."""
        party = self._parties[name]
        if limits == party.limits or party.policy is None:
            return
        self._parties[name] = replace(party, limits=limits)
        if isinstance(party.governor, Governor):
            policy = party.policy(limits)
            retune(party.governor.parts, policy, self._outside.clock.now_s())
            self._outside.reporter.note(f"{name}: its limits were changed")

    def _waited(self, reason: Reason, seconds: float) -> None:
        waits_s = self._own_waits_s
        waits_s[reason.value] = waits_s.get(reason.value, 0.0) + seconds

    def _written(self, samples: Sequence[tuple[Sample, float]]) -> None:
        self._progress.add(sample for sample, _ in samples)

    def _settled_count(self) -> int:
        run = self._run
        since_s = run.created_s if run.refresh else None
        return self._outside.store.settled_count(
            run.series, run.day, self._outside.store.run_keys(run.id), since_s=since_s
        )

    def snapshot(self) -> Mapping[str, Any]:
        """Where the run stands, for a display."""
        now_s = self._outside.clock.now_s()
        progress = self._progress
        rate = progress.rate(now_s)
        left = max(0, progress.total - progress.answered)
        limited = "; ".join(filter(None, (gate.limited_by() for gate in self._gates))) or None
        if limited is None and self._retrying and self._in_flight == 0:
            again = len(self._retrying)
            wait_s = max(0.0, min(self._retrying.values()) - now_s)
            limited = (
                f"{again} chunk{'s' if again > 1 else ''} with failed records, "
                f"tried again in {wait_s:.0f} s"
            )
        if limited is None:
            limited = self._rest.words(now_s)
        return {
            "done": min(progress.answered, progress.total),
            "total": progress.total,
            "ok": progress.counts.get(Status.OK.value, 0),
            "unknown": progress.counts.get(Status.UNKNOWN.value, 0),
            "suspect": progress.counts.get(Status.SUSPECT.value, 0),
            "failed": progress.counts.get(Status.FAILED.value, 0),
            "settled_before": progress.settled,
            "rate": rate,
            "eta_s": self._eta_s(left, rate, now_s),
            "in_flight": self._in_flight,
            "limited_by": limited,
        }

    def _eta_s(self, left: int, rate: float, now_s: float) -> float | None:
        """Seconds to the end at this rate, not before the last chunk is tried again.

        A running cooldown comes first; of several providers, the shortest.
        """
        shut_s = (
            min((gate.shut_until_s() or now_s for gate in self._gates), default=now_s) - now_s
        )
        again_s = max(self._retrying.values(), default=now_s) - now_s
        if rate <= 0:
            return max(again_s, shut_s) or None
        return max(shut_s + left / rate, again_s)

    def tallies(self) -> dict[str, Any]:
        """Requests and waits of this run so far, over all its starts."""
        now = {
            name: Tally(door.requests, door.gate.waits_s)
            for name, door in self._doors.items()
            if door.requests.sent or door.gate.waits_s
        }
        return added(self._before, now, self._own_waits_s)
