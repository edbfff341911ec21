"""Quotas as a provider keeps them: token bucket, fixed window, sliding log.

A `*Quota` describes one and is frozen; `.meter()` builds the book that is kept of it.
Times are virtual seconds from the start of the experiment. A refused request takes
nothing from any quota.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass
from typing import Protocol

_EPSILON = 1e-9


@dataclass(frozen=True, slots=True)
class Hint:
    """Rate-limit fields of one answer: all that is left of `limit`, whole seconds to reset.

    The provider fills them in when it admits or refuses the request, so they are as old
    as the request's service time when the client reads them.
    """

    limit: int
    remaining: int
    reset_s: int


class Meter(Protocol):
    """The book of one quota. Calls come with times that never fall."""

    def free_at(self, t: float) -> float:
        """The earliest time, `t` or later, at which one more request is admitted."""
        ...

    def take(self, t: float) -> None:
        """Book one admitted request."""
        ...

    def hint(self, t: float) -> Hint:
        """What a rate-limit header would say now."""
        ...


@dataclass(frozen=True, slots=True)
class TokenBucket:
    """`rate` tokens per second up to `burst`; full at the start."""

    rate: float
    burst: float
    retry_after: bool = True
    headers: bool = False

    def meter(self) -> Meter:
        """A full bucket."""
        return _Bucket(self.rate, self.burst)


@dataclass(frozen=True, slots=True)
class FixedWindow:
    """`limit` requests in each window of `window_s`; windows start at `phase_s` + k windows."""

    limit: int
    window_s: float
    retry_after: bool = True
    headers: bool = False
    phase_s: float = 0.0

    def meter(self) -> Meter:
        """An unused window."""
        return _Window(self.limit, self.window_s, self.phase_s)


@dataclass(frozen=True, slots=True)
class SlidingLog:
    """At most `limit` admitted requests in any span of `window_s`."""

    limit: int
    window_s: float
    retry_after: bool = True
    headers: bool = False

    def meter(self) -> Meter:
        """An empty log."""
        return _Log(self.limit, self.window_s)


ProviderQuota = TokenBucket | FixedWindow | SlidingLog


class _Bucket:
    __slots__ = ("burst", "rate", "then", "tokens")

    def __init__(self, rate: float, burst: float) -> None:
        self.rate = rate
        self.burst = burst
        self.tokens = burst
        self.then = 0.0

    def _fill(self, t: float) -> float:
        tokens = self.tokens + (t - self.then) * self.rate
        if tokens > self.burst:
            tokens = self.burst
        self.tokens = tokens
        self.then = t
        return tokens

    def free_at(self, t: float) -> float:
        tokens = self._fill(t)
        if tokens >= 1.0 - _EPSILON:
            return t
        return t + (1.0 - tokens) / self.rate

    def take(self, t: float) -> None:
        self.tokens = self._fill(t) - 1.0

    def hint(self, t: float) -> Hint:
        tokens = self._fill(t)
        left = max(0, int(tokens + _EPSILON))
        return Hint(int(self.burst), left, math.ceil((self.burst - tokens) / self.rate))


class _Window:
    __slots__ = ("ends", "limit", "used", "window")

    def __init__(self, limit: int, window_s: float, phase_s: float) -> None:
        self.limit = limit
        self.window = window_s
        self.used = 0
        self.ends = phase_s % window_s or window_s

    def _turn(self, t: float) -> None:
        late = t - self.ends + _EPSILON
        if late >= 0.0:
            self.ends += self.window * (
                1 + math.floor((t - self.ends + _EPSILON) / self.window)
            )
            self.used = 0

    def free_at(self, t: float) -> float:
        self._turn(t)
        return t if self.used < self.limit else self.ends

    def take(self, t: float) -> None:
        self._turn(t)
        self.used += 1

    def hint(self, t: float) -> Hint:
        self._turn(t)
        return Hint(self.limit, self.limit - self.used, max(1, math.ceil(self.ends - t)))


class _Log:
    __slots__ = ("limit", "log", "window")

    def __init__(self, limit: int, window_s: float) -> None:
        self.limit = limit
        self.window = window_s
        self.log: deque[float] = deque()

    def _forget(self, t: float) -> deque[float]:
        log = self.log
        horizon = t - self.window + _EPSILON
        while log and log[0] <= horizon:
            log.popleft()
        return log

    def free_at(self, t: float) -> float:
        log = self._forget(t)
        return t if len(log) < self.limit else log[0] + self.window

    def take(self, t: float) -> None:
        self._forget(t).append(t)

    def hint(self, t: float) -> Hint:
        log = self._forget(t)
        reset = math.ceil(log[0] + self.window - t) if log else 0
        return Hint(self.limit, self.limit - len(log), max(0, reset))
