"""The door to one provider: its gate, its transport, its judge, and what came of requests.

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

from collections.abc import Callable, Coroutine
from dataclasses import dataclass, replace
from typing import Any

from ventil.core.exchange import Outcome, Reply, Request, Response, Verdict
from ventil.core.governor import Permit
from ventil.crashpoint import crashpoint
from ventil.engine.carrier import Carrier
from ventil.engine.gate import Gate
from ventil.ports import Api, Clock, Combiner, Transport

MOST_THROTTLES = 5
MOST_PROBES = 4

STALE_S = 0.5
"""A permit older than this is not used: this process was stopped, and the windows moved on."""

Held = tuple[Permit, Outcome, float]
"""A permit that is still to be settled, with what came of it and when."""


@dataclass(slots=True)
class Requests:
    """Requests of a run to one provider, by what came of them."""

    sent: int = 0
    ok: int = 0
    throttled: int = 0
    failed: int = 0


class Door:
    """One provider of one run."""

    def __init__(
        self,
        api: Api,
        transport: Transport,
        gate: Gate,
        clock: Clock,
        *,
        tries: int,
        combiner: Combiner | None = None,
    ) -> None:
        self.api = api
        self.transport = transport
        self.gate = gate
        self._clock = clock
        self._tries = max(1, tries)
        self.requests = Requests()
        self.blame = gate.blame
        self._carrier = None if combiner is None else Carrier(combiner, self._carried)

    async def close(self) -> None:
        """Carry and send nothing more."""
        if self._carrier is not None:
            self._carrier.close()
        await self.transport.close()

    def hopeless(self, chunk: int) -> bool:
        """Whether the rest of *chunk*, which has failed before, need not be asked again."""
        return self.blame.hopeless(chunk) and self.gate.breaker_open

    def exchange(
        self, request: Request, record: str, chunk: int, stuck: Callable[[], None]
    ) -> Coroutine[Any, Any, tuple[Reply, Held | None]]:
        """Send until there is an answer to hand on; its permit is still to be settled.

        None for a permit that was shared with others: it is settled.
        """
        if request.part is not None and self._carrier is not None:
            return self._shared(self._carrier, request.part, record, chunk)
        return self._exchange(request, record, chunk, stuck)

    async def _shared(
        self, carrier: Carrier, part: Any, record: str, chunk: int
    ) -> tuple[Reply, None]:
        """Let others' requests carry a part."""
        return await carrier.exchange(part, record, chunk), None

    async def _carried(
        self, make: Callable[[], tuple[Request, bool]], record: str, chunk: int
    ) -> Reply:
        """Send what is made once there is a permit."""
        reply, held = await self._exchange(None, record, chunk, lambda: None, make)
        self.gate.settle(*held)
        return reply

    async def _exchange(
        self,
        request: Request | None,
        record: str,
        chunk: int,
        stuck: Callable[[], None],
        make: Callable[[], tuple[Request, bool]] | None = None,
    ) -> tuple[Reply, Held]:
        shared = False
        throttles = overloads = probes = 0
        while True:
            weight = 1 if request is None else request.weight
            retry = throttles + overloads + probes > 0
            permit = await self.gate.acquire(
                weight=weight, retry=retry, record=record, chunk=chunk
            )
            if (stopped_s := self._clock.now_s()) - permit.sent_s > STALE_S:
                self.gate.settle(permit, Outcome(Verdict.IGNORED), stopped_s)
                permit = await self.gate.acquire(
                    weight=weight, retry=retry, record=record, chunk=chunk
                )
            try:
                if make is not None:
                    request, shared = make()
                assert request is not None  # noqa: S101 - one of the two is given
                self.requests.sent += 1
                crashpoint("send.before")
                reply = await self.transport.send(request)
            except BaseException:
                self.gate.settle(permit, Outcome(Verdict.IGNORED), self._clock.now_s())
                raise
            crashpoint("send.after")
            now_s = self._clock.now_s()
            outcome = self.api.judge(request, reply, now_s)
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
                    self.gate.heard(now_s)
                    outcome = replace(outcome, verdict=Verdict.IGNORED)
                if verdict is Verdict.REFUSED:
                    last = True
                elif self.gate.breaker_open and not own:
                    probes += 1
                    last = probes >= MOST_PROBES or self.hopeless(chunk)
                else:
                    overloads += 1
                    last = shared or overloads >= self._tries  # halves are better
            if last or not request.idempotent:
                return reply, (permit, outcome, now_s)
            self.gate.settle(permit, outcome, now_s)
            if probes:
                stuck()
