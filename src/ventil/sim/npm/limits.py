"""The provider's side of quotas and bans. Driven by explicit times; reads no clock.

Each quota has two halves: the *gate* refuses as that kind of quota does, and the *auditor*
counts what a client did wrong, whatever the gate made of it.
"""

from __future__ import annotations

import math
from collections import deque
from typing import Protocol

from ventil.sim.npm.scenario import Ban, Counting, Fields, Quota


class Gate(Protocol):
    """One quota at work."""

    def arrive(self, now_s: float) -> float | None:
        """Count an arrival. None lets it through, else the seconds until one would be."""

    def left(self, now_s: float) -> tuple[int, float]:
        """Requests left now, and seconds until the quota is renewed (>= 0)."""


class SlidingGate:
    """At most `limit` arrivals in any half-open window (t - window, t]."""

    def __init__(self, quota: Quota) -> None:
        self._limit, self._window_s, self._strict = quota.limit, quota.window_s, quota.strict
        self._log: deque[float] = deque()

    def arrive(self, now_s: float) -> float | None:
        """Count an arrival; see `Gate`."""
        log = self._log
        self._forget(now_s)
        full = len(log) >= self._limit
        if not full or self._strict:
            log.append(now_s)
        if not full:
            return None
        return max(0.0, log[-self._limit] + self._window_s - now_s)

    def left(self, now_s: float) -> tuple[int, float]:
        """What is left; renewed when the oldest arrival leaves the window."""
        self._forget(now_s)
        oldest = self._log[0] if self._log else now_s - self._window_s
        left = max(0, self._limit - len(self._log))
        return left, max(0.0, oldest + self._window_s - now_s)

    def _forget(self, now_s: float) -> None:
        log, old_s = self._log, now_s - self._window_s
        while log and log[0] <= old_s:
            log.popleft()


class BucketGate:
    """A bucket of `burst` tokens into which `limit` flow per window."""

    def __init__(self, quota: Quota) -> None:
        self._capacity = float(quota.burst or quota.limit)
        self._rate = quota.limit / quota.window_s
        self._strict = quota.strict
        self._tokens = self._capacity
        self._at_s: float | None = None

    def arrive(self, now_s: float) -> float | None:
        """Count an arrival; see `Gate`. A strict bucket never pays out to hammering."""
        self._flow(now_s)
        if self._tokens >= 1.0 - 1e-9:
            self._tokens -= 1.0
            return None
        if self._strict:
            # Debt of at most one token: a refused arrival costs, but is forgiven in time.
            self._tokens = max(-1.0, self._tokens - 1.0)
        return (1.0 - self._tokens) / self._rate

    def left(self, now_s: float) -> tuple[int, float]:
        """What is left; renewed when the bucket is full."""
        self._flow(now_s)
        left = max(0, math.floor(self._tokens + 1e-9))
        return left, (self._capacity - self._tokens) / self._rate

    def _flow(self, now_s: float) -> None:
        if self._at_s is not None:
            grown = self._tokens + (now_s - self._at_s) * self._rate
            self._tokens = min(self._capacity, grown)
        self._at_s = now_s


class FixedGate:
    """At most `limit` arrivals between two multiples of the window."""

    def __init__(self, quota: Quota) -> None:
        self._limit, self._window_s = quota.limit, quota.window_s
        self._index = -1
        self._seen = 0

    def arrive(self, now_s: float) -> float | None:
        """Count an arrival; see `Gate`."""
        self._turn(now_s)
        self._seen += 1
        return None if self._seen <= self._limit else self._ends_in_s(now_s)

    def left(self, now_s: float) -> tuple[int, float]:
        """What is left until this window's end."""
        self._turn(now_s)
        return max(0, self._limit - self._seen), self._ends_in_s(now_s)

    def _turn(self, now_s: float) -> None:
        index = math.floor(now_s / self._window_s)
        if index != self._index:
            self._index, self._seen = index, 0

    def _ends_in_s(self, now_s: float) -> float:
        return (self._index + 1) * self._window_s - now_s


def gate(quota: Quota) -> Gate:
    """The gate for *quota*'s way of counting."""
    if quota.counting is Counting.BUCKET:
        return BucketGate(quota)
    if quota.counting is Counting.FIXED:
        return FixedGate(quota)
    return SlidingGate(quota)


