"""A provider in virtual time: what it is (`Provider`) and how it behaves (`Server`).

::

    arrive ─ outage? ─ random error? ─ hard cap? ─ queue full? ─ quota? ─ queue ─ c servers
                │            │             │             │          │                 │
          503 or hang       503           429           503        429         200 after the
                                                             (Retry-After)     service time

Refusals are instant, cost the provider nothing and take nothing from a quota. The queue is
first in, first out. How long a record takes is fixed by record and seed, so that every
client (and the oracle) does the same work. An outage that begins loses whatever is in the
house: with an error at once, or with silence.

Written for speed (pure Python, one `heapq` shared with the clients), hence the terse
inner loops: S2 with 20,000 records takes about half a second.
"""

from __future__ import annotations

import math
import random
from collections import deque
from dataclasses import dataclass
from functools import lru_cache
from heapq import heappush
from typing import TYPE_CHECKING, Any

from ventil.sim.lab.quotas import Hint, ProviderQuota

if TYPE_CHECKING:
    from collections.abc import Iterator

ARRIVE, FINISH, REPLY, WAKE, READY, EVENT, SAMPLE, BEGIN, CALL = range(9)
"""Kinds of entry in the heap of (time, number, kind, subject); `CALL`: of a function of t."""

OK, TOO_MANY, UNAVAILABLE, NO_ANSWER = 200, 429, 503, 0
"""Statuses of an answer; `NO_ANSWER` is the client's own timeout."""

UP, ERRORS, HANGS = range(3)


@dataclass(frozen=True, slots=True)
class Service:
    """Service time of a record: lognormal, clipped, optionally with a second, slow mode.

    `sigma` 0 makes all equal. `slow_share` of the records take `slow_s` instead (scattered
    by the same sigma).
    """

    median_s: float
    sigma: float = 0.0
    floor_s: float = 0.0
    ceiling_s: float = math.inf
    slow_share: float = 0.0
    slow_s: float = 0.0

    def times(self, n: int, seed: int) -> tuple[float, ...]:
        """Service times in seconds of records 0..n-1; the same for the same seed."""
        return _service_times(self, n, seed)


@lru_cache(maxsize=8)
def _service_times(service: Service, n: int, seed: int) -> tuple[float, ...]:
    rng = random.Random(f"service:{seed}")  # noqa: S311 - a model, not a secret
    fast = math.log(service.median_s)
    slow = math.log(service.slow_s) if service.slow_share else 0.0
    low, high = service.floor_s, service.ceiling_s
    times = []
    for _ in range(n):
        mu = slow if service.slow_share and rng.random() < service.slow_share else fast
        times.append(min(high, max(low, math.exp(mu + service.sigma * rng.gauss(0.0, 1.0)))))
    return tuple(times)


@dataclass(frozen=True, slots=True)
class CapacityDrop:
    """`servers` from `at_s`; from `back_s` on the full number again, linearly until `until_s`.

    With `back_s` == `until_s` everything is back at once. Records in service go on.
    """

    at_s: float
    back_s: float
    until_s: float
    servers: int


@dataclass(frozen=True, slots=True)
class Outage:
    """No service: instant 503s, or no answers at all when `hangs`."""

    at_s: float
    until_s: float
    hangs: bool = False


@dataclass(frozen=True, slots=True)
class Slowdown:
    """Records that start meanwhile take `factor` times as long, and succeed."""

    at_s: float
    until_s: float
    factor: float


@dataclass(frozen=True, slots=True)
class Delay:
    """Requests sent meanwhile travel `added_s` longer; the provider itself is unchanged."""

    at_s: float
    until_s: float
    added_s: float


Event = CapacityDrop | Outage | Slowdown | Delay


