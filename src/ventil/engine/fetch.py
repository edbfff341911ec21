"""Drives a recipe: every request through the gate, every answer into the ledger.

What is tried again, and when. A *throttled* request re-enters the queue behind the
governor's pause; that is not the record's fault, so it may happen `MOST_THROTTLES` times.
An *overloaded* one (5xx, no connection, a garbled body) is tried `tries` times while the
provider is otherwise well; while the breaker is open a failed probe says little of its
record, so it counts less (`MOST_PROBES`), and the record goes to the end of the queue and
lets another one of its chunk in, which may be the next probe. When the tries are used up
the recipe gets the last reply and makes failed samples of it. A request that is not
idempotent is sent once.

The governor hears nothing of a failing answer that is the record's or its chunk's own fault
(`core.blame`): neither the breaker nor the limit is about that.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from ventil.core.exchange import Known, Outcome, Reply, Request, Response, Verdict
from ventil.core.governor import Permit
from ventil.core.model import Good, Sample
from ventil.core.period import Period
from ventil.crashpoint import crashpoint
from ventil.engine.gate import Gate
from ventil.engine.ledger import LedgerWriter
from ventil.ports import Clock, Provider, Transport

MOST_THROTTLES = 5
MOST_PROBES = 4


Found = tuple[Sample, str]
"""A sample and the last request that was made for it, as "METHOD TARGET"."""


@dataclass(slots=True)
class Requests:
    """Requests of a run to one provider, by what came of them."""

    sent: int = 0
    ok: int = 0
    throttled: int = 0
    failed: int = 0


class Fetcher:
    """Fetches batches of records from one provider for one run."""

    def __init__(
        self,
        *,
        provider: Provider,
        transport: Transport,
        gate: Gate,
        ledger: LedgerWriter,
        clock: Clock,
        period: Period,
        tries: int,
    ) -> None:
        self._provider = provider
        self._transport = transport
        self._gate = gate
        self._ledger = ledger
        self._clock = clock
        self._period = period
        self._tries = max(1, tries)
        self.requests = Requests()
        self.blame = gate.blame

    async def batch(
        self,
        keys: Sequence[str],
        good: Mapping[str, Good],
        *,
        chunk: int = 0,
        stuck: Callable[[], None] = lambda: None,
    ) -> list[Found]:
        """Fetch the records of one batch of *chunk*; what is returned is stored by then.

        `stuck` is called each time that the batch waits for the provider to come back.

        Raises StateError when it could not be stored, CancelledError when the run stops.
        """
        today = dt.datetime.fromtimestamp(self._clock.now_s(), dt.UTC).date()
        recipe = self._provider.fetch(keys, self._period.on(today), good)
        found: list[Found] = []
        target = ""
        held: tuple[Permit, Outcome, float] | None = None
        try:
            step = next(recipe)
            while True:
                if isinstance(step, Known):
                    await self._ledger.write(step.samples, self._clock.now_s())
                    found.extend((sample, target) for sample in step.samples)
                    step = recipe.send(None)
                    continue
                if held is not None:
                    self._gate.settle(*held)
                    held = None
                target = f"{step.method} {step.target}"
                reply, held = await self._exchange(step, keys[0], chunk, stuck)
                step = recipe.send(reply)
        except StopIteration as end:
            # The permit is held until the samples are stored: what a kill can make us
            # repeat is what counts as in flight.
            await self._ledger.write(end.value, self._clock.now_s())
            found.extend((sample, target) for sample in end.value)
            return found
        finally:
            recipe.close()
            if held is not None:
                self._gate.settle(*held)

    def first_request(self, key: str) -> str:
        """What the record alone would be asked with, as "METHOD TARGET"; "" for nothing."""
        recipe = self._provider.fetch((key,), self._period, {})
        try:
            step = next(recipe)
        except StopIteration:
            return ""
        finally:
            recipe.close()
        return f"{step.method} {step.target}" if isinstance(step, Request) else ""

    def hopeless(self, chunk: int) -> bool:
        """Whether the rest of *chunk*, which has failed before, need not be asked again."""
        return self.blame.hopeless(chunk) and self._gate.breaker_open

    async def _exchange(
        self, request: Request, record: str, chunk: int, stuck: Callable[[], None]
    ) -> tuple[Reply, tuple[Permit, Outcome, float]]:
        """Send until there is an answer to hand on; its permit is still to be settled."""
        throttles = overloads = probes = 0
        while True:
            permit = await self._gate.acquire(
                weight=request.weight,
                retry=throttles + overloads + probes > 0,
                record=record,
                chunk=chunk,
            )
            self.requests.sent += 1
            crashpoint("send.before")
            try:
                reply = await self._transport.send(request)
            except BaseException:
                self._gate.settle(permit, Outcome(Verdict.IGNORED), self._clock.now_s())
                raise
            crashpoint("send.after")
            now_s = self._clock.now_s()
            outcome = self._provider.judge(request, reply, now_s)
            verdict = outcome.verdict
            if verdict is Verdict.LIVE:
                self.requests.ok += 1
                self.blame.answered(chunk, record)
                return reply, (permit, outcome, now_s)
            if verdict is Verdict.THROTTLED:
                self.requests.throttled += 1
                throttles += 1
                last = throttles > MOST_THROTTLES
            else:
                self.requests.failed += 1
                own = (
                    verdict is Verdict.OVERLOADED
                    and isinstance(reply, Response)
                    and outcome.retry_after_s is None
                    and self.blame.failed(chunk, record)
                )
                if own:
                    self._gate.heard(now_s)
                    outcome = replace(outcome, verdict=Verdict.IGNORED)
                if verdict is Verdict.REFUSED:
                    last = True
                elif self._gate.breaker_open and not own:
                    probes += 1
                    last = probes >= MOST_PROBES or self.hopeless(chunk)
                else:
                    overloads += 1
                    last = overloads >= self._tries
            if last or not request.idempotent:
                return reply, (permit, outcome, now_s)
            self._gate.settle(permit, outcome, now_s)
            if probes:
                stuck()