class SlidingAuditor:
    """Counts arrivals above the limit in any sliding window, refused ones included."""

    def __init__(self, quota: Quota) -> None:
        self._limit, self._window_s = quota.limit, quota.window_s
        self._log: deque[float] = deque()

    def excess(self, now_s: float) -> float:
        """Count an arrival; how far above the limit it is, 0.0 when it is not."""
        log, old_s = self._log, now_s - self._window_s
        while log and log[0] <= old_s:
            log.popleft()
        log.append(now_s)
        return float(max(0, len(log) - self._limit))


class BucketAuditor:
    """Counts arrivals that find no token; the excess is the debt of one who just takes."""

    def __init__(self, quota: Quota) -> None:
        self._capacity = float(quota.burst or quota.limit)
        self._rate = quota.limit / quota.window_s
        self._tokens = self._capacity
        self._at_s: float | None = None

    def excess(self, now_s: float) -> float:
        """Count an arrival; the tokens missing, 0.0 when there was one."""
        if self._at_s is not None:
            grown = self._tokens + (now_s - self._at_s) * self._rate
            self._tokens = min(self._capacity, grown)
        self._at_s = now_s
        self._tokens -= 1.0
        return -self._tokens if self._tokens < -1e-9 else 0.0


class Meter:
    """One declared quota: its gate, its auditor and what they counted."""

    def __init__(self, quota: Quota) -> None:
        self.quota = quota
        self.refused = 0
        self.violations = 0
        self.worst_excess = 0.0
        self._gate = gate(quota)
        bucket = quota.counting is Counting.BUCKET
        self._auditor = BucketAuditor(quota) if bucket else SlidingAuditor(quota)

    def arrive(self, now_s: float) -> float | None:
        """Count an arrival. None lets it through, else the seconds to wait."""
        excess = self._auditor.excess(now_s)
        if excess:
            self.violations += 1
            self.worst_excess = max(self.worst_excess, excess)
        wait_s = self._gate.arrive(now_s)
        if wait_s is not None:
            self.refused += 1
        return wait_s

    def fields(self, now_s: float) -> list[tuple[str, str]]:
        """This quota's rate-limit header fields, in the spelling it declares."""
        quota = self.quota
        if quota.fields is Fields.NONE:
            return []
        left, reset_s = self._gate.left(now_s)
        seconds = math.ceil(reset_s)
        if quota.fields is Fields.IETF:
            # draft-ietf-httpapi-ratelimit-headers-10, sections 3 and 4
            name = f'"{quota.limit}per{quota.window_s:g}s"'
            return [
                ("RateLimit-Policy", f"{name};q={quota.limit};w={math.ceil(quota.window_s)}"),
                ("RateLimit", f"{name};r={left};t={seconds}"),
            ]
        prefix = "RateLimit-" if quota.fields is Fields.IETF_OLD else "X-RateLimit-"
        reset = math.ceil(now_s + reset_s) if quota.fields is Fields.X_EPOCH else seconds
        return [
            (prefix + "Limit", str(quota.limit)),
            (prefix + "Remaining", str(left)),
            (prefix + "Reset", str(reset)),
        ]


class Jail:
    """Bans: when one runs, until when, and how many there were."""

    def __init__(self, ban: Ban | None) -> None:
        self._ban = ban
        self._until_s: float | None = None
        self.bans = 0
        self.requests_during = 0

    def holds(self, now_s: float) -> float | None:
        """Count a request if a ban runs: the seconds it still lasts, else None."""
        if self._ban is None or self._until_s is None or now_s >= self._until_s:
            return None
        self.requests_during += 1
        if self._ban.extends:
            self._until_s = now_s + self._ban.seconds
        return self._until_s - now_s

    def due(self, number: int) -> bool:
        """Whether request *number* brings a ban by itself."""
        return self._ban is not None and self._ban.at == number

    def start(self, now_s: float) -> float | None:
        """Start a ban now: its length in seconds, None when there is no (further) ban."""
        ban = self._ban
        if ban is None or (ban.times is not None and self.bans >= ban.times):
            return None
        self.bans += 1
        self._until_s = now_s + ban.seconds
        return ban.seconds