@dataclass(frozen=True, slots=True)
class Provider:
    """A provider as it is; the client knows nothing of it.

    `servers`: records served at a time. `queue_limit`: waiting requests beyond which it
    answers 503, None: without bound. `hard_cap`: requests in the house beyond which it
    answers 429 without Retry-After, None: no cap. `knee`: above `servers` in the house a
    record that starts takes (n / servers) ** knee times as long, None: never. `error_rate`:
    share of requests answered 503 whatever the load.
    """

    servers: int
    service: Service
    queue_limit: int | None = None
    hard_cap: int | None = None
    knee: float | None = None
    quotas: tuple[ProviderQuota, ...] = ()
    events: tuple[Event, ...] = ()
    error_rate: float = 0.0
    rtt_s: float = 0.030
    timeout_s: float = 90.0

    def timeline(self) -> list[tuple[float, str, float]]:
        """The events as steps (time, what changes, new value), in order of time."""
        return sorted(self._steps(), key=lambda step: step[0])

    def _steps(self) -> Iterator[tuple[float, str, float]]:
        for event in self.events:
            match event:
                case CapacityDrop(at_s=at, back_s=back, until_s=until, servers=low):
                    yield at, "servers", low
                    rise = self.servers - low
                    for k in range(1, rise + 1):
                        yield back + (until - back) * k / rise, "servers", low + k
                case Outage(at_s=at, until_s=until, hangs=hangs):
                    yield at, "outage", HANGS if hangs else ERRORS
                    yield until, "outage", UP
                case Slowdown(at_s=at, until_s=until, factor=factor):
                    yield at, "factor", factor
                    yield until, "factor", 1.0
                case Delay(at_s=at, until_s=until, added_s=added):
                    yield at, "delay", added
                    yield until, "delay", 0.0


class Flight:
    """One request under way, and its answer once there is one.

    `in_flight` is the client's number of requests under way when this one was sent, itself
    included. `attempt` counts from 1. `status` is one of the module's statuses.
    `retry_after_s` is whole seconds or None; `hint` the rate-limit fields or None.
    `ticket` is what the client's `sent` returned.
    """

    __slots__ = (
        "attempt",
        "done",
        "hint",
        "in_flight",
        "lost",
        "record",
        "retry_after_s",
        "sent_s",
        "status",
        "ticket",
        "worker",
    )

    def __init__(
        self, worker: Any, record: int, attempt: int, sent_s: float, in_flight: int
    ) -> None:
        self.worker = worker
        self.record = record
        self.attempt = attempt
        self.sent_s = sent_s
        self.in_flight = in_flight
        self.status = NO_ANSWER
        self.retry_after_s: float | None = None
        self.hint: Hint | None = None
        self.ticket: Any = None
        self.done = False
        self.lost = False


Heap = list[tuple[float, int, int, Any]]


