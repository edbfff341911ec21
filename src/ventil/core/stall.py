"""Stall: requests are in flight and nothing comes back, for too long to be chance."""

from __future__ import annotations

from math import inf


class StallWatch:
    """Mutable. Silence counts from the latest completion or sending, whichever is later."""

    __slots__ = ("_longest_s", "_sent_s", "last_s")

    SHORTEST_S = 5.0

    def __init__(self, now_s: float) -> None:
        self.last_s = now_s  # the latest completion
        self._sent_s = now_s
        self._longest_s = 0.0  # the longest healthy gap, slowly forgotten

    def completed(self, now_s: float) -> None:
        """Anything came back."""
        gap_s = now_s - (self.last_s if self.last_s > self._sent_s else self._sent_s)
        if gap_s > self._longest_s:
            self._longest_s = gap_s
        else:
            self._longest_s *= 0.999
        self.last_s = now_s

    def sent(self, now_s: float) -> None:
        """A request goes out."""
        self._sent_s = now_s

    def due(self, in_flight: int, throughput: float) -> float:
        """From when on silence counts as a stall; math.inf with fewer than two in flight."""
        if in_flight < 2 or throughput <= 0:
            return inf
        patience_s = max(self.SHORTEST_S, 30.0 / throughput, 3.0 * self._longest_s)
        return max(self.last_s, self._sent_s) + patience_s
