"""Runs a run: chunks through the durable queue, until all are finished or it must stop.

A run can end in five ways. All chunks finished: the caller publishes and closes it. A
stop: the provider says later (`Suspended`), a person cancelled, a signal came, or the
state cannot be stored; then what is under way gets `GRACE_S` to finish, the queue keeps
the rest, and the next start goes on from there.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ventil.core.governor import Governor, Reason
from ventil.core.model import Sample, Status
from ventil.core.period import Period
from ventil.crashpoint import crashpoint
from ventil.engine.chunk import Attempts, ChunkProcessor
from ventil.engine.fetch import Fetcher, Requests
from ventil.engine.gate import Gate, Patience
from ventil.engine.ledger import LedgerWriter
from ventil.errors import Cancelled, VentilError
from ventil.ports import Clock, Durable, Provider, Reporter, Run, Store, Transport

GRACE_S = 3.0
"""How long a stop waits for the requests in flight, so that they need not be repeated."""

TICK_S = 0.5
"""How often a run looks for a person's word (cancel, pause) and reports its progress."""

_RATE_WINDOW_S = 30.0
_LATE_S = 0.05  # a timer may be that late without a word about it


@dataclass(frozen=True, slots=True)
class Limits:
    """What bounds a run: see `[run]` in the settings."""

    chunks_at_once: int
    retries: int
    retry_delay_s: float
    tries: int
    max_in_flight: int
    patience: Patience


@dataclass(slots=True)
class Outside:
    """What a run needs of the outside."""

    store: Store
    durable: Durable
    clock: Clock
    transport: Transport
    reporter: Reporter


@dataclass(slots=True)
class _Progress:
    """What has been answered so far; `recent` holds (time, records done) of the last while."""

    total: int
    done: dict[str, str] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    settled: int = 0
    recent: deque[tuple[float, int]] = field(default_factory=deque)

    def add(self, sample: Sample) -> None:
        before = self.done.get(sample.key)
        status = sample.status.value
        if before is not None:
            self.counts[before] -= 1
        self.counts[status] = self.counts.get(status, 0) + 1
        if sample.status.settles:
            self.done.pop(sample.key, None)
        else:
            self.done[sample.key] = status

    @property
    def answered(self) -> int:
        return self.settled + sum(self.counts.values())

    def rate(self, now_s: float) -> float:
        """Records a second over the last half minute."""
        recent = self.recent
        recent.append((now_s, self.answered))
        while len(recent) > 2 and now_s - recent[0][0] > _RATE_WINDOW_S:
            recent.popleft()
        elapsed_s = now_s - recent[0][0]
        return (recent[-1][1] - recent[0][1]) / elapsed_s if elapsed_s > 0 else 0.0


