"""Runs on a shared database: submitted here, worked on by the workers, followed from anywhere.

A run is queued by being created; whoever follows it to its end publishes its artefact, where
the command that follows it runs. When no worker serves its providers, the command that
submits it works on it itself, as one worker more.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ventil.adapters.shared_lock import live_workers
from ventil.adapters.sql import SqlStore
from ventil.adapters.worker_store import counted, parts_of
from ventil.core.fold import Counts
from ventil.core.governor import BadGovernorState, Governor, Reason, Wait
from ventil.core.quota import QuotaImpossible
from ventil.engine.gate import Patience
from ventil.engine.tallies import Tally
from ventil.errors import (
    Cancelled,
    Fenced,
    Interrupted,
    StateError,
    Stopped,
    Suspended,
    UserError,
    VentilError,
)
from ventil.ports import Reporter, Run, RunState
from ventil.wiring.asked import Result
from ventil.wiring.deferring import rest_of
from ventil.wiring.kind import Kind
from ventil.wiring.kinds import kind_of
from ventil.wiring.runs import find_run
from ventil.wiring.worker import Own, Worker
from ventil.wiring.workshop import Workshop

if TYPE_CHECKING:
    from ventil.wiring.execution import Publish

TICK_S = 0.5
_RATE_WINDOW_S = 30.0
_ASK_S = 2.0  # how often a long wait of the provider's is looked for

_STILL_S = 10.0
"""So long nothing has to be answered before one of several providers ends the following."""

_TOO_HEAVY = "make the quota as large as the heaviest request (`ventil providers set`)"

_LEAVE_S = 2 * TICK_S
"""The others write down their last requests of a run within so long."""


@dataclass(slots=True)
class _Following:
    """A run and whoever follows it. `max_wait_s` as on the command line.

    `working`: it is worked on here, too, whenever nobody else serves all of its providers.
    """

    workshop: Workshop
    kind: Kind
    run: Run
    store: SqlStore
    reporter: Reporter
    max_wait_s: float
    working: bool
    stopped: asyncio.Future[None]
    worker: Worker | None = None
    work: asyncio.Task[None] | None = None
    own: Mapping[str, Any] = field(default_factory=dict)  # what is known of our own part
    told: bool = False
    faults: list[Any] = field(default_factory=list)  # known before

    def stop(self, error: Exception) -> None:
        """End the following with *error*; the first one counts."""
        if not self.stopped.done():
            self.stopped.set_exception(error)

    def served(self) -> bool:
        """Whether a worker is in that serves all of the run's providers."""
        keys = [self.workshop.provider_key(name) for name in self.kind.providers]
        return live_workers(self.workshop.settings.database_url, keys) > 0

    def see_to_work(self) -> None:
        """Begin to work on the run when nobody does."""
        if self.worker is not None or self.served():
            return
        if not self.working:
            if not self.told:
                self.reporter.note(
                    "no worker serves it at present; to work on it here: "
                    f"ventil runs resume {self.run.id}"
                )
            self.told = True
            return
        settings = self.workshop.settings.run

        def progress(snapshot: Mapping[str, Any]) -> None:
            self.own = snapshot

        self.worker = Worker(
            self.workshop,
            self.reporter,
            providers=self.kind.providers,
            slots=settings.chunks_at_once,
            own=Own(self.run.id, Patience(self.max_wait_s, settings.reach_within_s), progress),
        )
        self.work = asyncio.create_task(self.worker.serve())
        self.work.add_done_callback(self._pass_on)

    def _pass_on(self, work: asyncio.Task[None]) -> None:
        """What ended our own work early ends the following too."""
        if work.cancelled():
            return
        error = work.exception()
        if isinstance(error, Fenced):  # given up while we slept: join again
            self.worker = self.work = None
        elif isinstance(error, Exception) and type(error) is not Stopped:
            self.stop(error)

    async def leave(self) -> None:
        """Work on nothing any more."""
        if self.worker is not None and self.work is not None:
            self.worker.stop(Stopped("the run is over"))
            await asyncio.gather(self.work, return_exceptions=True)

    def fault(self) -> QuotaImpossible | None:
        """What workers have found out since the last time that no wait would help against."""
        found = [part["fault"] for part in parts_of(self.store, self.run.id) if "fault" in part]
        new = [fault for fault in found if fault not in self.faults]
        self.faults = found
        return QuotaImpossible(new[0][0], hint=_TOO_HEAVY) if new else None

    def tallies(self) -> dict[str, Any]:
        """What all workers have asked and waited for. The run's own is the same, but older."""
        return together(parts_of(self.store, self.run.id) or [self.run.tallies])


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
    from ventil.wiring.execution import close, finished, unless_stopped

    following = _Following(
        workshop, kind, run, store, reporter, max_wait_s, working,
        asyncio.get_running_loop().create_future(),
    )  # fmt: skip
    workshop.stop = following.stop
    total, done = counted(store, run.id)
    reporter.started(run, resumed=resumed, chunks=total)
    following.fault()
    error: VentilError | None = None
    try:
        if done < total or kind.defers:
            following.see_to_work()
        await _watch(following)
    except VentilError as ending:
        error = ending
    finally:
        await following.leave()

    async with kind.workbench() as workbench:

        async def publish(suspended: str | None) -> tuple[Counts, bool]:
            tallies = following.tallies()
            return await unless_stopped(
                workshop,
                kind.publish(workshop, run, store, tallies, workbench, suspended=suspended),
            )

        try:
            if error is not None:
                return await _ended(following, error, publish)
            over = store.run(run.id)
            if over is not None and not over.state.resumable:  # another follower was first
                return Result(over, None, 3 if over.state is RunState.PARTIAL else 0)
            if following.served():
                await asyncio.sleep(_LEAVE_S)
            store.update_run(run.id, tallies=following.tallies())
            return await finished(workshop, run, store, publish)
        except Interrupted as ending:  # while it was published
            return await close(run, store, ending, publish)


