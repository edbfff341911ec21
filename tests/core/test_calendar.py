"""Hours of access and of maintenance, in the provider's zone, across its clock changes."""

from __future__ import annotations

import datetime as dt
from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ventil.core.calendar import Calendar, Hours
from ventil.errors import SettingError


def at(text: str) -> float:
    """Seconds of a UTC time like 2026-11-21 02:16."""
    return dt.datetime.fromisoformat(text).replace(tzinfo=dt.UTC).timestamp()


def shown(moment_s: float) -> str:
    """A moment as people read it, in UTC."""
    return dt.datetime.fromtimestamp(moment_s, dt.UTC).strftime("%Y-%m-%d %H:%M")


NIGHTS = Calendar.parse(["Mon-Fri 22:00-06:00 Europe/Zurich"], [])
SUNDAYS = Calendar.parse([], ["Sun 02:00-04:00 UTC"])


def test_without_hours_it_is_always_open() -> None:
    """No windows, no waiting, no end."""
    assert Calendar().opens(5.0) == (5.0, "")
    assert Calendar().closes(5.0) == inf
    assert Calendar().ends(5.0, 1e6) == 1_000_005.0


@pytest.mark.parametrize(
    ("now", "opens"),
    [
        ("2026-11-20 12:00", "2026-11-20 21:00"),  # Friday noon: at 22:00 in Zurich
        ("2026-11-20 21:00", "2026-11-20 21:00"),
        ("2026-11-21 04:59", "2026-11-21 04:59"),  # Saturday morning still is Friday's window
        ("2026-11-21 05:00", "2026-11-23 21:00"),  # then nothing until Monday night
        ("2026-07-01 12:00", "2026-07-01 20:00"),  # in summer an hour earlier by UTC
    ],
)
def test_access_hours_are_those_of_the_zone(now: str, opens: str) -> None:
    """A window begins on its days and may run past midnight."""
    moment_s, why = NIGHTS.opens(at(now))
    assert shown(moment_s) == opens
    assert (why == "") == (now == opens)
    if why:
        assert why == "outside the access hours (Mon-Fri 22:00-06:00 Europe/Zurich)"


def test_maintenance_is_waited_out() -> None:
    """Its end is exclusive, its start inclusive."""
    assert SUNDAYS.opens(at("2026-11-22 01:59"))[1] == ""
    assert SUNDAYS.opens(at("2026-11-22 02:00")) == (
        at("2026-11-22 04:00"),
        "maintenance (Sun 02:00-04:00 UTC)",
    )
    assert SUNDAYS.opens(at("2026-11-22 04:00"))[1] == ""
    assert shown(SUNDAYS.closes(at("2026-11-20 12:00"))) == "2026-11-22 02:00"


def test_maintenance_within_access_hours() -> None:
    """The later of the two counts, and the first reason is told."""
    both = Calendar.parse(["00:00-05:00 UTC"], ["Sun 00:00-04:00 UTC"])
    assert both.opens(at("2026-11-21 12:00")) == (
        at("2026-11-22 04:00"),
        "outside the access hours (00:00-05:00 UTC)",
    )


def test_windows_that_touch_go_on_without_a_gap() -> None:
    """Two windows, one night."""
    calendar = Calendar.parse(["22:00-24:00 UTC", "00:00-03:00 UTC"], [])
    assert shown(calendar.closes(at("2026-11-20 22:30"))) == "2026-11-21 03:00"
    assert Calendar.parse(["00:00-24:00 UTC"], []).closes(at("2026-11-20 22:30")) > at(
        "2026-11-27 00:00"
    )


@pytest.mark.parametrize(
    ("hours", "kind", "day", "start", "end"),
    [
        # Spring 2026 in Zurich: at 01:00 UTC the clock jumps from 02:00 to 03:00.
        ("02:00-04:00", "access", "2026-03-29", "01:00", "02:00"),
        ("02:30-04:00", "maintenance", "2026-03-29", "01:00", "02:00"),
        ("01:00-02:30", "access", "2026-03-29", "00:00", "01:00"),
        # Autumn 2026: at 01:00 UTC the clock goes back from 03:00 to 02:00.
        ("01:00-02:30", "access", "2026-10-25", "23:00", "00:30"),
        ("02:30-04:00", "access", "2026-10-25", "01:30", "03:00"),
        ("01:00-02:30", "maintenance", "2026-10-25", "23:00", "01:30"),
        ("02:30-04:00", "maintenance", "2026-10-25", "00:30", "03:00"),
    ],
)
def test_where_the_clocks_change_the_provider_gets_the_benefit(
    hours: str, kind: str, day: str, start: str, end: str
) -> None:
    """Access is the shorter reading, maintenance the longer one."""
    window = Hours.parse(f"Sun {hours} Europe/Zurich")
    noon = at(f"{day} 12:00")
    found = [w for w in window.around(noon, shy=kind == "access") if abs(w[0] - noon) < 64_800]
    assert [(shown(a)[11:], shown(b)[11:]) for a, b in found] == [(start, end)]


