"""Which days a job asks about, and whether an answer covers them.

A period is written `last-day`, `last-week`, `last-month`, `YYYY-MM-DD` or `A:B` (both
days included). The named ones float: the provider chooses which days are the last ones it
has, so their answers are held to a length and an age. The others are held to the day.

Providers answer with fewer days than asked without saying so: a range over about 547 days
comes back with its start moved forward and status 200 (npm/registry-issue-archive#206).
So every answer's interval is compared, and one that differs is not believed.
"""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass
from functools import lru_cache

from ventil.core.model import Interval
from ventil.errors import SettingError

NAMED_DAYS = {"last-day": 1, "last-week": 7, "last-month": 30}
"""The named periods and their lengths in days.

Source: npm/registry, docs/download-counts.md, read 2026-11.
"""

EARLIEST = dt.date(2015, 1, 10)
"""The first day that has counts at npm (docs/download-counts.md)."""

STALE_AFTER_DAYS = 3
"""A named period may end this many days before yesterday: batches are sometimes late."""

_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_ONE_DAY = dt.timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Period:
    """The days asked about, as seen on one UTC day.

    `name` is the canonical text (a range of one day is that day). `interval` is what is
    expected back; for a named period that is the days up to yesterday, and `check` allows
    for a late batch. `today` is the UTC day that it was read on.
    """

    name: str
    interval: Interval
    today: dt.date

    @classmethod
    def parse(cls, text: str, *, today: dt.date) -> Period:
        """Read a period as a person writes it, on the UTC day *today*.

        Raises `SettingError` naming the text: unknown word, impossible date, start after
        end, a day before 2015-01-10, or a day that is not over yet.
        """
        text = text.strip()
        if text in NAMED_DAYS:
            return cls(text, _ending_yesterday(text, today), today)
        first, colon, last = text.partition(":")
        start = _date(first, text)
        end = _date(last, text) if colon else start
        if start > end:
            raise SettingError(
                f"period {text!r}: starts after its end",
                hint=f"write the earlier day first: {end}:{start}",
            )
        if start < EARLIEST:
            raise SettingError(f"period {text!r}: there are no counts before {EARLIEST}")
        if end >= today:
            when = "is not over yet" if end == today else "is in the future"
            raise SettingError(
                f"period {text!r}: {end} {when} (UTC)",
                hint=f"the last whole day is {today - _ONE_DAY}",
            )
        return cls(
            str(start) if start == end else f"{start}:{end}", Interval(start, end), today
        )

    @property
    def named(self) -> bool:
        """Whether the provider chooses the days (`last-week`), rather than the text."""
        return self.name in NAMED_DAYS

    def on(self, day: dt.date) -> Period:
        """The same days, for asking on the UTC day *day*.

        For a run that goes on, or is resumed, on a later day: `last-week` means other days
        by then, so its own are asked for by their dates. They have settled meanwhile.
        """
        if day <= self.today:
            return self
        start, end = self.interval.start, self.interval.end
        name = str(start) if start == end else f"{start}:{end}"
        return Period(name, self.interval, day)

    def check(self, returned: Interval) -> str | None:
        """Why an answer about *returned* is not one to this period; None when it is.

        A date or range must come back exactly. A named period must have its length and
        end no later than today and no earlier than 3 days before yesterday. (Not "no
        later than yesterday": a run may pass midnight.)
        """
        asked = self.interval
        if returned.start == asked.start and returned.end == asked.end:
            return None  # nearly always, and a fifth of the time
        return _check(self, returned)

    def __str__(self) -> str:
        return self.name


@lru_cache(maxsize=256)
def _check(period: Period, returned: Interval) -> str | None:
    # Cached because all records of a run come back with the same few intervals.
    asked = period.interval
    if not period.named:
        inside = asked.start <= returned.start and returned.end <= asked.end
        return f"asked for {asked}, got {returned}" + (" (clipped)" if inside else "")
    if returned.days != asked.days:
        return (
            f"asked for {period.name} ({_days(asked.days)}, about {asked}),"
            f" got {returned} ({_days(returned.days)})"
        )
    if returned.end > period.today:
        return f"asked for {period.name} on {period.today}, got {returned} (in the future)"
    if returned.end < period.today - (1 + STALE_AFTER_DAYS) * _ONE_DAY:
        return f"asked for {period.name} ({asked}), got {returned} (stale)"
    return None


def _ending_yesterday(name: str, today: dt.date) -> Interval:
    return Interval(today - NAMED_DAYS[name] * _ONE_DAY, today - _ONE_DAY)


def _days(number: int) -> str:
    return "1 day" if number == 1 else f"{number} days"


def _date(text: str, whole: str) -> dt.date:
    if not _DATE.fullmatch(text):
        raise SettingError(
            f"period {whole!r}: not a period",
            hint="write last-day, last-week, last-month, 2026-11-01 or 2026-11-01:2026-11-07",
        )
    try:
        return dt.date.fromisoformat(text)
    except ValueError:
        raise SettingError(f"period {whole!r}: there is no day {text}") from None
