"""Clients to compare with, written from descriptions of their rules, at their defaults.

They are judged as anybody would deploy them: none is tuned to a scenario. What each one
cannot see is said in its docstring, since that is what the tables show.
"""

from __future__ import annotations

import math
import random
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

from ventil.sim.lab.client import FOREVER, Baseline
from ventil.sim.lab.provider import NO_ANSWER, TOO_MANY, UNAVAILABLE

if TYPE_CHECKING:
    from ventil.sim.lab.provider import Flight


class Fixed(Baseline):
    """A fixed number under way, as a thread pool or a semaphore does it.

    Blind to everything; every failure is retried at once.
    """


class Rule2019(Baseline):
    """The self-adjusting dispatcher of 2019 (theburningmonk, a Kinesis function).

    A batch of N goes out and is waited for; more than half slow (over 1 s) or failed: N-1;
    all fast and well: N+1, at most 100; below one: off, until a 10-minute timer turns it on
    at N = 1. The barrier idles N-1 slots behind one 70 s record, and "all fast" becomes
    rare where some records are slow by nature.
    """

    THRESHOLD_S = 1.0
    TIMER_S = 600.0
    MOST = 100

    def __init__(self) -> None:
        super().__init__(10)
        self.batch_s = -1.0
        self.size = 0
        self.slow = 0
        self.on_at_s = 0.0

    def ask(self, now_s: float, pending: int, retry: bool, record: int) -> float:
        """One batch at a time, all of it at the same instant."""
        if now_s < self.on_at_s:
            return self.on_at_s
        if not self.in_flight:
            return now_s
        return now_s if now_s == self.batch_s and self.size < self.limit else FOREVER

    def sent(self, now_s: float) -> object:
        """The first of a batch fixes its instant."""
        if not self.in_flight:
            self.batch_s = now_s
            self.size = self.slow = 0
        self.size += 1
        return super().sent(now_s)

    def learn(self, now_s: float, flight: Flight, ok: bool) -> None:
        """At the end of the batch: one up, one down, or off."""
        self.slow += not ok or now_s - flight.sent_s > self.THRESHOLD_S
        if self.in_flight:
            return
        self.batch_s = -1.0
        if self.slow * 2 > self.size:
            self.limit -= 1
            if self.limit < 1:
                self.limit = 1
                self.on_at_s = (math.floor(now_s / self.TIMER_S) + 1) * self.TIMER_S
        elif not self.slow:
            self.limit = min(self.MOST, self.limit + 1)

    def gauge(self, now_s: float) -> tuple[float, str]:
        """The batch size, and whether it is switched off."""
        off = now_s < self.on_at_s
        return (0.0 if off else self.limit), ("off" if off else "")


class Aimd(Baseline):
    """TCP's old rule on requests under way: double, then +1 a round; x0.7 on any failure.

    Its only signal is refusal, so it fills every queue until the provider refuses, and
    takes random errors for congestion. At most 1000.
    """

    MOST = 1000.0

    def __init__(self) -> None:
        super().__init__(4.0)
        self.slow_start = True
        self.reduced_s = -1.0

    def learn(self, now_s: float, flight: Flight, ok: bool) -> None:
        """At most one reduction a round: failures of older requests say nothing new."""
        if ok:
            if flight.in_flight * 2 >= self.limit:
                step = 1.0 if self.slow_start else 1.0 / self.limit
                self.limit = min(self.MOST, self.limit + step)
        elif flight.sent_s > self.reduced_s:
            self.slow_start = False
            self.limit = max(1.0, self.limit * 0.7)
            self.reduced_s = now_s


