"""Lengths of time as people write them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ventil.core.duration import format_duration, parse_duration


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("500ms", 0.5),
        ("30s", 30.0),
        (" 5m ", 300.0),
        ("5min", 300.0),
        ("1H", 3600.0),
        ("1h30m", 5400.0),
        ("1h 30m", 5400.0),
        ("1.5h", 5400.0),
        ("1d", 86_400.0),
        ("0", 0.0),
        ("2.5", 2.5),
        (7, 7.0),
        (0.25, 0.25),
    ],
)
def test_reads_what_people_write(text: object, seconds: float) -> None:
    """Units may be joined, a bare number is seconds."""
    assert parse_duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize(
    "text",
    [
        *("", "soon", "-5s", "5 parsecs", "1h-30m", "h", "1e3", "inf", "nan", "٣s", "9" * 400),
        *(-1, float("inf"), float("nan"), True, None, ["5m"]),
    ],
)
def test_refuses_the_rest_in_words(text: object) -> None:
    """What is no length of time is a ValueError that shows how to write one."""
    with pytest.raises(ValueError, match="write "):
        parse_duration(text)


@given(st.integers(0, 10**10))
def test_what_is_written_reads_back(milliseconds: int) -> None:
    """Formatting then parsing gives the same time, to the millisecond."""
    seconds = milliseconds / 1000
    assert parse_duration(format_duration(seconds)) == pytest.approx(seconds, abs=5e-4)
