"""Runs on a shared database: submitted here, worked on by the workers, followed from anywhere.

A run is queued by being created; whoever follows it to its end publishes its artefact, where
the command that follows it runs. When no worker serves its providers, the command that
submits it works on it itself, as one worker more.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any

from ventil.adapters.shared_lock import live_workers
from ventil.adapters.sql import SqlStore
from ventil.adapters.worker_store import counted, parts_of
from ventil.core.fold import Counts
from ventil.core.governor import BadGovernorState
from ventil.engine.tallies import Tally
from ventil.errors import (
    Cancelled,
    Interrupted,
    StateError,
    Stopped,
    Suspended,
    UserError,
    VentilError,
)
from ventil.ports import Reporter, Run, RunState
from ventil.wiring.asked import Result
from ventil.wiring.kind import Kind
from ventil.wiring.kinds import kind_of
from ventil.wiring.runs import find_run
from ventil.wiring.worker import Worker
from ventil.wiring.workshop import Workshop

TICK_S = 0.5
_RATE_WINDOW_S = 30.0
_ASK_S = 2.0  # how often a long wait of the provider's is looked for

Publish = Callable[[str | None], Awaitable[tuple[Counts, bool]]]


async def follow(
    workshop: Workshop,
    kind: Kind,
    run: Run,
    store: SqlStore,
    reporter: Reporter,
    *,
    max_wait_s: float,
    resumed: bool,
    working: bool = True,
) -> Result:
    """Follow a run to its end and publish it; work on it too when nobody else does.

    *working* False: only watch. A closed follower stops nothing but its own work.
    """
    url = workshop.settings.database_url
    keys = [workshop.provider_key(name) for name in kind.providers]
    stopped: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def stop(error: Exception) -> None:
        if not stopped.done():
            stopped.set_exception(error)

    workshop.stop = stop
    total, _ = counted(store, run.id)
    reporter.started(run, resumed=resumed, chunks=total)
    worker: Worker | None = None
    work: asyncio.Task[None] | None = None
    if working and not live_workers(url, keys):
        slots = workshop.settings.run.chunks_at_once
        worker = Worker(workshop, reporter, providers=kind.providers, slots=slots)
        work = asyncio.create_task(worker.serve())
        work.add_done_callback(lambda done: _pass_on(done, stop))
    error: VentilError | None = None
    try:
        await _watch(workshop, kind, run, store, reporter, stopped, max_wait_s)
    except VentilError as ending:
        error = ending
    finally:
        if worker is not None and work is not None:
            worker.stop(Stopped("the run is over"))
            await asyncio.gather(work, return_exceptions=True)
    from ventil.wiring.execution import close, finished

    async with kind.workbench() as workbench:

        async def publish(suspended: str | None) -> tuple[Counts, bool]:
            tallies = together((run.tallies, *parts_of(store, run.id)))
            return await kind.publish(
                workshop, run, store, tallies, workbench, suspended=suspended
            )

        if error is None:
            over = store.run(run.id)
            if over is not None and not over.state.resumable:  # another follower was first
                return Result(over, None, 3 if over.state is RunState.PARTIAL else 0)
            await asyncio.sleep(2 * TICK_S)  # the workers write down their last requests
            store.update_run(run.id, tallies=together((run.tallies, *parts_of(store, run.id))))
            return await finished(workshop, run, store, publish)
        if isinstance(error, Interrupted | Suspended) and live_workers(url, keys):
            counts, kept = None, False
            if isinstance(error, Suspended):
                counts, kept = await publish(error.message)
            error.hint = f"the workers go on; back to it: ventil runs watch {run.id}"
            return Result(store.run(run.id) or run, counts, error.exit_code, error, kept)
        return await close(run, store, error, publish)


def _pass_on(work: asyncio.Task[None], stop: Callable[[Exception], None]) -> None:
    """What ended our own work early ends the following too."""
    if work.cancelled():
        return
    error = work.exception()
    if isinstance(error, Exception) and type(error) is not Stopped:
        stop(error)


async def _watch(
    workshop: Workshop,
    kind: Kind,
    run: Run,
    store: SqlStore,
    reporter: Reporter,
    stopped: asyncio.Future[None],
    max_wait_s: float,
) -> None:
    """Return when every chunk is finished; raise what ends the following before."""
    recent: deque[tuple[float, float]] = deque()
    loop = asyncio.get_running_loop()
    ask_s = loop.time() + _ASK_S
    away_s: float | None = None
    while True:
        try:
            total, done = counted(store, run.id)
            current = store.run(run.id)
        except StateError as error:  # the workers wait for it too
            away_s = away_s or loop.time()
            if loop.time() - away_s > max_wait_s:
                raise
            if loop.time() - away_s < TICK_S:
                reporter.note(f"{error.message}; waiting for it")
            await asyncio.wait([stopped], timeout=TICK_S)
            if stopped.done():
                stopped.result()
            continue
        away_s = None
        if done == total or (current is not None and not current.state.resumable):
            if current is not None and current.state is RunState.CANCELLED:
                raise Cancelled(f"run {run.id} was cancelled")
            return
        if current is not None and current.cancel:
            raise Cancelled(f"run {run.id} was cancelled")
        held = None
        if loop.time() >= ask_s:
            ask_s = loop.time() + _ASK_S
            with contextlib.suppress(StateError):
                held = _held(workshop, kind, store, max_wait_s)
            if isinstance(held, Suspended):
                raise held
        now_s = workshop.clock.now_s()
        records = run.records * done / total
        recent.append((now_s, records))
        while len(recent) > 2 and now_s - recent[0][0] > _RATE_WINDOW_S:
            recent.popleft()
        passed_s = now_s - recent[0][0]
        rate = (records - recent[0][1]) / passed_s if passed_s > 0 else 0.0
        reporter.progress(
            {
                "done": int(records),
                "total": run.records,
                "ok": int(records),
                "unknown": 0,
                "suspect": 0,
                "failed": 0,
                "settled_before": run.settled_before,
                "rate": rate,
                "eta_s": (run.records - records) / rate if rate > 0 else None,
                "in_flight": 0,
                "limited_by": held,
            }
        )
        await asyncio.wait([stopped], timeout=TICK_S)
        if stopped.done():
            stopped.result()


def _held(
    workshop: Workshop, kind: Kind, store: SqlStore, max_wait_s: float
) -> str | Suspended | None:
    """What holds a provider up, in words; an ending when that is longer than may be."""
    now_s = workshop.clock.now_s()
    for name in kind.providers:
        key = workshop.provider_key(name)
        paused = store.provider(key).paused
        if paused is not None:
            return f"{name}: paused: {paused}"
        try:
            governor, _ = workshop.governor(name, store)
        except BadGovernorState:
            continue
        condition = governor.condition(now_s)
        until_s = condition.gate_until_s
        if until_s is not None and until_s - now_s > max_wait_s:
            return Suspended(
                f"{name}: {condition.words}; that is later than --max-wait allows "
                f"({max_wait_s:g} s)",
                hint="the same command goes on from here",
            )
        if until_s is not None or condition.breaker != "closed":
            return f"{name}: {condition.words}"
    return None


def together(parts: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """The tallies of several workers as those of one run."""
    total, each = Tally(), dict[str, Tally]()
    for part in parts:
        total += Tally.of(part)
        for name, stored in part.get("providers", {}).items():
            each[name] = each.get(name, Tally()) + Tally.of(stored)
    return {**total.as_json(), "providers": {n: tally.as_json() for n, tally in each.items()}}


async def watch(
    workshop: Workshop, run_id: str, reporter: Reporter, *, max_wait_s: float
) -> Result:
    """Come back to a run that the workers work on, and publish it at its end."""
    store = workshop.store(create=False)
    try:
        run = find_run(store, run_id)
        if not run.state.resumable:
            raise UserError(f"run {run.id} is over ({run.state})")
        return await follow(
            workshop,
            kind_of(run),
            run,
            store,
            reporter,
            max_wait_s=max_wait_s,
            resumed=True,
            working=False,
        )
    finally:
        store.close()