def test_a_window_that_a_change_swallows_is_not_there() -> None:
    """02:15 to 02:45 does not happen on that Sunday."""
    calendar = Calendar.parse(["Sun 02:15-02:45 Europe/Zurich"], [])
    assert shown(calendar.opens(at("2026-03-28 12:00"))[0]) == "2026-04-05 00:15"


def test_work_ends_after_enough_open_time() -> None:
    """Ten hours of work take two nights of eight."""
    assert shown(NIGHTS.ends(at("2026-11-23 12:00"), 10 * 3600.0)) == "2026-11-24 23:00"
    assert shown(SUNDAYS.ends(at("2026-11-22 01:00"), 2 * 3600.0)) == "2026-11-22 05:00"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("22-06 UTC", "are no weekly hours"),
        ("Mon 22:00-06:00", "are no weekly hours"),
        ("Mon 22:00-06:00 Mars/Olympus", "no time zone 'Mars/Olympus'"),
        ("Mon 22:00-06:00 ../../etc/passwd", "no time zone"),
        ("Moon 22:00-06:00 UTC", "are no weekly hours"),
        ("Mod 22:00-06:00 UTC", "'Mod' is no day of the week"),
        ("Mon-Wed-Fri 22:00-06:00 UTC", "are no days"),
        ("Mon 25:00-06:00 UTC", "25:00 is no time of day"),
        ("Mon 22:61-06:00 UTC", "22:61 is no time of day"),
        ("Mon 06:00-06:00 UTC", "begins and ends at the same time"),
        ("Mon 24:00-06:00 UTC", "cannot begin at 24:00"),
        ("", "are no weekly hours"),
    ],
)
def test_hours_that_are_none_are_named(text: str, words: str) -> None:
    """With the text, and with an example of what is right."""
    with pytest.raises(SettingError, match=words) as caught:
        Hours.parse(text)
    assert repr(text)[:20] in caught.value.message
    assert caught.value.hint


def test_a_calendar_without_any_time_is_refused() -> None:
    """Otherwise a run would wait for ever."""
    with pytest.raises(SettingError, match="leave no time"):
        Calendar.parse(["Sun 02:00-03:00 UTC"], ["Sun 01:00-04:00 UTC"])


zones = st.sampled_from(
    ["UTC", "Europe/Zurich", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu"]
)
times = st.builds("{:02}:{:02}".format, st.integers(0, 23), st.sampled_from([0, 15, 30, 59]))
windows = st.builds(
    lambda days, start, end, zone: f"{','.join(days)} {start}-{end} {zone}",
    st.lists(st.sampled_from(["Mon", "Wed", "Fri", "Sat", "Sun"]), min_size=1, unique=True),
    times,
    times,
    zones,
).filter(lambda text: text.split()[1].split("-")[0] != text.split()[1].split("-")[1])
moments = st.floats(at("2026-01-01 00:00"), at("2027-01-01 00:00"))


@given(st.lists(windows, min_size=1, max_size=3), st.lists(windows, max_size=2), moments)
def test_it_opens_where_it_says_and_not_before(
    access: list[str], maintenance: list[str], now_s: float
) -> None:
    """Open at the moment named, closed at every one before it, open until it closes."""
    try:
        calendar = Calendar.parse(access, maintenance)
    except SettingError:
        return
    opens_s, why = calendar.opens(now_s)
    assert now_s <= opens_s < inf
    assert calendar.opens(opens_s) == (opens_s, "")
    assert (why == "") == (opens_s == now_s)
    for share in (0.0, 0.3, 0.7, 0.999):
        before_s = now_s + share * (opens_s - now_s)
        if before_s < opens_s - 1:
            assert calendar.opens(before_s)[0] > before_s
    closes_s = calendar.closes(opens_s)
    assert closes_s > opens_s
    if closes_s < inf:
        assert calendar.opens(opens_s + 0.9 * (closes_s - opens_s))[1] == ""
        assert calendar.ends(now_s, closes_s - opens_s) == pytest.approx(closes_s)