class Runner:
    """Executes one run in this process."""

    def __init__(
        self,
        run: Run,
        period: Period,
        *,
        outside: Outside,
        provider: Provider,
        governor: Governor,
        limits: Limits,
    ) -> None:
        self._run = run
        self._outside = outside
        self._limits = limits
        self._stopped: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._open: set[int] = set()
        store, clock = outside.store, outside.clock
        self._progress = _Progress(total=run.records)
        self._gate = Gate(
            run.provider,
            governor,
            clock,
            store,
            patience=limits.patience,
            stop=self.stop,
        )
        ledger = LedgerWriter(
            store,
            series=run.series,
            day=run.day,
            run_id=run.id,
            written=self._written,
            enough=lambda: self._gate.in_flight // 2,
        )
        self._fetcher = Fetcher(
            provider=provider,
            transport=outside.transport,
            gate=self._gate,
            ledger=ledger,
            clock=clock,
            period=period,
            tries=limits.tries,
        )
        self._processor = ChunkProcessor(
            run,
            store=store,
            provider=provider,
            fetcher=self._fetcher,
            ledger=ledger,
            clock=clock,
            attempts=Attempts(limits.retries, limits.max_in_flight),
            note=outside.reporter.note,
        )
        self._retrying: dict[int, float] = {}
        self._before = _Tallies.of(run.tallies)

    def stop(self, error: Exception) -> None:
        """End the run early with *error*; the first one counts."""
        if not self._stopped.done():
            self._stopped.set_exception(error)

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
        if not self._open:
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
        self._retrying.pop(index, None)
        try:
            again = await self._processor.process(index, attempt)
        except VentilError as error:
            self.stop(error)
            raise asyncio.CancelledError from error
        if again:
            delay_s = self._limits.retry_delay_s
            self._retrying[index] = self._outside.clock.now_s() + delay_s
        else:
            self._open.discard(index)
            if not self._open and not self._stopped.done():
                self._stopped.set_result(None)
        return again

    async def _wind_down(
        self, watch: asyncio.Task[None], queueing: asyncio.Task[None] | None
    ) -> None:
        loop = asyncio.get_running_loop()
        self._gate.close()
        deadline_s = loop.time() + GRACE_S
        # A settle rings no bell, so this looks fifty times a second, for GRACE_S at most.
        while self._gate.in_flight and loop.time() < deadline_s:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
        watch.cancel()
        await asyncio.gather(watch, return_exceptions=True)
        await self._outside.durable.stop(over=not self._open)
        if queueing is not None:
            await asyncio.gather(queueing, return_exceptions=True)
        await self._outside.transport.close()
        self._gate.save()
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
                self._gate.pause(store.provider(run.provider).paused)
                self._gate.check()
                store.update_run(run.id, tallies=self.tallies())
            except Exception as error:
                self.stop(error)
                return
            self._outside.reporter.progress(self.snapshot())
            before_s = self._outside.clock.now_s()
            await asyncio.sleep(TICK_S)
            passed_s = self._outside.clock.now_s() - before_s
            if passed_s - TICK_S > _LATE_S:  # everything here was late by as much
                self._gate.waited(Reason.OWN_CPU, passed_s - TICK_S)
            if self._retrying and not (self._gate.in_flight or self._gate.queued):
                self._gate.waited(Reason.RETRY_DELAY, TICK_S)

    def _written(self, samples: Sequence[tuple[Sample, float]]) -> None:
        for sample, _ in samples:
            self._progress.add(sample)

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
        limited = self._gate.limited_by()
        if limited is None and self._retrying and self._gate.in_flight == 0:
            again = len(self._retrying)
            wait_s = max(0.0, min(self._retrying.values()) - now_s)
            limited = (
                f"{again} chunk{'s' if again > 1 else ''} with failed records, "
                f"tried again in {wait_s:.0f} s"
            )
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
            "in_flight": self._gate.in_flight,
            "limited_by": limited,
        }

    def _eta_s(self, left: int, rate: float, now_s: float) -> float | None:
        """Seconds to the end at this rate, not before the last chunk is tried again."""
        again_s = max(self._retrying.values(), default=now_s) - now_s
        return max(left / rate, again_s) if rate > 0 else again_s or None

    def tallies(self) -> dict[str, Any]:
        """Requests and waits of this run so far, over all its starts."""
        now = _Tallies(self._fetcher.requests, self._gate.waits_s)
        return self._before.plus(now).as_json()


@dataclass(slots=True)
class _Tallies:
    requests: Requests
    waits_s: Mapping[str, float]

    @classmethod
    def of(cls, stored: Mapping[str, Any]) -> _Tallies:
        return cls(Requests(**stored.get("requests", {})), stored.get("waits_s", {}))

    def plus(self, other: _Tallies) -> _Tallies:
        a, b = self.requests, other.requests
        total = Requests(
            a.sent + b.sent, a.ok + b.ok, a.throttled + b.throttled, a.failed + b.failed
        )
        reasons = {*self.waits_s, *other.waits_s}
        waits = {
            r: round(self.waits_s.get(r, 0.0) + other.waits_s.get(r, 0.0), 3)
            for r in sorted(reasons)
        }
        return _Tallies(total, waits)

    def as_json(self) -> dict[str, Any]:
        r = self.requests
        return {
            "requests": {
                "sent": r.sent,
                "ok": r.ok,
                "throttled": r.throttled,
                "failed": r.failed,
            },
            "waits_s": dict(self.waits_s),
        }
