"""Each quota of the lab admits what it says, and says when it will admit more."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ventil.sim.lab.quotas import FixedWindow, Meter, ProviderQuota, SlidingLog, TokenBucket

QUOTAS = [
    TokenBucket(50, 100),
    TokenBucket(0.5, 1),
    FixedWindow(30, 60),
    FixedWindow(30, 60, phase_s=17),
    SlidingLog(100, 10),
]


def admit_all(meter: Meter, until_s: float) -> list[float]:
    """The times at which a greedy client is admitted."""
    taken, t = [], 0.0
    while t < until_s:
        free = meter.free_at(t)
        if free > t:
            t = free
            continue
        meter.take(t)
        taken.append(t)
    return taken


def test_a_token_bucket_gives_its_burst_and_then_its_rate() -> None:
    """100 at once, then one every 20 ms."""
    taken = admit_all(TokenBucket(50, 100).meter(), 10.0)
    assert taken[99] == 0.0
    assert taken[100] == pytest.approx(0.02)
    assert len(taken) == pytest.approx(100 + 500, abs=1)


def test_a_fixed_window_gives_its_limit_in_every_window() -> None:
    """Windows begin at the phase and every minute after it."""
    taken = admit_all(FixedWindow(30, 60, phase_s=17).meter(), 137.0)
    assert [sum(1 for t in taken if a <= t < a + 60) for a in (-43, 17, 77)] == [30, 30, 30]


@given(
    limit=st.integers(1, 50),
    window_s=st.floats(1, 100),
    gaps=st.lists(st.floats(0, 5), min_size=1, max_size=200),
)
def test_a_sliding_log_never_admits_more_than_its_limit_in_any_span(
    limit: int, window_s: float, gaps: list[float]
) -> None:
    """Whatever the times of the requests."""
    meter = SlidingLog(limit, window_s).meter()
    taken, t = [], 0.0
    for gap in gaps:
        t += gap
        if meter.free_at(t) <= t:
            meter.take(t)
            taken.append(t)
    for end in taken:
        assert sum(1 for x in taken if end - window_s + 1e-6 < x <= end) <= limit


@pytest.mark.parametrize("quota", QUOTAS, ids=repr)
def test_the_time_named_is_the_first_at_which_it_admits(quota: ProviderQuota) -> None:
    """Just before it is refused, at it admitted."""
    meter = quota.meter()
    while meter.free_at(1.0) <= 1.0:
        meter.take(1.0)
    free = meter.free_at(1.0)
    assert meter.free_at(free - 1e-4) > free - 1e-4
    assert meter.free_at(free) <= free


@pytest.mark.parametrize("quota", QUOTAS, ids=repr)
def test_the_hint_counts_what_is_left(quota: ProviderQuota) -> None:
    """Remaining falls by one with each request, to zero when the next would be refused."""
    meter = quota.meter()
    before = meter.hint(1.0)
    assert before.remaining == before.limit
    for k in range(before.limit):
        assert meter.hint(1.0).remaining == before.limit - k
        meter.take(1.0)
    assert meter.hint(1.0).remaining == 0
    assert meter.free_at(1.0) > 1.0
