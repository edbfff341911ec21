"""Executes a run: opens what it needs, ends it in order, publishes and closes it."""

from __future__ import annotations

import asyncio
import datetime as dt
import gc
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

from ventil.adapters.lock import StateLock
from ventil.adapters.shared_lock import SharedLock
from ventil.adapters.sql import SqlStore
from ventil.core.fold import Counts
from ventil.core.period import Period
from ventil.crashpoint import crashpoint
from ventil.engine.gate import Patience
from ventil.engine.prepare import Job, prepare
from ventil.engine.run import Limits, Outside, Runner
from ventil.errors import (
    Busy,
    Cancelled,
    Interrupted,
    Stopped,
    Suspended,
    VentilError,
)
from ventil.ports import Reporter, Run, RunState
from ventil.wiring.asked import Result
from ventil.wiring.deferring import deferrals_of
from ventil.wiring.kind import Kind
from ventil.wiring.parties import parties_of
from ventil.wiring.runs import ask_again
from ventil.wiring.workshop import Workshop

KEEP_RUNS = 50
"""Finished runs that are kept for `ventil runs`; their samples have their own age limit."""


async def run_job(
    workshop: Workshop, kind: Kind, job: Job, reporter: Reporter, *, max_wait_s: float
) -> Result:
    """Resume the job's run or plan a new one, and execute it."""
    lock = await locked(workshop, job.name, max_wait_s, reporter)
    try:
        store = workshop.store()
        try:
            now_s = workshop.clock.now_s()
            recipe = kind.recipe(workshop)
            run, resumed = prepare(job, store, recipe, now_s)
            if resumed and not kind.defers:
                ask_again(recipe, run, store, now_s)
            return await execute(
                workshop, kind, run, store, reporter, max_wait_s=max_wait_s, resumed=resumed
            )
        finally:
            store.close()
    finally:
        lock.release()


async def locked(
    workshop: Workshop, words: str, max_wait_s: float, reporter: Reporter
) -> StateLock | SharedLock:
    """The lock of the state folder, or of the job in *words*; waits up to *max_wait_s*."""
    lock = workshop.lock()
    loop = asyncio.get_running_loop()
    deadline_s = loop.time() + max_wait_s
    told = False
    while not lock.acquire(words):
        if workshop.shared:
            place, holder = words, "another command"
            elsewhere = ""
        else:
            place = str(workshop.settings.state_dir)
            holder = lock.holder() or "another process"
            elsewhere = ", or use another folder with --database"
        if loop.time() >= deadline_s:
            raise Busy(
                f"{place} is in use by {holder}",
                hint=f"give the same command again when it is done{elsewhere}",
            )
        if not told:
            reporter.note(f"waiting for {holder}, which uses {place}")
            told = True
        await asyncio.sleep(0.2)
    return lock


async def execute(
    workshop: Workshop,
    kind: Kind,
    run: Run,
    store: SqlStore,
    reporter: Reporter,
    *,
    max_wait_s: float,
    resumed: bool,
) -> Result:
    """Fetch what is left of *run*, publish, close it. Errors become the result's."""
    if workshop.shared:
        from ventil.wiring.shared import follow

        return await follow(
            workshop, kind, run, store, reporter, max_wait_s=max_wait_s, resumed=resumed
        )
    from ventil.adapters.durable import DbosQueue

    # What the libraries made at import lives as long as the process: the collector
    # need not look at it again and again while requests come and go.
    gc.freeze()
    gc.set_threshold(10_000, 20, 50)
    parties = parties_of(workshop, kind.providers, store, reporter)
    queue = DbosQueue(workshop.settings.database_url)
    runs = workshop.settings.run
    async with kind.workbench() as workbench:
        runner = Runner(
            run,
            Period(run.period, run.interval, dt.date.fromisoformat(run.day)),
            outside=Outside(
                store,
                queue,
                workshop.clock,
                reporter,
                workbench,
                deferrals=deferrals_of(
                    workshop, kind, run.id, store, workshop.clock, waits_here=True
                ),
            ),
            recipe=kind.recipe(workshop),
            parties=parties,
            limits=Limits(
                chunks_at_once=runs.chunks_at_once,
                retries=0 if kind.defers else runs.retries,
                retry_delay_s=runs.retry_delay_s,
                tries=runs.tries,
                side_by_side=kind.side_by_side(workshop),
                patience=Patience(max_wait_s, runs.reach_within_s),
                journaled=len(parties) > 1,
            ),
        )
        reporter.started(run, resumed=resumed, chunks=store.chunk_count(run.id))
        workshop.stop = runner.stop

        async def publish(suspended: str | None) -> tuple[Counts, bool]:
            return await unless_stopped(
                workshop,
                kind.publish(
                    workshop, run, store, runner.tallies(), workbench, suspended=suspended
                ),
            )

        try:
            try:
                await runner.execute()
            except (Stopped, VentilError) as error:
                return await close(run, store, error, publish)
            return await finished(workshop, run, store, publish)
        except Interrupted as error:  # while it was published
            return await close(run, store, error, publish)


_T = TypeVar("_T")


async def unless_stopped(workshop: Workshop, work: Coroutine[Any, Any, _T]) -> _T:
    """What *work* gives; raises the error that `workshop.stop` is told meanwhile."""
    task = asyncio.ensure_future(work)
    told: list[Exception] = []

    def stop(error: Exception) -> None:
        told.append(error)
        task.cancel()

    workshop.stop = stop
    try:
        return await task
    except asyncio.CancelledError:
        if told:
            raise told[0] from None
        raise


Publish = Callable[[str | None], Awaitable[tuple[Counts, bool]]]
"""Publishes a run, given why it waits; the counts, and whether a former artefact was kept."""


async def close(run: Run, store: SqlStore, error: VentilError, publish: Publish) -> Result:
    """Close a run that ended early; one that waits for its provider publishes too."""
    states = {Interrupted: RunState.INTERRUPTED, Cancelled: RunState.CANCELLED}
    state = states.get(type(error), RunState.SUSPENDED)
    counts, kept = None, False
    if not isinstance(error, Interrupted | Cancelled) and isinstance(error, Stopped):
        counts, kept = await publish(error.message)
    store.close_run(run.id, state, error.message)
    stands = _reread(store, run)
    if stands.state is RunState.CANCELLED and isinstance(error, Suspended):
        error = Cancelled(f"run {run.id} was cancelled")
    return Result(stands, counts, error.exit_code, error, kept)


async def finished(workshop: Workshop, run: Run, store: SqlStore, publish: Publish) -> Result:
    """Publish and close a run whose chunks are all finished."""
    counts, kept = await publish(None)
    late = counts.missed > run.tolerate * counts.records
    state = RunState.PARTIAL if late else RunState.DONE
    crashpoint("finish.before")
    store.update_run(run.id, state=state, finished_s=workshop.clock.now_s(), message="")
    # Only now: a killed replay must find its failures open when it is given again.
    keys = [failure.key for failure in store.failures(run_id=run.id)]
    settled = store.settled(run.series, run.day, keys)
    store.close_failures(run.id, sorted(settled), "replayed")
    store.supersede_failures(run)
    crashpoint("finish.after")
    oldest = dt.datetime.fromtimestamp(workshop.clock.now_s(), dt.UTC).date() - dt.timedelta(
        days=workshop.settings.run.ledger_days
    )
    store.prune(before_day=str(oldest), keep_runs=KEEP_RUNS)
    return Result(_reread(store, run), counts, 3 if late else 0, kept=kept)


def _reread(store: SqlStore, run: Run) -> Run:
    return store.run(run.id) or run
