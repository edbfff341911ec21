"""A throttle that names no time: a cap on requests in flight, or a quota?

Both answer 429. They differ in what they let through. A cap is about how many are in
flight: nothing above it is ever let through, and everything below it. A quota is about how
many were sent: what is in flight does not matter. So a throttle is taken for a cap first,
the limit goes just below it, and the present drains to half as a test. It was a quota

- when as many or more in flight were let through shortly before,
- when throttles go on at clearly fewer in flight (seven tenths of the first), or go on and
  on at ever fewer,
- when a learned rate was in full use.

A cap is not sharp from here: a request counts as in flight until its answer has arrived,
and there not. While throttles come in a burst this blurs most; what was sent during one
proves nothing.
"""

from __future__ import annotations

from collections import deque
from math import inf

SERIES_S = 10.0
"""Throttles within so many seconds of one another belong together."""
PROOFS = 3


class CapOrQuota:
    """Mutable; told of answers and silent throttles by the governor."""

    __slots__ = ("_accepted", "_before", "_first", "_latest_s", "_reactions", "_reply_s")

    def __init__(self) -> None:
        self._accepted: deque[tuple[int, float]] = deque(maxlen=64)  # (in flight, sent)
        self._before: tuple[float, float, bool] | None = None
        self._reply_s = -inf  # when the latest one was answered by a lower limit
        self._reactions = 0  # how often, in this series
        self._first = 0  # in flight at the first throttle of this series
        self._latest_s = -inf

    def answered(self, in_flight: int, sent_s: float) -> None:
        """A request sent at `sent_s` as the `in_flight`-th was let through."""
        if sent_s > self._reply_s:
            self._accepted.append((in_flight, sent_s))

    def is_quota(
        self,
        now_s: float,
        in_flight: int,
        sent_s: float,
        *,
        throughput: float,
        rate: float | None,
    ) -> bool:
        """Whether a throttle of the `in_flight`-th request is about the rate.

        `throughput`: answers per second. `rate`: the learned rate, None when there is none.
        """
        if now_s - self._latest_s > SERIES_S:
            self._first = in_flight
            self._reactions = 0
        self._latest_s = now_s
        if rate is not None and throughput >= 0.8 * rate:
            return True
        # Of three in flight one is nearly always on its way, and so no proof.
        more = in_flight + (1 if in_flight <= 3 else in_flight // 8)
        proofs = sum(
            1 for it, at_s in self._accepted if it >= more and now_s - SERIES_S < at_s < sent_s
        )
        if proofs >= PROOFS:
            return True
        return in_flight <= 1 or in_flight < self._first * (
            0.85 if self._reactions >= 4 else 0.7
        )

    def assume(self, now_s: float, sent_s: float, before: tuple[float, float, bool]) -> bool:
        """Take it for a cap: whether to answer, or it was sent before the latest answer.

        `before` (limit, ceiling, startup) is what to go back to, should that be wrong.
        """
        if sent_s < self._reply_s:
            return False
        if self._before is None or now_s - self._reply_s > SERIES_S:
            self._before = before
        self._reply_s = now_s
        self._accepted.clear()
        self._reactions += 1
        return True

    def mistaken(self, now_s: float) -> tuple[float, float, bool] | None:
        """It is a quota: what to go back to, None when nothing was changed for it lately."""
        before, self._before = self._before, None
        return before if self._reply_s > now_s - SERIES_S else None
