"""One experiment: clients against one provider in virtual time, until every record is in.

A refused, failed or timed-out record comes back to the same queue, ready again after its
Retry-After, without one after 0.05 s, from the fourth attempt on after a full jitter of
min(20 s, 0.5 s * 2**k); so that makespans compare equal work. Records that are ready again
go first, unless `retries_last`. Several workers split the records evenly and know nothing of
each other.
"""

from __future__ import annotations

import math
import random
from collections import deque
from dataclasses import dataclass, field
from heapq import heappop, heappush
from typing import TYPE_CHECKING, Any

from ventil.sim.lab.oracle import oracle_s
from ventil.sim.lab.provider import (
    ARRIVE,
    BEGIN,
    CALL,
    EVENT,
    FINISH,
    NO_ANSWER,
    OK,
    READY,
    REPLY,
    SAMPLE,
    WAKE,
    CapacityDrop,
    Delay,
    Flight,
    Heap,
    Outage,
    Provider,
    Server,
    Slowdown,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ventil.sim.lab.client import Client

GIVE_UP = 20.0
"""An experiment ends unfinished at this multiple of the oracle's makespan."""

SAMPLE_S = 0.5
RECOVERED = 0.9
RECOVERY_SPAN_S = 5.0
_TINY = 1e-6


class Deadlock(Exception):
    """A client with work pending waits for nothing: no request under way, no wake-up."""


@dataclass(frozen=True, slots=True)
class Scenario:
    """A provider and a job. `starts_s`: when each worker starts; one entry per worker."""

    name: str
    title: str
    provider: Provider
    n: int
    starts_s: tuple[float, ...] = (0.0,)

    def oracle_s(self, seed: int) -> float:
        """The clairvoyant's makespan in seconds."""
        return oracle_s(self.provider, self.n, seed)


@dataclass(frozen=True, slots=True)
class Moment:
    """One point of a picture; `limit` and `state` are the first worker's own words."""

    t: float
    busy: int
    queue: int
    servers: int
    in_flight: int
    done: int
    limit: float
    state: str
    up: bool


@dataclass(frozen=True, slots=True)
class Result:
    """What one experiment showed. Shares are fractions, not per cent.

    `ratio`: makespan over the oracle's; of an unfinished experiment extrapolated from the
    records done, a lower bound. `waste`: requests beyond one per record, per record.
    `overload`: share of the job in which more requests waited at the provider than
    max(2, c/2). `outage_sent`: requests sent while it was out, None without an outage;
    `outage_late_sent`: those after its first minute. `recovery_s`: from the end of the last
    event until nine tenths of the servers were busy over 5 s; None if that never came, or
    without an event. `jain`: fairness of the workers' throughput while all were active;
    None for one worker.
    """

    scenario: str
    client: str
    seed: int
    n: int
    done: int
    makespan_s: float
    oracle_s: float
    ratio: float
    sent: int
    waste: float
    overload: float
    throttled: int
    refused: int
    unanswered: int
    outage_sent: int | None
    outage_late_sent: int | None
    recovery_s: float | None
    jain: float | None
    moments: tuple[Moment, ...] = field(default=(), repr=False)

    @property
    def finished(self) -> bool:
        """Whether every record was fetched before the experiment was given up."""
        return self.done == self.n


class Worker:
    """One worker's records: `next` to `end` are untried, those in `later` too."""

    __slots__ = (
        "attempts",
        "begins_s",
        "client",
        "delayed",
        "done",
        "end",
        "ended_s",
        "in_flight",
        "later",
        "later_count",
        "next",
        "ready",
        "successes",
        "wake_s",
    )

    def __init__(self, client: Client, begins_s: float, first: int, end: int) -> None:
        self.client = client
        self.begins_s = begins_s
        self.next = first
        self.end = end
        self.later: deque[range] = deque()
        self.later_count = 0
        self.ready: deque[int] = deque()
        self.attempts: dict[int, int] = {}
        self.delayed = 0
        self.in_flight = 0
        self.done = 0
        self.successes: list[float] = []
        self.wake_s = math.inf
        self.ended_s = math.inf


def run(
    scenario: Scenario,
    make_client: Callable[[int], Client],
    *,
    name: str = "client",
    seed: int = 0,
    trace: bool = False,
    give_up: float = GIVE_UP,
    retries_last: bool = False,
) -> Result:
    """Run `scenario` with one client per worker, made by `make_client(seed)`.

    `retries_last`: records that are ready again wait behind those never tried, as at a gate
    where all records stand in line from the beginning.
    `trace` keeps a `Moment` every half second. Raises `Deadlock` when a worker with
    pending records has nothing to wait for.
    """
    race = Race(scenario, make_client, name, seed, trace, give_up)
    race.retries_last = retries_last
    return race.run()


class Race:
    def __init__(
        self,
        scenario: Scenario,
        make_client: Callable[[int], Client],
        name: str,
        seed: int,
        trace: bool,
        give_up: float,
    ) -> None:
        provider = scenario.provider
        self.scenario = scenario
        self.provider = provider
        self.name = name
        self.seed = seed
        self.trace = trace
        self.retries_last = False
        self.oracle_s = scenario.oracle_s(seed)
        self.until_s = give_up * self.oracle_s + max(scenario.starts_s)
        self.heap: Heap = []
        times = provider.service.times(scenario.n, seed)
        self.server = Server(provider, times, seed, self.heap)
        self.rng = random.Random(f"race:{seed}")  # noqa: S311 - a model, not a secret
        self.half_rtt = provider.rtt_s / 2
        self.timeout_s = provider.timeout_s
        self.deadlines: deque[Flight] = deque()
        w = len(scenario.starts_s)
        cuts = [scenario.n * k // w for k in range(w + 1)]
        self.workers = [
            Worker(make_client(seed * 101 + k), begins_s, cuts[k], cuts[k + 1])
            for k, begins_s in enumerate(scenario.starts_s)
        ]
        self.counts = {OK: 0, 429: 0, 503: 0, NO_ANSWER: 0}
        self.sent = 0
        self.outages = [e for e in provider.events if isinstance(e, Outage)]
        self.outage_sent = self.outage_late_sent = 0
        self.event_ends_s = max((e.until_s for e in provider.events), default=math.inf)
        self.busy_areas: list[tuple[float, float]] = []
        self.moments: list[Moment] = []

    def _push(self, t: float, kind: int, subject: Any) -> None:
        server = self.server
        number = server.next_number
        server.next_number = number + 1
        heappush(self.heap, (t, number, kind, subject))

    def run(self) -> Result:
        heap, server, deadlines = self.heap, self.server, self.deadlines
        timeout_s, n = self.timeout_s, self.scenario.n
        counts = self.counts
        for at_s, what, value in self.provider.timeline():
            self._push(at_s, EVENT, (what, value))
        for worker in self.workers:
            self._push(worker.begins_s, BEGIN, worker)
        self._push(0.0, SAMPLE, None)
        t = 0.0
        while counts[OK] < n:
            while deadlines and deadlines[0].done:
                deadlines.popleft()
            if deadlines and deadlines[0].sent_s + timeout_s <= heap[0][0]:
                flight = deadlines.popleft()
                t = flight.sent_s + timeout_s
                flight.status = NO_ANSWER
                flight.retry_after_s = flight.hint = None
                self._complete(t, flight)
                continue
            t, _, kind, subject = heappop(heap)
            if t > self.until_s:
                break
            if kind == ARRIVE:
                server.arrive(t, subject)
            elif kind == FINISH:
                server.finish(t, subject)
            elif kind == REPLY:
                if not subject.done:
                    self._complete(t, subject)
            elif kind == READY:
                worker, record = subject
                worker.delayed -= 1
                worker.ready.append(record)
                self._pump(t, worker)
            elif kind == WAKE:
                if subject.wake_s <= t:
                    subject.wake_s = math.inf
                    self._pump(t, subject)
            elif kind == EVENT:
                server.change(t, *subject)
            elif kind == SAMPLE:
                self._sample(t)
            elif kind == CALL:
                subject(t)
            else:
                self._pump(t, subject)
        server.account(t)
        return self._result(t)

    def _pump(self, t: float, worker: Worker) -> None:
        """Send until the client says wait."""
        client = worker.client
        ready = worker.ready
        while True:
            if worker.later and worker.next == worker.end:
                records = worker.later.popleft()
                worker.later_count -= len(records)
                worker.next, worker.end = records.start, records.stop
            fresh = worker.end - worker.next + worker.later_count
            retry = bool(ready) and not (fresh and self.retries_last)
            if not retry and not fresh:
                return
            pending = len(ready) + fresh + worker.delayed
            at_s = client.ask(t, pending, retry, ready[0] if retry else worker.next)
            if at_s > t and retry and fresh and client.separates_retries:
                retry = False
                at_s = min(at_s, client.ask(t, pending, False, worker.next))
            if at_s > t:
                if at_s < worker.wake_s:
                    # A wait may round to this very instant: time must move on.
                    worker.wake_s = max(at_s, t + _TINY)
                    self._push(worker.wake_s, WAKE, worker)
                return
            if retry:
                record = ready.popleft()
                attempt = worker.attempts[record] + 1
            else:
                record = worker.next
                worker.next = record + 1
                attempt = 1
            self.sent += 1
            worker.in_flight += 1
            flight = Flight(worker, record, attempt, t, worker.in_flight)
            flight.ticket = client.sent(t)
            self.deadlines.append(flight)
            self._push(t + self.half_rtt + self.server.delay_s, ARRIVE, flight)
            for outage in self.outages:
                if outage.at_s <= t < outage.until_s:
                    self.outage_sent += 1
                    self.outage_late_sent += t >= outage.at_s + 60.0

    def _complete(self, t: float, flight: Flight) -> None:
        worker = flight.worker
        flight.done = True
        worker.in_flight -= 1
        status = flight.status
        self.counts[status] += 1
        if status == OK:
            worker.done += 1
            if worker.attempts:
                worker.attempts.pop(flight.record, None)
            if len(self.workers) > 1:
                worker.successes.append(t)
            if worker.next >= worker.end and not worker.in_flight and not worker.attempts:
                worker.ended_s = t
        else:
            attempt = flight.attempt
            worker.attempts[flight.record] = attempt
            wait_s = 0.05
            if flight.retry_after_s is not None:
                wait_s = flight.retry_after_s
            elif attempt >= 3:
                wait_s = self.rng.random() * min(20.0, 0.5 * 2.0 ** min(attempt, 10))
            worker.delayed += 1
            self._push(t + wait_s, READY, (worker, flight.record))
        worker.client.completed(t, flight)
        self._pump(t, worker)

    def _sample(self, t: float) -> None:
        self._push(t + SAMPLE_S, SAMPLE, None)
        server = self.server
        if t >= self.event_ends_s:
            server.account(t)
            self.busy_areas.append((t, server.busy_area))
        for worker in self.workers:
            if (
                t > worker.begins_s
                and not worker.in_flight
                and not worker.delayed
                and worker.wake_s == math.inf
                and (worker.ready or worker.next < worker.end)
            ):
                raise Deadlock(f"{self.name} in {self.scenario.name} at {t:.1f} s")
        if self.trace:
            limit, state = self.workers[0].client.gauge(t)
            self.moments.append(
                Moment(
                    t=t,
                    busy=server.busy,
                    queue=len(server.queue),
                    servers=server.servers,
                    in_flight=sum(worker.in_flight for worker in self.workers),
                    done=self.counts[OK],
                    limit=limit,
                    state=state,
                    up=not server.outage,
                )
            )

    def _result(self, t: float) -> Result:
        n, done = self.scenario.n, self.counts[OK]
        ratio = t / self.oracle_s
        if done < n:
            ratio *= n / max(1, done)
        return Result(
            scenario=self.scenario.name,
            client=self.name,
            seed=self.seed,
            n=n,
            done=done,
            makespan_s=t,
            oracle_s=self.oracle_s,
            ratio=ratio,
            sent=self.sent,
            waste=(self.sent - done) / n,
            overload=self.server.over_s / t,
            throttled=self.counts[429],
            refused=self.counts[503],
            unanswered=self.counts[NO_ANSWER],
            outage_sent=self.outage_sent if self.outages else None,
            outage_late_sent=self.outage_late_sent if self.outages else None,
            recovery_s=self._recovery_s(),
            jain=jain(
                [w.successes for w in self.workers],
                max(w.begins_s for w in self.workers),
                min(min(w.ended_s for w in self.workers), t),
            )
            if len(self.workers) > 1
            else None,
            moments=tuple(self.moments),
        )

    def _recovery_s(self) -> float | None:
        """From the end of the last event to the first 5 s in which the servers were busy."""
        span = round(RECOVERY_SPAN_S / SAMPLE_S)
        areas = self.busy_areas
        enough = RECOVERED * self.provider.servers * RECOVERY_SPAN_S
        for (then, before), (_, after) in zip(areas, areas[span:], strict=False):
            if after - before >= enough:
                return max(0.0, then - self.event_ends_s)
        return None


def jain(successes: Sequence[Sequence[float]], from_s: float, to_s: float) -> float:
    """Jain's fairness index of the workers' successes in [from_s, to_s]; 1 is even.

    R. Jain, D. Chiu, W. Hawe: A quantitative measure of fairness (DEC TR-301, 1984).
    """
    rates = [sum(1 for at_s in times if from_s <= at_s <= to_s) for times in successes]
    squares = sum(rate * rate for rate in rates)
    return sum(rates) ** 2 / (len(rates) * squares) if squares else 1.0


__all__ = [
    "GIVE_UP",
    "CapacityDrop",
    "Deadlock",
    "Delay",
    "Moment",
    "Outage",
    "Result",
    "Scenario",
    "Slowdown",
    "jain",
    "run",
]
