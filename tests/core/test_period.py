"""Periods: what a person may write, and which answers are about it."""

import datetime as dt

import pytest

from ventil.core.model import Interval
from ventil.core.period import Period
from ventil.errors import SettingError

TODAY = dt.date(2026, 11, 21)


def day(number: int) -> dt.date:
    """So many days from today."""
    return TODAY + dt.timedelta(days=number)


def between(first: int, last: int) -> Interval:
    """Days counted from today, both included."""
    return Interval(day(first), day(last))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("last-day", between(-1, -1)),
        ("last-week", between(-7, -1)),
        ("last-month", between(-30, -1)),
        ("2026-11-20", between(-1, -1)),
        ("2026-11-01:2026-11-07", Interval(dt.date(2026, 11, 1), dt.date(2026, 11, 7))),
        ("2015-01-10", Interval(dt.date(2015, 1, 10), dt.date(2015, 1, 10))),
        (" last-week\n", between(-7, -1)),
    ],
)
def test_a_period_is_read_with_the_days_expected(text: str, expected: Interval) -> None:
    """Named periods end yesterday; dates and ranges say their own days."""
    period = Period.parse(text, today=TODAY)
    assert period.interval == expected
    assert period.name == text.strip()
    assert str(period) == period.name


def test_a_range_of_one_day_is_that_day() -> None:
    """Two spellings of one period are one period in the ledger."""
    assert Period.parse("2026-11-01:2026-11-01", today=TODAY).name == "2026-11-01"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "not a period"),
        ("last-year", "not a period"),
        ("Last-Week", "not a period"),
        ("20261101", "not a period"),
        ("2026-W45-1", "not a period"),
        ("2026-11-1", "not a period"),
        ("\u0662\u0660\u0662\u0666-11-01", "not a period"),
        ("2026-11-01:", "not a period"),
        (":2026-11-01", "not a period"),
        ("2026-11-01:2026-11-02:2026-11-03", "not a period"),
        ("2026-02-30", "no day 2026-02-30"),
        ("2026-13-01", "no day 2026-13-01"),
        ("0000-01-01", "no day 0000-01-01"),
        ("2026-11-07:2026-11-01", "starts after its end"),
        ("2015-01-09", "before 2015-01-10"),
        ("2014-12-01:2026-11-01", "before 2015-01-10"),
        ("2026-11-21", "not over yet"),
        ("2026-11-22", "in the future"),
        ("2026-11-01:9999-12-31", "in the future"),
    ],
)
def test_a_bad_period_is_the_users_to_mend(text: str, said: str) -> None:
    """The message names the text and what is wrong with it."""
    with pytest.raises(SettingError, match=said) as caught:
        Period.parse(text, today=TODAY)
    assert repr(text.strip()) in caught.value.message
    assert caught.value.exit_code == 2


@pytest.mark.parametrize("text", ["2026-11-01", "2026-11-01:2026-11-07"])
def test_dates_and_ranges_come_back_exactly_or_not_at_all(text: str) -> None:
    """An answer that is a day longer, shorter, earlier or later is not about the period."""
    period = Period.parse(text, today=TODAY)
    asked, one = period.interval, dt.timedelta(days=1)
    assert period.check(asked) is None
    for other in (
        Interval(asked.start - one, asked.end),
        Interval(asked.start, asked.end + one),
        Interval(asked.start + one, asked.end + one),
        Interval(asked.start - one, asked.end - one),
    ):
        reason = period.check(other)
        assert reason is not None
        assert str(asked) in reason
        assert str(other) in reason


def test_a_clipped_range_is_called_so() -> None:
    """The start moved forward with status 200: both intervals are named."""
    period = Period.parse("2024-01-01:2026-11-01", today=TODAY)
    reason = period.check(Interval(dt.date(2025, 5, 3), dt.date(2026, 11, 1)))
    assert reason == ("asked for 2024-01-01:2026-11-01, got 2025-05-03:2026-11-01 (clipped)")


@pytest.mark.parametrize(
    ("name", "days"), [("last-day", 1), ("last-week", 7), ("last-month", 30)]
)
def test_a_named_period_may_be_some_days_late_but_not_stale(name: str, days: int) -> None:
    """Its last day is at most today and at least three days before yesterday."""
    period = Period.parse(name, today=TODAY)
    for end in (0, -1, -2, -3, -4):
        assert period.check(between(end - days + 1, end)) is None
    stale = period.check(between(-5 - days + 1, -5))
    assert stale is not None
    assert "stale" in stale
    future = period.check(between(1 - days + 1, 1))
    assert future is not None
    assert "future" in future


@pytest.mark.parametrize(
    ("name", "days"), [("last-day", 1), ("last-week", 7), ("last-month", 30)]
)
def test_a_named_period_has_its_length(name: str, days: int) -> None:
    """A week of six days is not a week."""
    period = Period.parse(name, today=TODAY)
    for wrong in {days - 1, days + 1} - {0}:
        reason = period.check(between(-wrong, -1))
        assert reason is not None
        assert str(between(-wrong, -1)) in reason


def test_a_run_that_goes_on_the_next_day_asks_for_its_days_by_date() -> None:
    """last-week is another week by then; the run's own days are asked for exactly."""
    week = Period.parse("last-week", today=TODAY)
    assert week.on(TODAY) is week
    assert week.on(day(-1)) is week
    later = week.on(day(3))
    assert later == Period.parse("2026-11-14:2026-11-20", today=day(3))
    assert later.check(between(-7, -1)) is None
    assert later.check(between(-4, 2)) is not None
    one = Period.parse("last-day", today=TODAY).on(day(1))
    assert (one.name, one.named) == ("2026-11-20", False)


def test_a_date_is_the_same_days_on_any_day() -> None:
    """Only the day that it is seen on changes."""
    date = Period.parse("2026-11-01", today=TODAY)
    assert date.on(day(3)) == Period(date.name, date.interval, day(3))
