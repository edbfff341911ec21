"""When a provider may be asked at all: weekly hours of access and of maintenance.

A window is written as people say it: `Mon-Fri 22:00-06:00 Europe/Zurich`, `Sun 02:00-04:00
UTC`, `Mon,Wed 09:00-17:00 America/New_York`, `00:00-05:30 UTC` (every day). It begins on
the named days and may run past midnight. With windows of *access* requests go out in one
of them only; in a window of *maintenance* they never do.

The hours are those of the wall clock in the zone, across its changes. Where a change
makes a time happen twice or not at all, the provider gets the benefit: access begins at
the later and ends at the earlier of the two, maintenance the other way round; a time that
is skipped is the moment of the change.

Pure: the time is an argument, the zones come from the system's or the tzdata package's
database through `zoneinfo`.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from math import inf
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from ventil.errors import SettingError

DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")

_FORM = re.compile(
    r"(?:(?P<days>[A-Za-z]{3}(?:\s*[-,]\s*[A-Za-z]{3})*)\s+)?"
    r"(?P<start>\d{1,2}:\d{2})\s*-\s*(?P<end>\d{1,2}:\d{2})\s+(?P<zone>\S+)"
)
_EXAMPLE = "write it like Mon-Fri 22:00-06:00 Europe/Zurich, or 00:00-05:30 UTC for every day"
_LOOK_AHEAD_DAYS = 15
"""A week repeats; twice that also covers a week in which a change of clocks hides a window."""


@dataclass(frozen=True, slots=True)
class Hours:
    """A weekly window. `days` are those it begins on, 0 is Monday.

    `start_min` and `end_min` are minutes after midnight of the wall clock, `end_min` in
    1..1440; an end at or before the start is on the next day. `text` is as written.
    """

    text: str
    days: frozenset[int]
    start_min: int
    end_min: int
    zone: str

    @classmethod
    def parse(cls, text: str) -> Hours:
        """Read a window. Raises `SettingError` naming the text and what is wrong with it."""
        found = _FORM.fullmatch(text.strip())
        if found is None:
            raise SettingError(f"{text!r} are no weekly hours", hint=_EXAMPLE)
        start, end = _minutes(found["start"], text), _minutes(found["end"], text)
        if start == 1440:
            raise SettingError(f"{text!r}: a window cannot begin at 24:00", hint=_EXAMPLE)
        if start == end:
            raise SettingError(
                f"{text!r}: begins and ends at the same time", hint="00:00-24:00 is a whole day"
            )
        zone = found["zone"]
        try:
            _zone(zone)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise SettingError(
                f"{text!r}: there is no time zone {zone!r}",
                hint="use a name of the IANA database, such as Europe/Zurich or UTC",
            ) from None
        return cls(text.strip(), _days(found["days"], text), start, end or 1440, zone)

    def around(self, moment_s: float, *, shy: bool) -> Iterator[tuple[float, float]]:
        """(start, end) of the windows from the day before to two weeks after, in order.

        `shy`: where the clocks change, the shorter reading (access); else the longer one.
        """
        zone = _zone(self.zone)
        today = dt.datetime.fromtimestamp(moment_s, zone).date()
        for ahead in range(-2, _LOOK_AHEAD_DAYS):
            day = today + dt.timedelta(days=ahead)
            if day.weekday() not in self.days:
                continue
            last = day if self.end_min > self.start_min else day + dt.timedelta(days=1)
            start_s = _instant(day, self.start_min, zone, late=shy)
            end_s = _instant(last, self.end_min, zone, late=not shy)
            if start_s < end_s:
                yield start_s, end_s


@dataclass(frozen=True, slots=True)
class Calendar:
    """The hours of one provider. Without any, it is always open.

    Raises `SettingError` when the two leave no time at all.
    """

    access: tuple[Hours, ...] = ()
    maintenance: tuple[Hours, ...] = ()

    def __post_init__(self) -> None:
        for moment_s in (1_767_225_600.0, 1_782_864_000.0):  # a winter and a summer
            if self.opens(moment_s)[0] == inf:
                raise SettingError(
                    "access and maintenance leave no time to ask: "
                    + ", ".join(hours.text for hours in self.access + self.maintenance),
                    hint="make the maintenance shorter or the access longer",
                )

    @classmethod
    def parse(cls, access: Iterable[str], maintenance: Iterable[str]) -> Calendar:
        """A calendar from windows as written. Raises `SettingError`."""
        return cls(
            tuple(Hours.parse(text) for text in access),
            tuple(Hours.parse(text) for text in maintenance),
        )

    def opens(self, now_s: float) -> tuple[float, str]:
        """The first moment from *now_s* on at which requests may go, and why not before.

        (now_s, "") when they may go now. Infinite when they never may.
        """
        moment_s, why = now_s, ""
        horizon_s = now_s + (_LOOK_AHEAD_DAYS - 2) * 86_400.0
        while moment_s < horizon_s:
            begins_s, hours = self._access_from(moment_s)
            if begins_s > moment_s:
                moment_s = begins_s
                why = why or f"outside the access hours ({hours})"
                continue
            ends_s, hours = self._maintenance_until(moment_s)
            if ends_s <= moment_s:
                return moment_s, why
            moment_s = ends_s
            why = why or f"maintenance ({hours})"
        return inf, why

    def closes(self, now_s: float) -> float:
        """How long it stays open from *now_s* on, when it is open: the moment it closes.

        Infinite without any windows.
        """
        if not self.access and not self.maintenance:
            return inf
        moment_s = now_s
        while self.access:  # windows that touch or overlap go on without a gap
            ends_s = max(
                (
                    end
                    for hours in self.access
                    for start, end in hours.around(moment_s, shy=True)
                    if start <= moment_s < end
                ),
                default=moment_s,
            )
            if ends_s <= moment_s or ends_s > now_s + 8 * 86_400.0:
                break
            moment_s = ends_s
        closes_s = moment_s if self.access else inf
        for hours in self.maintenance:
            for start, _ in hours.around(now_s, shy=False):
                if start > now_s:
                    closes_s = min(closes_s, start)
                    break
        return closes_s

    def ends(self, now_s: float, work_s: float) -> float:
        """When *work_s* seconds of open time, from *now_s* on, will have passed.

        Infinite when there is no such time within a year.
        """
        moment_s, left_s = now_s, work_s
        while moment_s < now_s + 366 * 86_400.0:
            moment_s = self.opens(moment_s)[0]
            closes_s = self.closes(moment_s)
            if closes_s - moment_s >= left_s:
                return moment_s + left_s
            left_s -= closes_s - moment_s
            moment_s = closes_s
        return inf

    def _access_from(self, moment_s: float) -> tuple[float, str]:
        """The start of the next access window that ends after *moment_s*, and all hours."""
        if not self.access:
            return moment_s, ""
        starts = (
            start
            for hours in self.access
            for start, end in hours.around(moment_s, shy=True)
            if end > moment_s
        )
        return min(starts, default=inf), ", ".join(hours.text for hours in self.access)

    def _maintenance_until(self, moment_s: float) -> tuple[float, str]:
        for hours in self.maintenance:
            for start, end in hours.around(moment_s, shy=False):
                if start <= moment_s < end:
                    return end, hours.text
        return moment_s, ""


ALWAYS_OPEN = Calendar()
"""The calendar of a provider without hours."""


@lru_cache(maxsize=64)
def _zone(name: str) -> ZoneInfo:
    return ZoneInfo(name)


def _minutes(text: str, whole: str) -> int:
    hours, minutes = (int(part) for part in text.split(":"))
    if minutes > 59 or hours * 60 + minutes > 1440:
        raise SettingError(f"{whole!r}: {text} is no time of day", hint=_EXAMPLE)
    return hours * 60 + minutes


def _days(text: str | None, whole: str) -> frozenset[int]:
    if text is None:
        return frozenset(range(7))
    days: set[int] = set()
    for part in re.split(r"\s*,\s*", text):
        ends = [_day(name, whole) for name in re.split(r"\s*-\s*", part)]
        if len(ends) > 2:
            raise SettingError(f"{whole!r}: {part!r} are no days", hint=_EXAMPLE)
        first, last = ends[0], ends[-1]
        days.update((first + step) % 7 for step in range((last - first) % 7 + 1))
    return frozenset(days)


def _day(name: str, whole: str) -> int:
    try:
        return DAYS.index(name.capitalize())
    except ValueError:
        raise SettingError(
            f"{whole!r}: {name!r} is no day of the week", hint=f"one of {', '.join(DAYS)}"
        ) from None


def _instant(day: dt.date, minutes: int, zone: ZoneInfo, *, late: bool) -> float:
    """The moment at which the wall clock shows that time; see the module for `late`."""
    if minutes == 1440:
        day, minutes = day + dt.timedelta(days=1), 0
    wall = dt.datetime.combine(day, dt.time(minutes // 60, minutes % 60), zone)
    early, later = wall.replace(fold=0).timestamp(), wall.replace(fold=1).timestamp()
    if early == later:
        return early
    if early < later:  # it happens twice
        return later if late else early
    # It is skipped: `later` is before the change and `early` after it.
    return _change_between(later, early, zone)


def _change_between(low_s: float, high_s: float, zone: ZoneInfo) -> float:
    """The moment within (low_s, high_s] at which the zone's offset changes."""
    before = dt.datetime.fromtimestamp(low_s, zone).utcoffset()
    low, high = int(low_s), int(high_s)
    while high - low > 1:
        middle = (low + high) // 2
        if dt.datetime.fromtimestamp(middle, zone).utcoffset() == before:
            low = middle
        else:
            high = middle
    return float(high)
