"""A worker: takes part in every running run that it can serve, among any number of others."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ventil.adapters.claims import ClaimQueue
from ventil.adapters.recorder import SampleRecorder
from ventil.adapters.worker_store import WorkerStore
from ventil.core.period import Period
from ventil.core.quota import QuotaImpossible
from ventil.engine.gate import Patience
from ventil.engine.run import GRACE_S, Limits, Outside, Runner
from ventil.errors import (
    Cancelled,
    Fenced,
    NoSpace,
    StateError,
    Stopped,
    Suspended,
    VentilError,
)
from ventil.ports import Reporter, Run
from ventil.wiring.deferring import TakingUp, deferrals_of
from ventil.wiring.kinds import kind_of
from ventil.wiring.paced import new_name, pacing_of
from ventil.wiring.parties import parties_of
from ventil.wiring.rota import Rota
from ventil.wiring.served import needs
from ventil.wiring.workshop import Workshop

LOOK_S = 0.5
"""How often a worker looks for a run."""

NO_SPACE_S = 30.0
"""How long a run rests when what it is answered cannot be kept."""

BROKEN_S = 30.0
"""How long a run rests that this worker cannot work on, for whatever reason."""

REJOIN_S = 2.0
"""How often one that was given up tries to join again while the database is away."""

_FOR_EVER_S = float("inf")


@dataclass(frozen=True, slots=True)
class Own:
    """The run for whose sake a command works: it waits for a provider so long, and no longer.

    `progress` is told how far this worker's part of it is.
    """

    run_id: str
    patience: Patience
    progress: Callable[[Mapping[str, Any]], None]


class Worker:
    """One membership: from joining to leaving, or to being given up (`Fenced`).

    With an *own* run it ends with `Suspended` when that run has to wait too long.
    """

    def __init__(
        self,
        workshop: Workshop,
        reporter: Reporter,
        *,
        providers: Sequence[str],
        slots: int,
        shard: int = 0,
        own: Own | None = None,
    ) -> None:
        self.id = new_name()
        self._workshop = workshop
        self._reporter = reporter
        self._slots = slots
        self._own = own
        self._url = workshop.settings.database_url
        self._store = WorkerStore(self._url, self.id)
        self._needs = needs(workshop, providers)
        timeouts_s = [workshop.settings.provider(name).timeout_s for name in providers]
        self._turn_ends_s = max(timeouts_s, default=0.0) + GRACE_S
        self._rota = Rota(self.id, self._needs, slots=slots, size=shard)
        self._pacing = pacing_of(
            workshop, self._store, providers, slots=slots, note=reporter.note
        )
        self._taking_up = TakingUp()
        self._runners: dict[str, Runner] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._stopping: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def stop(self, error: Exception) -> None:
        """Leave: finish what is in flight, give the rest back."""
        if not self._stopping.done():
            self._stopping.set_exception(error)

    async def serve(self) -> None:
        """Work until `stop`, whose error is raised, or until given up: `Fenced`.

        Raises WrongDatabase, StateError when it cannot join.
        """
        store = self._store
        try:
            await self._join()
        except BaseException:
            store.close()
            raise
        self._recorder = SampleRecorder(self._url, store)
        waits: list[asyncio.Future[None]] = [self._stopping, self._pacing.lost]
        try:
            while not any(future.done() for future in waits):
                with contextlib.suppress(StateError):  # the database is away
                    self._taking_up.look(store, [*self._needs], self._pacing.clock.now_s())
                    turn = self._rota.look(store, self._pacing.clock.now_s())
                    for run_id in turn.begin:
                        self._begin(run_id, store)
                    for run_id in turn.end:
                        self._end(run_id)
                await asyncio.wait(waits, timeout=LOOK_S)
        finally:
            over = next((f.exception() for f in waits if f.done() and f.exception()), None)
            for runner in self._runners.values():
                runner.stop(over if isinstance(over, VentilError) else Stopped("the end"))
            await asyncio.gather(*self._tasks.values(), return_exceptions=True)
            await self._pacing.leave()
            await self._recorder.close()
            store.close()
        for future in waits:
            if future.done():
                future.result()

    async def _join(self) -> None:
        """Join the others; raises the error of `stop` when that comes first."""
        joining = asyncio.ensure_future(self._pacing.join())
        waits: list[asyncio.Future[None]] = [joining, self._stopping]
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        if not joining.done():
            joining.cancel()
            await asyncio.gather(joining, return_exceptions=True)
            await self._pacing.leave()
            self._stopping.result()
        joining.result()

    async def rest(self, seconds: float) -> None:
        """Let some time pass; raises the error of `stop` when that comes."""
        await asyncio.wait([self._stopping], timeout=seconds)
        if self._stopping.done():
            self._stopping.result()

    def _begin(self, run_id: str, store: WorkerStore) -> None:
        task = asyncio.create_task(self._work(run_id, store))
        self._tasks[run_id] = task
        task.add_done_callback(lambda _: self._over(run_id))

    def _over(self, run_id: str) -> None:
        self._tasks.pop(run_id, None)
        self._rota.over(run_id)

    def _end(self, run_id: str) -> None:
        """Let others have the place of a run; what it has claimed is given back.

        Not before what is in flight has ended, or answers slower than that would never come.
        """
        if run_id in self._runners:
            self._runners[run_id].stop(Stopped("others wait"), within_s=self._turn_ends_s)
        else:
            self._tasks[run_id].cancel()

    async def _work(self, run_id: str, store: WorkerStore) -> None:
        """Take part in one run until it is over, or this worker's part of it is."""
        try:
            run = store.run(run_id)
            if run is not None:
                await self._take_part(replace(run, tallies=store.part(run_id)), store)
        except Cancelled as error:
            store.cancelled(run_id, error.message)
        except Fenced as error:
            self._reporter.note(error.message)
        except NoSpace as error:
            if self._own is not None and self._own.run_id == run_id:
                self.stop(error)  # whoever gave the command can see to it
            self._reporter.note(f"run {run_id}: {error.message}; it goes on later")
            await asyncio.wait([self._stopping], timeout=NO_SPACE_S)
        except StateError as error:
            self._reporter.note(f"run {run_id}: {error.message}; it goes on later")
            await asyncio.sleep(LOOK_S)
        except Suspended as error:  # of the own run alone: the others wait for ever
            self.stop(error)
        except Stopped:
            pass
        except QuotaImpossible as error:  # whoever follows the run is to hear of it
            part = {**store.part(run_id), "fault": [error.message, self._pacing.clock.now_s()]}
            store.update_run(run_id, tallies=part)
            await self._broken(run_id, error)
        except Exception as error:  # a missing credential, or what nobody foresaw
            await self._broken(run_id, error)
        finally:
            self._runners.pop(run_id, None)
            for leases in self._pacing.leases.values():
                leases.finished(run_id)

    async def _broken(self, run_id: str, error: Exception) -> None:
        """No work on a run for a while: it does not get on here."""
        if self._own is not None and self._own.run_id == run_id:
            self.stop(error)
        words = error.message if isinstance(error, VentilError) else repr(error)
        self._reporter.note(f"run {run_id}: {words}; tried again in {BROKEN_S:.0f} s")
        await asyncio.wait(
            [self._stopping, self._pacing.lost],
            timeout=BROKEN_S,
            return_when=asyncio.FIRST_COMPLETED,
        )

    async def _take_part(self, run: Run, store: WorkerStore) -> None:
        workshop, kind = self._workshop, kind_of(run)
        leases = self._pacing.leases
        own = self._own if self._own is not None and self._own.run_id == run.id else None
        quiet = _Quiet(self._reporter, own)
        at_once = kind.side_by_side(workshop)
        parties = [
            replace(
                party,
                governor=leases[party.key].governor(run.id, urgent=run.urgent, most=at_once),
            )
            for party in parties_of(workshop, kind.providers, store, quiet)
        ]
        settings = workshop.settings.run
        async with kind.workbench() as workbench:
            runner = Runner(
                run,
                Period(run.period, run.interval, dt.date.fromisoformat(run.day)),
                outside=Outside(
                    store, self._queue(run.id, store), self._pacing.clock, quiet,
                    workbench, self._recorder,
                    deferrals_of(
                        workshop, kind, run.id, store, self._pacing.clock, waits_here=False
                    ),
                ),
                recipe=kind.recipe(workshop),
                parties=parties,
                limits=Limits(
                    chunks_at_once=self._slots,
                    retries=0 if kind.defers else settings.retries,
                    retry_delay_s=settings.retry_delay_s,
                    tries=settings.tries,
                    side_by_side=at_once,
                    patience=own.patience if own else Patience(_FOR_EVER_S, _FOR_EVER_S),
                    journaled=len(parties) > 1,
                ),
            )  # fmt: skip
            for party in parties:
                leases[party.key].on_grant(run.id, runner.wake)
            self._runners[run.id] = runner
            await runner.execute()

    def _queue(self, run_id: str, store: WorkerStore) -> ClaimQueue:
        return ClaimQueue(store, self._pacing.clock, share=lambda: self._rota.share(run_id))


