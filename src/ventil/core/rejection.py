"""Rejections against requests in flight: is it the load, or is it just so?

A provider that answers 503 to one request in twenty whatever we do must not make us slow;
one that answers 503 because its queue is full must. The two differ in where the rejections
fall: the first kind at every load alike, the second above some number in flight. So
answers are counted in bins of in-flight (each a quarter wider than the one before, slowly
forgotten), and when one is rejected, the bins from its own upwards are compared with those
below. If chance would put so many of the rejections above less than once in 3,000 times,
they are our doing. If there is not enough evidence below, it is fetched: the limit dips for
a while (a *trial*), and that settles it either way.
"""

from __future__ import annotations

from enum import Enum
from math import log

_FORGET = 0.998
_RATIO = log(1.25)
_BELIEF = 8.0  # -ln of the chance
_DOUBT = 3.5
_FEWEST = 4.0  # rejections expected below, if load made no difference


class Cause(Enum):
    """What a rejection seems to be."""

    OURS = 1
    CHANCE = 2
    UNCLEAR = 3


class Rejections:
    """Mutable; told of every answer and every overload while the breaker is closed."""

    __slots__ = ("_bins", "_case", "last_change_s")

    def __init__(self) -> None:
        self._bins: dict[int, list[float]] = {}  # bin -> [rejected, total]
        self._case = (0.0, 0.0)  # what the latest lowering was for
        self.last_change_s = -1e18

    def answered(self, in_flight: int) -> None:
        """A request sent as the `in_flight`-th was answered."""
        at = int(log(in_flight) / _RATIO)
        pair = self._bins.get(at)
        if pair is None:
            self._bins[at] = [0.0, 1.0]
        else:
            pair[0] *= _FORGET
            pair[1] = pair[1] * _FORGET + 1.0

    def rejected(self, in_flight: int, sent_s: float) -> Cause:
        """One was rejected, and the likely cause."""
        at = int(log(in_flight) / _RATIO)
        pair = self._bins.setdefault(at, [0.0, 0.0])
        pair[0] = pair[0] * _FORGET + 1.0
        pair[1] = pair[1] * _FORGET + 1.0
        if sent_s < self.last_change_s:
            return Cause.CHANCE  # sent before we went down: already answered for
        return self.cause(in_flight)

    def cause(self, in_flight: int) -> Cause:
        """What the rejections at this load and above seem to be."""
        bad, all_, low_bad, low_all = self._sums(in_flight)
        evidence, expected = _evidence(bad, all_, low_bad, low_all)
        if bad < 1.5:
            return Cause.CHANCE
        if evidence > _BELIEF:
            return Cause.OURS
        if expected >= _FEWEST:
            return Cause.CHANCE
        return Cause.UNCLEAR if bad >= 2.5 and in_flight > 1 else Cause.CHANCE

    def acquitted(self, in_flight: int) -> bool:
        """Whether rejections once taken as our doing at this load go on below it as well."""
        _, _, low_bad, low_all = self._sums(in_flight)
        high_bad, high_all = self._case
        evidence, expected = _evidence(high_bad, high_all, low_bad, low_all)
        return evidence < _DOUBT and expected >= _FEWEST

    def changed(self, now_s: float, in_flight: int) -> None:
        """The limit was lowered for it: what was sent before is answered for.

        What was seen from this load upwards is closed as a case, and remembered as a single
        rejection. Next time it takes new evidence: a provider that was slow for a while
        must not be held to it for ever.
        """
        self.last_change_s = now_s
        high_bad, high_all, _, _ = self._sums(in_flight)
        self._case = (high_bad, high_all)
        own = _bin(in_flight)
        self._bins = {at: pair for at, pair in self._bins.items() if at < own}
        self._bins[own] = [1.0, 1.0]

    def _sums(self, in_flight: int) -> tuple[float, float, float, float]:
        """(rejected, all) at this load and above, (rejected, all) below."""
        own = _bin(in_flight)
        high_bad = high_all = low_bad = low_all = 0.0
        for at, (bad, total) in self._bins.items():
            if at < own:
                low_bad += bad
                low_all += total
            else:
                high_bad += bad
                high_all += total
        return high_bad, high_all, low_bad, low_all


def _bin(in_flight: int) -> int:
    return int(log(max(1, in_flight)) / _RATIO)


def _evidence(
    high_bad: float, high_all: float, low_bad: float, low_all: float
) -> tuple[float, float]:
    """(-ln of the chance, rejections expected below if load made no difference)."""
    if high_bad <= 0:
        return 0.0, 0.0
    share = high_all / (high_all + low_all)
    above = high_bad / (high_bad + low_bad)
    evidence = 0.0
    if above > share:
        evidence = (high_bad + low_bad) * _divergence(above, share)
    return evidence, high_bad / high_all * low_all


def _divergence(p: float, q: float) -> float:
    """Kullback-Leibler divergence of two coins; bounds a binomial tail (Chernoff)."""
    if q >= 1.0:
        return 0.0
    bits = p * log(p / q) if p > 0 else 0.0
    if p < 1.0:
        bits += (1.0 - p) * log((1.0 - p) / (1.0 - q))
    return bits
