"""Counting what a provider saw: windows, requests in flight, and what could have been sent.

Independent of `ventil.core.quota`: this judges it. Times are steady seconds, in order.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

Limit = tuple[int, float]
"""(so many, in any so many seconds)."""


@dataclass(frozen=True, slots=True)
class Excess:
    """One limit: arrivals that found a full window before them, and the fullest window.

    `times`: when, a moment each in which there were some.
    """

    violations: int
    fullest: int
    times: tuple[float, ...] = ()


def excess(arrived: Sequence[float], limit: Limit) -> Excess:
    """Look at the window that ends with each arrival, (t - window, t]."""
    most, window_s = limit
    first = violations = fullest = 0
    times: list[float] = []
    for last, at_s in enumerate(arrived):
        while arrived[first] <= at_s - window_s:
            first += 1
        held = last - first + 1
        fullest = max(fullest, held)
        if held > most:
            violations += 1
            if not times or at_s > times[-1] + window_s:
                times.append(at_s)
    return Excess(violations, fullest, tuple(times))


def most_in_flight(arrived: Sequence[float], ended: Sequence[float]) -> int:
    """Requests that had arrived and had not been worked on, at most at once."""
    most = now = 0
    ends = deque(sorted(ended))
    for at_s in arrived:
        now += 1
        while ends and ends[0] <= at_s:
            ends.popleft()
            now -= 1
        most = max(most, now)
    return most


def could_arrive(
    arrived: Sequence[float], limits: Sequence[Limit], start_s: float, end_s: float
) -> int:
    """Arrivals in [start, end) of somebody who knows the limits and loses no moment.

    What arrived before *start_s* is given: it fills the windows it is in.
    """
    logs = [deque(t for t in arrived if start_s - w < t < start_s) for _, w in limits]
    count, now_s = 0, start_s
    while True:
        for (most, window_s), log in zip(limits, logs, strict=True):
            if len(log) >= most:
                now_s = max(now_s, log[-most] + window_s)
        if now_s >= end_s:
            return count
        count += 1
        for (most, _), log in zip(limits, logs, strict=True):
            log.append(now_s)
            if len(log) > most:
                log.popleft()


def longest_pauses(
    arrived: Sequence[float], start_s: float, end_s: float, count: int
) -> list[tuple[float, float]]:
    """(length, from when) of the longest times without an arrival."""
    times = [start_s, *(t for t in arrived if start_s < t < end_s), end_s]
    pauses = [(b - a, a) for a, b in pairwise(times)]
    return sorted(pauses, reverse=True)[:count]
