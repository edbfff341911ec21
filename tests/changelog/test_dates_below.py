"""Dates that stand beside a heading, not on it: on the lines below, or above."""

from __future__ import annotations

import datetime

import pytest

from ventil.changelog import parse

DAYS = [datetime.date(2020, 3, 5), datetime.date(2019, 12, 24), datetime.date(2019, 7, 1)]
VERSIONS = ["1.2.0", "1.1.1", "1.1.0"]
HEADINGS = {"underlined": "{0}\n-----\n", "atx": "## {0}\n", "bare": "Version {0}\n"}
BODY = "\n- the lid fits pots of 3.4 litres\n\n"

# How the line below is written, as strftime has it.
LINES = [
    ":Date: %Y-%m-%d",
    ":Released: %B %d, %Y",
    "*%Y-%m-%d*",
    "(%Y-%m-%d)",
    "Released: %Y-%m-%d",
    "*Release date: %d %b %Y*",
    "**Release date:** %Y-%m-%d",
    "- Released %Y-%m-%d",
    "> %Y-%m-%d",
    "%a %b %d 10:00:00 UTC %Y",
    "%B %d, %Y - by Joe",
    "This release was made on %Y-%m-%d.",
    "(codename Spout, released on %B %d, %Y)",
    "Released on %B %d, %Y, codename Spout.",
    "<small>%Y-%m-%d</small>",
    "### %Y-%m-%d",
    "Uploaded to the index on %Y-%m-%d",
    "Tagged %Y-%m-%d",
    "Jane Doe, %Y-%m-%d",
    "Released by Jane Doe on %Y-%m-%d",
    "%Y-%m-%dT10:00:00Z",
]


@pytest.mark.parametrize("heading", HEADINGS)
@pytest.mark.parametrize("gap", ["", "\n"])
@pytest.mark.parametrize("line", LINES)
def test_a_date_below_is_the_release_s(heading: str, gap: str, line: str) -> None:
    """Under every sort of heading, right below it or after a blank line."""
    text = "".join(
        HEADINGS[heading].format(version) + gap + day.strftime(line) + "\n" + BODY
        for version, day in zip(VERSIONS, DAYS, strict=True)
    )
    found = parse(text, "CHANGES.rst")
    assert [r.version for r in found] == VERSIONS
    assert [r.date for r in found] == DAYS


@pytest.mark.parametrize(
    "line", ["{}  Jane Doe  <jane@example.org>", "{}", "{}  Jane Doe", "Released {}"]
)
def test_the_date_of_an_entry_stands_above_its_indented_lines(line: str) -> None:
    """As GNU ChangeLogs have it; the date below is the next entry's."""
    text = "".join(
        line.format(day) + f"\n\n\t* Release {version}.\n" + "\t* pot.c (pour): Slower.\n\n"
        for version, day in zip(VERSIONS, DAYS, strict=True)
    )
    found = parse(text, "ChangeLog")
    assert [(r.version, r.date) for r in found] == list(zip(VERSIONS, DAYS, strict=True))


@pytest.mark.parametrize(
    "line",
    [
        "The bug of 2018-02-01 is gone.",
        "- Python 3.8, which came out on 2019-10-14, is supported by all parts of it.",
        "Reverts what was done in the week of 2019-01-01 to the spout.",
    ],
)
def test_a_date_in_prose_is_not_the_release_s(line: str) -> None:
    """A date is never made up from what a release tells."""
    text = "".join(f"## {version}\n\n{line}\n{BODY}" for version in VERSIONS)
    assert [r.date for r in parse(text)] == [None, None, None]


def test_random_bytes_are_no_changelog() -> None:
    """Even where a version happens to stand in them, and whatever the file's name."""
    noise = bytes(range(256)) * 40
    assert parse(noise + b"\n1.0\n===\n- a\n" + noise, "CHANGELOG") == []
    assert [r.version for r in parse(b"## 1.1\n- caf\xe9\n## 1.0\n- a\0\n")] == ["1.1", "1.0"]