class _Windowed(Baseline, ABC):
    """Means over windows of a second (or two of the shortest latency) of 10 samples or more.

    Failures are no samples (a quick refusal would look like a quick answer); they only mark
    the window.
    """

    MOST = 1000.0
    SAMPLES = 10

    def __init__(self) -> None:
        super().__init__(20.0)
        self.ends_s = -1.0
        self._clear()

    def _clear(self) -> None:
        self.total = 0.0
        self.count = 0
        self.shortest = math.inf
        self.most_in_flight = 0
        self.dropped = False

    def learn(self, now_s: float, flight: Flight, ok: bool) -> None:
        """Collect, and at the end of the window adjust."""
        if self.ends_s < 0.0:
            self.ends_s = flight.sent_s + 1.0
        if not ok:
            self.dropped = True
            return
        latency = now_s - flight.sent_s
        self.total += latency
        self.count += 1
        self.shortest = min(self.shortest, latency)
        self.most_in_flight = max(self.most_in_flight, flight.in_flight)
        if now_s > self.ends_s and self.count >= self.SAMPLES:
            self.ends_s = now_s + max(1.0, 2 * self.shortest)
            mean = self.total / self.count
            in_flight, dropped = self.most_in_flight, self.dropped
            self._clear()
            self.adjust(mean, in_flight, dropped)

    @abstractmethod
    def adjust(self, mean_s: float, in_flight: int, dropped: bool) -> None:
        """One window's mean latency, greatest number under way, whether any failed."""


class Gradient2(_Windowed):
    """Netflix concurrency-limits, Gradient2: long against short mean latency.

    Failures never lower it, and a standing queue drags the long mean along.
    """

    LONG = 600
    WARM_UP = 10
    TOLERANCE = 1.5
    QUEUE = 4
    SMOOTHING = 0.2

    def __init__(self) -> None:
        super().__init__()
        self.long = 0.0
        self.windows = 0

    def adjust(self, mean_s: float, in_flight: int, dropped: bool) -> None:
        """limit <- 0.8 limit + 0.2 (limit * gradient + 4), gradient in [0.5, 1]."""
        self.windows += 1
        if self.windows <= self.WARM_UP:
            self.long += (mean_s - self.long) / self.windows
        else:
            self.long += (mean_s - self.long) * 2 / (self.LONG + 1)
        if self.long > 2 * mean_s:
            self.long *= 0.95
        if in_flight < self.limit / 2:
            return
        gradient = max(0.5, min(1.0, self.TOLERANCE * self.long / mean_s))
        wanted = self.limit * gradient + self.QUEUE
        self.limit += self.SMOOTHING * (wanted - self.limit)
        self.limit = max(1.0, min(self.MOST, self.limit))


class Vegas(_Windowed):
    """Netflix concurrency-limits, Vegas: the queue by shortest against mean latency.

    With service times from 5 ms to 70 s the shortest says nothing of the mean, so it sees a
    queue where there is none.
    """

    PROBE = 30

    def __init__(self, seed: int) -> None:
        super().__init__()
        self.rng = random.Random(f"vegas:{seed}")  # noqa: S311 - a model, not a secret
        self.floor = math.inf
        self.probe_in = 0.0
        self._next_probe()

    def _next_probe(self) -> None:
        self.probe_in = self.rng.uniform(0.5, 1.0) * self.PROBE * self.limit

    def adjust(self, mean_s: float, in_flight: int, dropped: bool) -> None:
        """+-log10(limit) by the estimated queue; the floor is forgotten now and then."""
        self.probe_in -= 1
        if self.probe_in <= 0:
            self._next_probe()
            self.floor = mean_s
            return
        if mean_s < self.floor:
            self.floor = mean_s
            return
        step = max(1.0, math.log10(max(1.0, self.limit)))
        queue = math.ceil(self.limit * (1 - self.floor / mean_s))
        if dropped:
            self.limit -= step
        elif in_flight * 2 < self.limit:
            return
        elif queue <= step:
            self.limit += 6 * step
        elif queue < 3 * step:
            self.limit += step
        elif queue > 6 * step:
            self.limit -= step
        self.limit = max(1.0, min(self.MOST, self.limit))


