"""Two measurements without bias: the low quantile of send cohorts, and throughput.

*Why cohorts of sends.* Whoever looks at the latest completions sees the fast records too
early and the slow ones too late; with answers of 5 ms to 70 s that bias is larger than any
queue. So requests are grouped in the order they were *sent*. A cohort's value is the k-th
smallest answer time, k a quarter of its size, and it is final once k members have answered
and every other member is older than that value: whatever they will take, it is more. No
waiting for the slow ones, no bias to the fast ones. The low quantile is also the part of a
heavy-tailed distribution that scatters least.

*Why a standard error from within.* The distance to the order statistic one standard
deviation below (binomial) says how far the value scatters by chance alone, with no
assumption about the distribution.
"""

from __future__ import annotations

from bisect import insort
from math import ceil, sqrt

QUANTILE = 0.25
FEWEST_LEFT = 6
"""A cohort with fewer answered members than this says nothing."""


class Cohort:
    """Requests sent one after the other; their answer times, sorted. Mutable.

    `busy` counts the members that were sent with the limit in use. `void` counts those
    that ended without a service time (refused, failed, given up). `closed`: not measured
    any more.
    """

    __slots__ = ("began_s", "busy", "closed", "last_sent_s", "sent", "size", "times", "void")

    def __init__(self, size: int, began_s: float) -> None:
        self.size = size
        self.began_s = began_s
        self.sent = 0
        self.busy = 0
        self.void = 0
        self.last_sent_s = began_s
        self.times: list[float] = []
        self.closed = False

    def answered(self, time_s: float) -> None:
        """A member was answered after `time_s` seconds."""
        insort(self.times, time_s)

    def final(self, now_s: float) -> tuple[float, float] | None:
        """(value, standard error) in seconds once they are certain, else None."""
        if self.sent < self.size:
            return None
        left = self.size - self.void
        k = ceil(QUANTILE * left)
        times = self.times
        if len(times) < k or now_s - self.last_sent_s < times[k - 1]:
            return None
        m = round(sqrt(left * QUANTILE * (1.0 - QUANTILE)))
        return times[k - 1], times[k - 1] - times[max(0, k - 1 - m)]

    @property
    def hopeless(self) -> bool:
        """Too many members ended without a service time."""
        return self.size - self.void < FEWEST_LEFT

    @property
    def limit_bound(self) -> bool:
        """Whether the limit was in use for at least half of it."""
        return 2 * self.busy >= self.sent


class Pool:
    """Cohorts put together, while none of them saw a queue: a surer low quantile. Mutable."""

    __slots__ = ("_error_s", "_size", "_times")

    _MOST = 512

    def __init__(self) -> None:
        self._times: list[float] = []
        self._size = 0
        self._error_s = 0.0

    def scatter(self, cohort: Cohort, error_s: float) -> float:
        """Standard error of a cohort's value less the pool's, if both are alike.

        `error_s` is the cohort's own, which counts while the pool is empty.
        """
        if not self._size:
            return error_s
        left = cohort.size - cohort.void
        return self._error_s * sqrt(1.0 + self._size / left)

    def add(self, cohort: Cohort) -> tuple[float, float]:
        """(value in seconds with this cohort's members, standard error of a cohort's)."""
        if self._size < self._MOST:
            self._times = sorted(self._times + cohort.times)
            self._size += cohort.size - cohort.void
        times, size = self._times, self._size
        k = min(ceil(QUANTILE * size), len(times))
        m = round(sqrt(size * QUANTILE * (1.0 - QUANTILE)))
        self._error_s = times[k - 1] - times[max(0, k - 1 - m)]
        left = cohort.size - cohort.void
        return times[k - 1], self._error_s * sqrt(max(1.0, size / left))


class Throughput:
    """Answers per second over the latest so many answers. Mutable.

    `least_s`: over so many seconds at least, where many answers are told of at once.
    """

    __slots__ = ("_at", "_count", "_times", "least_s")

    _SIZE = 2048

    def __init__(self) -> None:
        self.least_s = 0.0
        self._times = [0.0] * self._SIZE
        self._at = 0
        self._count = 0

    def answered(self, now_s: float) -> None:
        """One more answer."""
        at = self._at
        self._times[at] = now_s
        self._at = (at + 1) & (self._SIZE - 1)
        self._count += 1

    def rate(self, over: float, now_s: float) -> float:
        """Answers per second over the last `over` (24 to 300) answers; 0.0 with none."""
        n = int(min(max(over, 24.0), 300.0, self._count))
        if n < 2:
            return 0.0
        mask = self._SIZE - 1
        span_s = now_s - self._times[(self._at - n) & mask]
        most = min(self._count, self._SIZE)
        while span_s < self.least_s and n < most:
            n = min(2 * n, most)
            span_s = now_s - self._times[(self._at - n) & mask]
        return (n - 1) / span_s if span_s > 0 else 0.0

    def forget(self) -> None:
        """Start anew: what was before says nothing about now."""
        self._count = 0
