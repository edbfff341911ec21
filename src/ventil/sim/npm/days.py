"""Periods of the downloads API, resolved against the server's own day.

https://github.com/npm/registry/blob/master/docs/download-counts.md (read 2026-11-21):
`last-day`, `last-week`, `last-month` and `last-year` are the last 1, 7, 30 and 365
*available* days; a date is that day; `A:B` both included; nothing before 2015-01-10.
"""

from __future__ import annotations

import datetime as dt
import functools
import re
from dataclasses import dataclass

from ventil.sim.npm.counts import WINDOW_DAYS

FLOOR = dt.date(2015, 1, 10).toordinal()
"""The first day with data."""

MAX_DAYS_SINGLE = 547
"""A longer range of one package is clipped silently; observed, npm says 18 months."""

MAX_DAYS_BULK = 365

_DATE = re.compile(r"\d{4}-\d{2}-\d{2}\Z")


class BadPeriod(Exception):
    """A period npm would not take; the message is the `error` of the 400 answer."""


@dataclass(frozen=True, slots=True)
class Span:
    """Days from `first` to `last`, both included, as ordinals."""

    first: int
    last: int

    @property
    def days(self) -> int:
        """Number of days; at least 1."""
        return self.last - self.first + 1


@functools.lru_cache(maxsize=8192)
def iso(day: int) -> str:
    """The ordinal *day* as YYYY-MM-DD."""
    return dt.date.fromordinal(day).isoformat()


def resolve(period: str, last_available: int) -> Span:
    """The span that *period* means when *last_available* is the newest day with data.

    Raises BadPeriod. The texts of these errors are this simulator's own; npm's were not
    found recorded.
    """
    days = WINDOW_DAYS.get(period)
    if days is not None:
        return Span(last_available - days + 1, last_available)
    first, colon, last = period.partition(":")
    start = _ordinal(first)
    end = _ordinal(last) if colon else start
    if end < start:
        raise BadPeriod("end date > start date")
    if end < FLOOR:
        raise BadPeriod("no data before 2015-01-10")
    return Span(max(start, FLOOR), end)


def _ordinal(text: str) -> int:
    if not _DATE.match(text):
        raise BadPeriod(f"invalid period {text!r}")
    try:
        return dt.date.fromisoformat(text).toordinal()
    except ValueError:
        raise BadPeriod(f"invalid date {text!r}") from None