class Server:
    """The provider at work. Driven by `arrive`, `finish` and `change`, in order of time.

    It puts `FINISH` and `REPLY` entries into the heap that it was given, numbering them
    with `next_number`. Its books: every request that arrived was refused, has finished, was
    lost to an outage, waits or is in service.
    """

    __slots__ = (
        "arrived",
        "bound",
        "busy",
        "busy_area",
        "delay_s",
        "error_rate",
        "factor",
        "finished",
        "half_rtt",
        "hard_cap",
        "heap",
        "house",
        "knee",
        "lost",
        "meters",
        "next_number",
        "outage",
        "over_s",
        "queue",
        "queue_limit",
        "quotas",
        "refused",
        "rng",
        "servers",
        "then",
        "timeline",
        "times",
    )

    def __init__(
        self, provider: Provider, times: tuple[float, ...], seed: int, heap: Heap
    ) -> None:
        self.servers = provider.servers
        self.queue_limit = math.inf if provider.queue_limit is None else provider.queue_limit
        self.hard_cap = provider.hard_cap
        self.knee = provider.knee
        self.error_rate = provider.error_rate
        self.half_rtt = provider.rtt_s / 2
        self.quotas = provider.quotas
        self.meters = [quota.meter() for quota in provider.quotas]
        self.timeline = provider.timeline()
        self.times = times
        self.rng = random.Random(f"server:{seed}")  # noqa: S311 - a model, not a secret
        self.heap = heap
        self.next_number = 1
        self.outage = UP
        self.factor = 1.0
        self.delay_s = 0.0
        self.queue: deque[Flight] = deque()
        self.house: set[Flight] = set()
        self.busy = 0
        self.bound = max(2.0, self.servers / 2)
        self.then = 0.0
        self.busy_area = 0.0
        self.over_s = 0.0
        self.arrived = self.refused = self.finished = self.lost = 0

    def account(self, t: float) -> None:
        """Bring the areas (busy servers over time, time over the queue's bound) up to `t`."""
        gone = t - self.then
        if gone > 0.0:
            self.busy_area += gone * self.busy
            if len(self.queue) > self.bound:
                self.over_s += gone
            self.then = t

    def _reply(self, t: float, flight: Flight, status: int) -> None:
        flight.status = status
        number = self.next_number
        self.next_number = number + 1
        heappush(self.heap, (t + self.half_rtt, number, REPLY, flight))

    def _start(self, t: float, flight: Flight) -> None:
        took = self.times[flight.record] * self.factor
        if self.knee is not None:
            n = self.busy + 1 + len(self.queue)
            if n > self.servers:
                took *= (n / self.servers) ** self.knee
        self.busy += 1
        self.house.add(flight)
        number = self.next_number
        self.next_number = number + 1
        heappush(self.heap, (t + took, number, FINISH, flight))

    def arrive(self, t: float, flight: Flight) -> None:
        """A request reaches the provider."""
        self.arrived += 1
        if self.outage:
            if self.outage == HANGS:
                flight.lost = True
                self.lost += 1
            else:
                self.refused += 1
                self._reply(t, flight, UNAVAILABLE)
            return
        if self.error_rate and self.rng.random() < self.error_rate:
            self.refused += 1
            self._reply(t, flight, UNAVAILABLE)
            return
        waiting = len(self.queue)
        if self.hard_cap is not None and self.busy + waiting >= self.hard_cap:
            self.refused += 1
            self._reply(t, flight, TOO_MANY)
            return
        free = self.busy < self.servers
        if not free and waiting >= self.queue_limit:
            self.refused += 1
            self._reply(t, flight, UNAVAILABLE)
            return
        if self.meters and not self._charge(t, flight):
            self.refused += 1
            self._reply(t, flight, TOO_MANY)
            return
        self.account(t)
        if free:
            self._start(t, flight)
        else:
            self.queue.append(flight)

    def _charge(self, t: float, flight: Flight) -> bool:
        """Take one from every quota, or from none; write the header fields either way."""
        admitted = True
        for quota, meter in zip(self.quotas, self.meters, strict=True):
            free_at = meter.free_at(t)
            if free_at > t:
                admitted = False
                if quota.retry_after:
                    wait_s = float(max(1, math.ceil(free_at - t - 1e-9)))
                    flight.retry_after_s = max(flight.retry_after_s or 0.0, wait_s)
        if admitted:
            for meter in self.meters:
                meter.take(t)
        for quota, meter in zip(self.quotas, self.meters, strict=True):
            if quota.headers:
                hint = meter.hint(t)
                if flight.hint is None or hint.remaining < flight.hint.remaining:
                    flight.hint = hint
        return admitted

    def finish(self, t: float, flight: Flight) -> None:
        """A record has been served; the next in the queue begins."""
        if flight.lost:
            return
        self.account(t)
        self.busy -= 1
        self.house.discard(flight)
        self.finished += 1
        self._reply(t, flight, OK)
        self._fill(t)

    def _fill(self, t: float) -> None:
        while self.queue and self.busy < self.servers:
            self._start(t, self.queue.popleft())

    def change(self, t: float, what: str, value: float) -> None:
        """A step of the timeline."""
        self.account(t)
        if what == "servers":
            self.servers = int(value)
            self.bound = max(2.0, self.servers / 2)
            self._fill(t)
        elif what == "factor":
            self.factor = value
        elif what == "delay":
            self.delay_s = value
        else:
            self.outage = int(value)
            if self.outage:
                self._lose(t)

    def _lose(self, t: float) -> None:
        # Sorted by sending time: a set has no order of its own, and runs must repeat.
        for flight in [*sorted(self.house, key=lambda f: (f.sent_s, f.record)), *self.queue]:
            flight.lost = True
            self.lost += 1
            if self.outage == ERRORS:
                self._reply(t, flight, UNAVAILABLE)
        self.house.clear()
        self.queue.clear()
        self.busy = 0
