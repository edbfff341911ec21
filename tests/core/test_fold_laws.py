"""Laws of the fold: no missing answer becomes a zero, no order changes a count."""

from __future__ import annotations

import datetime as dt
from functools import reduce

from hypothesis import given
from hypothesis import strategies as st

from ventil.core.fold import Counts, Published, count, publish, settle
from ventil.core.model import Good, Interval, Sample, Status

WEEK = Interval(dt.date(2026, 11, 14), dt.date(2026, 11, 20))
numbers = st.integers(0, 10**9)
samples = st.one_of(
    st.builds(Sample, st.just("a"), st.just(Status.OK), numbers, st.just(WEEK)),
    st.builds(
        Sample, st.just("a"), st.just(Status.SUSPECT), numbers, st.just(WEEK), st.just("why")
    ),
    st.builds(
        Sample,
        st.just("a"),
        st.sampled_from([Status.UNKNOWN, Status.FAILED]),
        st.none(),
        st.none(),
        st.just("why"),
    ),
)
goods = st.none() | st.builds(Good, numbers, st.just(WEEK), st.floats(0, 4e9))
records = st.lists(st.tuples(st.none() | samples, goods), max_size=20)
published = records.map(lambda pairs: [publish("a", sample, good) for sample, good in pairs])


@given(st.none() | samples, goods)
def test_a_number_is_published_only_if_somebody_said_it(
    sample: Sample | None, good: Good | None
) -> None:
    """This period's number if it is good, else the last good one, else none: never a zero."""
    result = publish("a", sample, good)
    if sample is not None and sample.status is Status.OK:
        assert (result.status, result.value) == (Status.OK, sample.value)
    elif sample is not None and sample.status is Status.UNKNOWN:
        assert (result.status, result.value) == (Status.UNKNOWN, None)
    elif good is not None:
        assert (result.status, result.value) == (Status.CARRIED, good.value)
        assert result.as_of_s == good.fetched_at_s
    else:
        assert result.status in (Status.SUSPECT, Status.FAILED)
        assert result.value is None
    assert (result.as_of_s is None) == (result.status is not Status.CARRIED)
    assert (result.detail == "") == (result.status is Status.OK)


@given(samples, samples, samples)
def test_settling_is_associative(first: Sample, second: Sample, third: Sample) -> None:
    """Attempts may be folded in groups."""
    left = settle(settle(first, second), third)
    assert left == settle(first, settle(second, third))
    assert settle(first, first) == first


@given(st.lists(samples, min_size=1))
def test_once_settled_always_settled(attempts: list[Sample]) -> None:
    """Whatever comes later; and nothing settles that no attempt settled."""
    stands = reduce(settle, attempts)
    assert stands.status.settles == any(sample.status.settles for sample in attempts)


@given(published, published, published)
def test_counting_is_associative_and_free_of_order(
    one: list[Published], two: list[Published], three: list[Published]
) -> None:
    """Counts of parts add up to the count of the whole, in any order."""
    whole = count(one + two + three)
    assert count(one) + (count(two) + count(three)) == whole
    assert (count(three) + count(one)) + count(two) == whole
    assert whole + Counts() == whole
    assert whole == count(reversed(one + two + three))
    statuses = whole.ok + whole.unknown + whole.suspect + whole.failed + whole.carried
    assert whole.records == statuses == len(one) + len(two) + len(three)