class _Quiet:
    """Passes on what a person should know, and nothing about progress but the own run's."""

    def __init__(self, reporter: Reporter, own: Own | None) -> None:
        self.note = reporter.note
        self._own = own

    def started(self, run: Run, *, resumed: bool, chunks: int) -> None:
        pass

    def progress(self, snapshot: Mapping[str, Any]) -> None:
        if self._own is not None:
            self._own.progress(snapshot)

    def ended(self, text: str) -> None:
        pass


async def serve(
    workshop: Workshop,
    reporter: Reporter,
    *,
    providers: Sequence[str],
    slots: int,
    shard: int = 0,
) -> None:
    """Work until `workshop.stop` is called. Given up by the others, join again.

    *slots*: chunks of each provider at once. *shard*: serve a provider only as one of so many
    workers; 0 for all. A database that is away is an error the first time alone: who was in
    waits for it.
    """
    was_in = False
    while True:
        worker = Worker(workshop, reporter, providers=providers, slots=slots, shard=shard)
        workshop.stop = worker.stop
        reporter.note(f"worker {worker.id} serves {', '.join(providers)}")
        try:
            await worker.serve()
        except Fenced as error:
            was_in = True
            reporter.note(f"{error.message}; joining again")
        except StateError as error:
            if not was_in:
                raise
            reporter.note(f"{error.message}; joining again in {REJOIN_S:g} s")
            await worker.rest(REJOIN_S)
