"""Rejections against requests in flight: is it the load, or is it just so?

A provider that answers 503 to one request in twenty whatever we do must not make us slow; one
that answers 503 because its queue is full must. The two differ in where the rejections
fall: the first kind at every load alike, the second above some number in flight. So answers are
counted in bins of in-flight (each a quarter wider than the one before), slowly forgotten,
and the share of rejections at clearly lower load is what chance brings anyway. Only a
round with more than that, by three standard deviations and a bit, is taken as our doing.
"""

from __future__ import annotations

from math import log, sqrt

_FORGET = 0.998
_RATIO = log(1.25)
_FEWEST = 40.0
_LEAST_SHARE = 0.005


class Rejections:
    """Mutable; told of every answer and every overload while the breaker is closed.

    A round is max(20, 2 * limit) completions.
    """

    __slots__ = ("_bins", "_rejected", "_round", "_seen", "clean", "last_change_s")

    def __init__(self) -> None:
        self._bins: dict[int, list[float]] = {}  # bin -> [rejected, total]
        self._round = 0
        self._rejected = 0
        self._seen = 0
        self.clean = 0
        self.last_change_s = -1e18

    def answered(self, in_flight: int, limit: float) -> None:
        """A request sent as the `in_flight`-th was answered."""
        self._count(in_flight, 0.0)
        self.clean += 1
        self._turn(limit)

    def rejected(self, in_flight: int, limit: float, sent_s: float) -> bool:
        """One was rejected. Whether the rejections of this round are our doing."""
        self._count(in_flight, 1.0)
        if sent_s < self.last_change_s:
            return False  # sent before we went down: already answered for
        self._rejected += 1
        share = self.background(in_flight)
        expected = share * self._round
        ours = self._rejected > expected + 3.0 * sqrt(expected) + 1.2
        if not ours and limit <= 16 and self._quiet():
            ours = self._rejected >= 2
        self._turn(limit)
        return ours

    def changed(self, now_s: float) -> None:
        """The limit was lowered for it: a new round begins with requests sent from now on."""
        self.last_change_s = now_s
        self._round = self._rejected = 0

    def background(self, in_flight: int) -> float:
        """The share of rejections at clearly lower load than `in_flight`, at least 0.5 %."""
        own = int(log(max(1, in_flight)) / _RATIO)
        rejected = total = 0.0
        for at, (bad, all_) in self._bins.items():
            if (at < own or in_flight <= 2) and all_ >= _FEWEST:
                rejected += bad
                total += all_
        return max(_LEAST_SHARE, rejected / total) if total else _LEAST_SHARE

    def _quiet(self) -> bool:
        rejected = sum(b[0] for b in self._bins.values())
        total = sum(b[1] for b in self._bins.values())
        return total >= 100 and rejected - self._rejected < 0.005 * total

    def _count(self, in_flight: int, bad: float) -> None:
        self._round += 1
        at = int(log(in_flight) / _RATIO) if in_flight > 1 else 0
        pair = self._bins.get(at)
        if pair is None:
            pair = self._bins[at] = [0.0, 0.0]
        pair[0] = pair[0] * _FORGET + bad
        pair[1] = pair[1] * _FORGET + 1.0

    def _turn(self, limit: float) -> None:
        if self._round >= max(20.0, 2.0 * limit):
            self._round = self._rejected = 0