async def _ended(following: _Following, error: VentilError, publish: Publish) -> Result:
    """Close a run that is not over; or leave it to the workers."""
    from ventil.wiring.execution import close

    run, store = following.run, following.store
    if isinstance(error, Interrupted | Suspended) and following.served():
        counts, kept = None, False
        if isinstance(error, Suspended):
            counts, kept = await publish(error.message)
        error.hint = f"the workers go on; back to it: ventil runs watch {run.id}"
        return Result(store.run(run.id) or run, counts, error.exit_code, error, kept)
    return await close(run, store, error, publish)


async def _watch(following: _Following) -> None:
    """Return when every chunk is finished; raise what ends the following before."""
    run, store, reporter = following.run, following.store, following.reporter
    max_wait_s, stopped = following.max_wait_s, following.stopped
    recent: deque[tuple[float, float]] = deque()
    loop = asyncio.get_running_loop()
    ask_s = loop.time() + _ASK_S
    away_s: float | None = None
    held: str | None = None
    moved = _Moved(loop.time())
    rest = rest_of(following.workshop, following.kind, run.id, store, max_wait_s)
    while True:
        try:
            total, done = counted(store, run.id)
            current = store.run(run.id)
            late = rest.too_long(following.workshop.clock.now_s(), 0)
            resting = rest.begun()
        except StateError as error:  # the workers wait for it too
            away_s = away_s or loop.time()
            if loop.time() - away_s > max_wait_s:
                raise
            if loop.time() - away_s < TICK_S:
                reporter.note(f"{error.message}; waiting for it")
            await _tick(stopped)
            continue
        away_s = None
        if (done == total and not resting) or (
            current is not None and not current.state.resumable
        ):
            if current is not None and current.state is RunState.CANCELLED:
                raise Cancelled(f"run {run.id} was cancelled")
            return
        if current is not None and current.cancel:
            raise Cancelled(f"run {run.id} was cancelled")
        if late is not None:
            raise late
        if loop.time() >= ask_s:
            ask_s = loop.time() + _ASK_S
            with contextlib.suppress(StateError):
                if (fault := following.fault()) is not None:
                    raise fault
                following.see_to_work()
                moved.look(following, done, loop.time())
                held = _held(following, loop.time() - moved.at_s)
        now_s = following.workshop.clock.now_s()
        records = run.records * done / total
        shown = following.own
        if records > shown.get("done", 0):  # others have their part in it
            shown = {"ok": int(records), "unknown": 0, "suspect": 0, "failed": 0}
        records = max(records, shown.get("done", 0))
        recent.append((now_s, records))
        while len(recent) > 2 and now_s - recent[0][0] > _RATE_WINDOW_S:
            recent.popleft()
        passed_s = now_s - recent[0][0]
        rate = (records - recent[0][1]) / passed_s if passed_s > 0 else 0.0
        reporter.progress(
            {
                "ok": 0,
                "unknown": 0,
                "suspect": 0,
                "failed": 0,
                **shown,
                "done": int(records),
                "total": run.records,
                "settled_before": run.settled_before,
                "rate": rate,
                "eta_s": (run.records - records) / rate if rate > 0 else None,
                "in_flight": following.own.get("in_flight", 0),
                "limited_by": following.own.get("limited_by") or held or rest.words(now_s),
            }
        )
        await _tick(stopped)


