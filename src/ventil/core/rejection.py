"""Rejections against requests in flight: is it the load, or is it just so?

A provider that answers 503 to one request in twenty whatever we do must not make us slow;
one that answers 503 because its queue is full must. The two differ in where the rejections
fall: the first kind at every load alike, the second above some number in flight. So
requests are counted in bins of in-flight (each a quarter wider than the one before, slowly
forgotten), and when one is rejected, the bins from its own upwards are compared with those
below. If chance would put so many of the rejections above less than once in 3,000 times,
they are our doing. If there is not enough evidence below, it is fetched: the limit dips for
a while (a *trial*), and that settles it either way. And when they were taken for our doing
and go on all the same below, they were not: they are acquitted, and so are we.
"""

from __future__ import annotations

from enum import Enum
from math import log

_FORGET = 0.998
_RATIO = log(1.25)
_BELIEF = 8.0  # -ln of the chance
_DOUBT = 3.5
_FEWEST = 4.0  # rejections expected below, if load made no difference
_WORTH = 0.02
"""No more than this rejected is not worth a trial: that costs more than the rejections."""
_MOST_CHANCE = 0.4
"""A provider that rejects more than this is too full, whatever the comparison says."""


class Cause(Enum):
    """What a rejection seems to be."""

    OURS = 1
    CHANCE = 2
    UNCLEAR = 3


class Rejections:
    """Mutable; told of every sending and every overload while the breaker is closed.

    Requests are counted when they are sent, not when they are answered: a rejection comes
    back at once and an answer takes its time, so that by answers the first of every
    larger round would all look rejected.
    """

    __slots__ = ("_bins", "_case", "_case_from", "_since", "last_change_s")

    def __init__(self) -> None:
        self._bins: dict[int, list[float]] = {}  # bin -> [rejected, sent]
        self._case = (0.0, 0.0)  # what the latest lowering was for
        self._case_from = 0  # at so many in flight
        self._since = [0.0, 0.0]  # below that, since then
        self.last_change_s = -1e18

    def sent(self, in_flight: int) -> None:
        """A request goes out as the `in_flight`-th."""
        at = int(log(in_flight) / _RATIO)
        pair = self._bins.get(at)
        if pair is None:
            self._bins[at] = [0.0, 1.0]
        else:
            pair[0] *= _FORGET
            pair[1] = pair[1] * _FORGET + 1.0
        if in_flight < self._case_from:
            self._since[1] += 1.0

    def rejected(self, in_flight: int, sent_s: float) -> Cause:
        """One was rejected, and the likely cause."""
        if sent_s < self.last_change_s:
            return Cause.CHANCE  # sent before we went down: already answered for
        pair = self._bins.setdefault(_bin(in_flight), [0.0, 0.0])
        pair[0] += 1.0
        pair[1] = max(pair)
        if in_flight < self._case_from:
            self._since[0] += 1.0
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
        worth_it = bad >= 2.5 and bad > _WORTH * all_ and in_flight > 1
        return Cause.UNCLEAR if worth_it else Cause.CHANCE

    def acquitted(self) -> bool:
        """Whether rejections once taken as our doing go on below as they were."""
        bad, sent = self._since
        evidence, expected = _evidence(*self._case, bad, sent)
        return evidence < _DOUBT and expected >= _FEWEST and bad < _MOST_CHANCE * sent

    def changed(self, now_s: float, in_flight: int) -> None:
        """The limit was lowered for it: what was sent before is answered for.

        What was seen from this load upwards is closed as a case, and remembered as a single
        rejection. Next time it takes new evidence: a provider that was slow for a while
        must not be held to it for ever.
        """
        self.last_change_s = now_s
        high_bad, high_all, _, _ = self._sums(in_flight)
        self._case = (high_bad, high_all)
        self._case_from = in_flight
        self._since = [0.0, 0.0]
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
