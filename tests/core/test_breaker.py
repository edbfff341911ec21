"""The circuit breaker."""

from __future__ import annotations

from math import inf
from random import Random

import pytest

from ventil.core.breaker import Breaker


def breaker(timeout_s: float = 30.0) -> Breaker:
    """A breaker that opens on five overloads in a row."""
    return Breaker(threshold=5, probe_cap_s=30.0, timeout_s=timeout_s, random=Random(1))


def tripped() -> Breaker:
    """One that has just opened, at 0."""
    it = breaker()
    for n in range(5):
        it.overloaded(0.0, n, "503")
    return it


def test_it_opens_on_overloads_in_a_row() -> None:
    """Four do not, and an answer between starts the count again."""
    it = breaker()
    for n in range(4):
        assert not it.overloaded(0.0, n, "503")
    it.live()
    for n in range(4):
        assert not it.overloaded(0.0, n, "503")
    assert it.overloaded(0.0, 4, "503")
    assert it.is_open


def test_it_probes_less_and_less_often() -> None:
    """At 1, 2, 4, 8, 16, 30, 30 seconds from one another, or up to 15 % sooner."""
    it = tripped()
    last_s, gaps = 0.0, []
    for _ in range(8):
        probe_s = it.probe_from()
        gaps.append(probe_s - last_s)
        it.probe_sent(probe_s)
        it.probe_back()
        last_s = probe_s
    for gap, expected in zip(gaps, [1, 2, 4, 8, 16, 30, 30, 30], strict=True):
        assert gap == pytest.approx(expected, rel=0.35)
    assert all(25.5 <= gap <= 30.0 for gap in gaps[6:])


def test_an_answered_probe_closes_it() -> None:
    """One live answer is enough."""
    it = tripped()
    it.probe_sent(1.0)
    assert it.live()
    assert not it.is_open


@pytest.mark.parametrize("timeout_s", [5.0, 30.0, 90.0])
def test_a_hung_probe_does_not_hold_up_the_next(timeout_s: float) -> None:
    """As many probes may be out as fall due within one timeout, and no more."""
    it = breaker(timeout_s=timeout_s)
    it.open(0.0, "no answers any more", soft=True)
    out: list[float] = []
    while (probe_s := it.probe_from()) < 400.0:
        while out and out[0] + timeout_s <= probe_s:
            out.pop(0)
            it.probe_back()
        it.probe_sent(probe_s)
        out.append(probe_s)
    assert probe_s != inf
    for _ in range(20):
        it.probe_sent(400.0)
    assert it.probe_from() == inf


def test_one_poison_record_does_not_open_it() -> None:
    """Failures count by distinct record (edge case 9), but not without end."""
    it = breaker()
    opened = [it.overloaded(0.0, "poison", "500") for _ in range(20)]
    assert opened.index(True) == 19


def test_a_provider_that_fails_at_random_needs_a_longer_row() -> None:
    """With a third of all requests failing, five in a row are no news (edge case 9)."""
    it, random = breaker(), Random(3)
    for n in range(20_000):
        if random.random() < 0.3:
            it.overloaded(float(n), n, "500")
        else:
            it.live()
    # A few may happen before it has learned; none after.
    assert it.generation <= 2