async def _tick(stopped: asyncio.Future[None]) -> None:
    await asyncio.wait([stopped], timeout=TICK_S)
    if stopped.done():
        stopped.result()


@dataclass(slots=True)
class _Moved:
    """When a run was last seen to come nearer to its end, by the event loop's time."""

    at_s: float
    seen: tuple[int, int] = (-1, -1)

    def look(self, following: _Following, done: int, now_s: float) -> None:
        answered = following.tallies()["requests"]["ok"]
        if (done, answered) != self.seen:
            self.seen, self.at_s = (done, answered), now_s


def _held(following: _Following, still_s: float) -> str | None:
    """What holds a provider up, in words; nothing has moved for *still_s*.

    Raises Suspended when others work on the run and it has to wait for longer than may be.
    Our own work judges that itself.
    """
    workshop, max_wait_s = following.workshop, following.max_wait_s
    names = following.kind.providers
    now_s = workshop.clock.now_s()
    held: list[str] = []
    late: list[str] = []
    for name in names:
        paused = following.store.provider(workshop.provider_key(name)).paused
        if paused is not None:
            held.append(f"{name}: paused: {paused}")
            continue
        try:
            governor, _ = workshop.governor(name, following.store)
        except BadGovernorState:
            continue
        waits = _waits(governor, now_s)
        if waits is not None:
            held.append(f"{name}: {waits.words}")
            if waits.until_s is None:
                too_late = waits.outage and still_s > max_wait_s
            else:
                too_late = waits.until_s - now_s > max_wait_s
            if too_late:
                late.append(held[-1])
    if late and following.worker is None and (len(names) == 1 or still_s > _STILL_S):
        raise Suspended(
            f"{'; '.join(late)}; that is later than --max-wait allows ({max_wait_s:g} s)",
            hint="the same command goes on from here",
        )
    return "; ".join(held) or None


@dataclass(frozen=True, slots=True)
class _Waits:
    """What the next request waits for. `until_s`: None when nobody has named a time."""

    words: str
    until_s: float | None
    outage: bool = False


def _waits(governor: Governor, now_s: float) -> _Waits | None:
    """By a governor of our own in the state that is stored; None when it may go now.

    Of the user's own hours no time is told: a run waits for them.
    """
    condition = governor.condition(now_s)
    if condition.gate_until_s is not None:
        return _Waits(condition.words, condition.gate_until_s)
    if condition.breaker != "closed":
        return _Waits(condition.words, None, outage=True)
    decision = governor.admit(now_s)
    if isinstance(decision, Wait):
        calendar = decision.reason is Reason.CALENDAR
        return _Waits(decision.detail, None if calendar else decision.until_s)
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
