"""When requests arrived, as far as that can be known from here.

A provider counts by the time of arrival. What is seen from here is when a request was sent
and when it was answered; in between it was on its way, was worked on, and its answer was on
its way. The way takes now a little longer and now a little less: a process that was not let
run between deciding and writing, a server that was not let run before reading, a router. Late
ones arrive together with those sent after them, and a window that was not exceeded by the
time of sending is exceeded by the time of arrival.

*The bound.* Let `shortest` be the shortest time from sending to answer, of which some part is
the way there. Whoever was answered at `e` had arrived by `e - shortest`, but for that part,
which all have in common and which shifts every window alike. Requests of one *source* (a
process) go out in their order, so an answer tells of all that were sent before it, too:
slowness of single answers is the provider's work, and soon belied by another one.

Who has only begun does not know the shortest time: connections are opened first, and processes
that have just started keep each other waiting, so that all of the first answers may be slow.
In the first `SETTLE_S` of answers `shortest` is taken for nothing.

Until anything is known of a request that should have been answered by then, it counts as just
arriving, whatever its age. What it costs to count by this bound, and how much of that is
paid, is the windows' business (`quota.Window.arrived`).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable
from dataclasses import dataclass
from math import inf

FORGET_S = 60.0
"""The shortest time is looked for in the last one to two of these."""

SETTLE_S = 1.0
"""So long after the first answer the shortest time is not known yet."""

_SMOOTH = 64  # answers that the mean time is about
_MOST_DOUBLINGS = 30
_LATEST = 2.0  # means; an answer may take so long before it is missed, and counts as no more


@dataclass(frozen=True, slots=True)
class Arrival:
    """*weight* that was sent at `sent_s` arrived at most `late_s` later than it might have."""

    sent_s: float
    weight: int
    late_s: float


class Arrivals:
    """Requests on their way, by source. Mutable. Of each source they come in their order."""

    def __init__(self) -> None:
        self._ways: dict[Hashable, deque[tuple[int, float, int]]] = {}  # ticket, sent, weight
        self._ticket = 0
        self._shortest = [inf, inf]  # of this span of time, and of the one before
        self._longest = [0.0, 0.0]
        self._since_s = -inf
        self._first_s = inf  # when anything was answered first
        self._mean_s = inf

    def sent(self, source: Hashable, sent_s: float, weight: int) -> int:
        """A request went out; its ticket."""
        self._ticket += 1
        self._ways.setdefault(source, deque()).append((self._ticket, sent_s, weight))
        return self._ticket

    def answered(
        self, source: Hashable, ticket: int, sent_s: float, at_s: float
    ) -> list[Arrival]:
        """It was answered: so much is known now of it and of those sent before it."""
        took_s = max(0.0, at_s - sent_s)
        self._first_s = min(self._first_s, at_s)
        if at_s - self._since_s > FORGET_S:
            self._shortest = [inf, self._shortest[0]]
            self._longest = [0.0, self._longest[0]]
            self._since_s = at_s
        self._shortest[0] = min(self._shortest[0], took_s)
        self._longest[0] = max(self._longest[0], took_s)
        if self._mean_s == inf:
            self._mean_s = took_s
        self._mean_s += (min(took_s, _LATEST * self._mean_s) - self._mean_s) / _SMOOTH
        way = self._ways.get(source)
        known = []
        while way and way[0][0] <= ticket:
            _, before_s, weight = way.popleft()
            known.append(self.arrival(before_s, weight, at_s))
        self.forget(source)
        return known

    def ended(self, source: Hashable, ticket: int, at_s: float) -> list[Arrival]:
        """Nobody will answer it any more: if it arrived, then by now. Tells of no other."""
        way = self._ways.get(source)
        for request in way or ():
            if way and request[0] == ticket:
                way.remove(request)
                self.forget(source)
                return [self.arrival(*request[1:], at_s)]
        return []

    def arrival(self, sent_s: float, weight: int, at_s: float) -> Arrival:
        """Of what had arrived by when something was answered, or ended, at *at_s*."""
        settled = at_s - self._first_s >= SETTLE_S
        least_s = min(self._shortest) if settled else 0.0
        return Arrival(sent_s, weight, max(0.0, at_s - least_s - sent_s))

    def forget(self, source: Hashable) -> None:
        """There may be no such source any more: keep nothing when none of it is on its way."""
        if not self._ways.get(source, True):
            del self._ways[source]

    @property
    def longest_s(self) -> float | None:
        """The longest answer time of the last minute or two; None before any answer."""
        return max(self._longest) if self._mean_s < inf else None

    def overdue(self, now_s: float, window_s: float) -> int:
        """The weight that would have left a window of so many seconds if it is not late.

        Nothing where answers usually take that long.
        """
        if window_s <= _LATEST * self._mean_s:
            return 0
        weight = 0
        for way in self._ways.values():
            for _, sent_s, w in way:
                if sent_s + window_s > now_s:  # as a window forgets
                    break
                weight += w
        return weight

    def ask_from(self, window_s: float, allowance: int) -> float:
        """When one more may go although all that fits into a window is overdue.

        Its answer would tell of the others. Twice as long after the latest for each that is
        on its way beyond the window's `allowance`.
        """
        sent = [request for way in self._ways.values() for request in way]
        latest_s = max((sent_s for _, sent_s, _ in sent), default=-inf)
        beyond = sum(weight for *_, weight in sent) - allowance
        return latest_s + window_s * 2.0 ** min(_MOST_DOUBLINGS, max(1, beyond + 1))
