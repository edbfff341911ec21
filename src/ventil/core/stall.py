"""Stall: requests are in flight and nothing comes back, for too long to be chance."""

from __future__ import annotations

from math import inf


class StallWatch:
    """Mutable. `longest_s` is the longest healthy gap between completions, slowly forgotten."""

    __slots__ = ("last_s", "longest_s")

    SHORTEST_S = 5.0

    def __init__(self, now_s: float) -> None:
        self.last_s = now_s
        self.longest_s = 0.0

    def completed(self, now_s: float) -> None:
        """Anything came back."""
        gap_s = now_s - self.last_s
        if gap_s > self.longest_s:
            self.longest_s = gap_s
        else:
            self.longest_s *= 0.999
        self.last_s = now_s

    def sent(self, now_s: float, in_flight: int) -> None:
        """A request goes out; the watch starts when it is the only one."""
        if in_flight <= 1:
            self.last_s = now_s

    def due(self, in_flight: int, throughput: float) -> float:
        """From when on silence counts as a stall; math.inf with fewer than two in flight."""
        if in_flight < 2 or throughput <= 0:
            return inf
        return self.last_s + max(self.SHORTEST_S, 30.0 / throughput, 3.0 * self.longest_s)
