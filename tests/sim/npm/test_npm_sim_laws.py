"""Laws of the simulator's pure parts, over all inputs."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from ventil.sim.npm.api import View, answer, parse
from ventil.sim.npm.counts import Counts
from ventil.sim.npm.limits import BucketGate, FixedGate, Meter, SlidingGate
from ventil.sim.npm.scenario import Counting, Quota

names = st.text(min_size=1, max_size=20)
totals = st.integers(0, 10**10)
windows = st.sampled_from([1, 7, 30, 365])
ordinals = st.integers(735_000, 745_000)
gaps = st.lists(st.floats(0, 5, allow_nan=False), max_size=80)


@given(names, totals, windows, ordinals)
def test_every_window_of_days_sums_to_the_recorded_count(name, total, days, start):
    """Wherever it begins; and the sum is that of its days, none of them negative."""
    counts = Counts({name: total}, days)
    each = [counts.between(name, day, day) for day in range(start, start + days)]
    assert min(each) >= 0
    assert sum(each) == total == counts.between(name, start, start + days - 1)


@given(names, totals, windows, ordinals, st.integers(0, 400), st.integers(0, 400))
def test_spans_add_up(name, total, days, start, first, second):
    """Two spans side by side hold what the whole holds."""
    counts = Counts({name: total}, days)
    middle, end = start + first, start + first + second
    left = counts.between(name, start, middle - 1)
    right = counts.between(name, middle, end)
    assert left + right == counts.between(name, start, end)


@given(st.text(max_size=60))
def test_any_path_gets_an_answer(path):
    """No target makes the API fail, and the statuses are those of the API."""
    view = View(Counts({"a": 1}), 739_000)
    for target in (path, f"/downloads/point/last-week/{path}", f"/downloads/range/{path}/a"):
        status, value = answer(parse(target), view)
        assert status in (200, 400, 404)
        assert isinstance(value, dict)


@given(gaps, st.integers(1, 6), st.floats(0.5, 20), st.booleans())
def test_a_sliding_gate_never_lets_too_many_through(gaps, limit, window_s, strict):
    """In any window, at any time; the wait it names is long enough, and is needed."""
    gate = SlidingGate(Quota(limit=limit, window_s=window_s, strict=strict))
    passed = []
    for now_s in itertools.accumulate(gaps):
        wait_s = gate.arrive(now_s)
        if wait_s is None:
            passed.append(now_s)
        else:
            assert 0 <= wait_s <= window_s + 1e-9
    for i, at_s in enumerate(passed):
        assert sum(at_s - window_s < other <= at_s for other in passed[: i + 1]) <= limit


@given(gaps, st.integers(1, 6), st.floats(0.5, 20), st.integers(1, 6))
def test_a_bucket_never_pays_out_more_than_burst_and_flow(gaps, limit, window_s, burst):
    """Between any two passages: the capacity plus what flowed in between."""
    quota = Quota(limit=limit, window_s=window_s, burst=burst, counting=Counting.BUCKET)
    gate = BucketGate(quota)
    passed = [t for t in itertools.accumulate(gaps) if gate.arrive(t) is None]
    for i, first in enumerate(passed):
        for j in range(i, len(passed)):
            flow = (passed[j] - first) * limit / window_s
            assert j - i + 1 <= burst + flow + 1e-6


@given(gaps, st.integers(1, 6), st.floats(0.5, 20))
def test_a_fixed_window_lets_its_limit_through_and_no_more(gaps, limit, window_s):
    """Exactly the first arrivals of each window pass."""
    gate = FixedGate(Quota(limit=limit, window_s=window_s, counting=Counting.FIXED))
    passed: dict[float, int] = {}
    for now_s in itertools.accumulate(gaps):
        windows = now_s / window_s
        if abs(windows - round(windows)) < 1e-9:
            continue  # at an edge rounding says which window it is
        if gate.arrive(now_s) is None:
            index = now_s // window_s
            passed[index] = passed.get(index, 0) + 1
    assert all(count <= limit for count in passed.values())


@given(gaps, st.integers(1, 6), st.floats(0.5, 20))
def test_the_auditor_agrees_with_brute_force(gaps, limit, window_s):
    """Violations are the arrivals that make more than the limit in the window they end."""
    meter = Meter(Quota(limit=limit, window_s=window_s, enforced=False))
    arrivals = list(itertools.accumulate(gaps))
    for now_s in arrivals:
        meter.arrive(now_s)
    excesses = [
        sum(t - window_s < other for other in arrivals[: i + 1]) - limit
        for i, t in enumerate(arrivals)
    ]
    assert meter.violations == sum(excess > 0 for excess in excesses)
    assert meter.worst_excess == max([0, *excesses])