class BotocoreAdaptive(Baseline):
    """The AWS SDK's adaptive retry mode on 50 threads: a cubic send rate after a throttle.

    Throttles are 429 and 503. It has no limit on requests under way (the threads are the
    user's guess), no breaker, and does not use Retry-After.
    """

    SCALE = 0.4
    BETA = 0.7
    SMOOTHING = 0.8
    BIN_S = 0.5
    FLOOR = 0.5

    def __init__(self) -> None:
        super().__init__(50)
        self.enabled = False
        self.rate = self.FLOOR
        self.capacity = 1.0
        self.tokens = 0.0
        self.filled_s = 0.0
        self.measured = 0.0
        self.bin = 0
        self.in_bin = 0
        self.failed_s = 0.0
        self.w_max = 0.0
        self.k_s = 0.0

    def _fill(self, now_s: float) -> None:
        self.tokens = min(self.capacity, self.tokens + (now_s - self.filled_s) * self.rate)
        self.filled_s = now_s

    def ask(self, now_s: float, pending: int, retry: bool, record: int) -> float:
        """A free thread, and once enabled a token."""
        if self.in_flight >= self.limit:
            return FOREVER
        if not self.enabled:
            return now_s
        self._fill(now_s)
        if self.tokens >= 1.0 - 1e-9:
            return now_s
        return now_s + (1.0 - self.tokens) / self.rate

    def sent(self, now_s: float) -> object:
        """Take the token."""
        if self.enabled:
            self.tokens -= 1.0
        return super().sent(now_s)

    def learn(self, now_s: float, flight: Flight, ok: bool) -> None:
        """Cubic growth since the last throttle, at most twice the measured rate."""
        self._measure(now_s)
        if flight.status in (TOO_MANY, UNAVAILABLE):
            now = min(self.measured, self.rate) if self.enabled else self.measured
            self.w_max = now
            self.k_s = (self.w_max * (1 - self.BETA) / self.SCALE) ** (1 / 3)
            self.failed_s = now_s
            rate = now * self.BETA
            self.enabled = True
        elif flight.status == NO_ANSWER:
            return
        else:
            rate = self.SCALE * (now_s - self.failed_s - self.k_s) ** 3 + self.w_max
        if self.enabled:
            self._fill(now_s)
            self.rate = max(self.FLOOR, min(rate, 2 * self.measured))
            self.capacity = max(1.0, self.rate)
            self.tokens = min(self.tokens, self.capacity)

    def _measure(self, now_s: float) -> None:
        self.in_bin += 1
        this_bin = math.floor(now_s / self.BIN_S)
        if this_bin > self.bin:
            rate = self.in_bin / ((this_bin - self.bin) * self.BIN_S)
            self.measured = rate * self.SMOOTHING + self.measured * (1 - self.SMOOTHING)
            self.bin = this_bin
            self.in_bin = 0

    def gauge(self, now_s: float) -> tuple[float, str]:
        """The threads, and the rate once there is one."""
        return self.limit, f"{self.rate:.1f}/s" if self.enabled else ""


class AutoThrottle(Baseline):
    """Scrapy's AutoThrottle at a target of 8 and 100 per domain.

    The delay between requests follows latency / target, halfway at a time; answers other
    than 200 never lower it. One slow page stretches the delay for all.
    """

    MOST_S = 60.0

    def __init__(self, target: float = 8.0) -> None:
        super().__init__(100)
        self.target = target
        self.delay_s = 5.0
        self.last_s = -math.inf

    def ask(self, now_s: float, pending: int, retry: bool, record: int) -> float:
        """After the delay since the last request, if fewer than 100 are under way."""
        if self.in_flight >= self.limit:
            return FOREVER
        return max(now_s, self.last_s + self.delay_s)

    def sent(self, now_s: float) -> object:
        """The delay counts from here."""
        self.last_s = now_s
        return super().sent(now_s)

    def learn(self, now_s: float, flight: Flight, ok: bool) -> None:
        """Halfway to latency / target, and never below it."""
        if flight.status == NO_ANSWER:
            return
        wanted = (now_s - flight.sent_s) / self.target
        delay = min(self.MOST_S, max(wanted, (self.delay_s + wanted) / 2))
        if ok or delay > self.delay_s:
            self.delay_s = delay

    def gauge(self, now_s: float) -> tuple[float, str]:
        """What the delay amounts to."""
        return self.limit, f"{self.delay_s:.2f} s apart"
