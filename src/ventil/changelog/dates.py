"""Dates in a heading, in the many ways people write them."""

from __future__ import annotations

import datetime
import re
from dataclasses import dataclass

# Month names in English, German, French, Spanish, Italian, Portuguese, Dutch, Swedish,
# Danish, Norwegian, Finnish, Polish, Czech, Turkish and Russian; the forms that dates use.
_NAMES = """
january jan janu januar jän jänner janvier janv enero ene gennaio gen janeiro januari tammikuuta stycznia sty ledna ocak января янв
february feb febr februar févr février fev febrero febbraio fevereiro februari helmikuuta lutego lut února şubat subat февраля фев febuary februray feburary
march mar mrz märz maerz mars marzo março marco maart marts maaliskuuta marca března mart марта мар
april apr avril avr abril abr aprile huhtikuuta kwietnia kwi dubna nisan апреля апр
may mai mayo maggio mag maio mei maj toukokuuta maja května mayıs мая май
june jun juni juin junio giugno giu junho kesäkuuta czerwca cze června haziran июня июн
july jul juli juillet juil julio luglio lug julho heinäkuuta lipca lip července temmuz июля июл
august aug août aout agosto ago augustus augusti elokuuta sierpnia sie srpna ağustos августа авг
september sep sept septembre septiembre settembre set setembro syyskuuta września wrz září eylül сентября сен setiembre septemeber
october oct okt oktober octobre octubre ottobre ott outubro out lokakuuta października paź října ekim октября окт
november nov novembre noviembre novembro marraskuuta listopada lis listopadu kasım ноября ноя
december dec dez dezember décembre déc decembre diciembre dic dicembre dezembro joulukuuta grudnia gru prosince aralık декабря дек desember des
"""  # noqa: E501
MONTHS: dict[str, int] = {
    name: number
    for number, line in enumerate(_NAMES.strip().splitlines(), start=1)
    for name in line.split()
}
WEEKDAYS = frozenset(
    """mon monday tue tues tuesday wed weds wednesday thu thur thurs thursday fri friday sat
    saturday sun sunday montag dienstag mittwoch donnerstag freitag samstag sonntag""".split()
)

_WORD = r"(?P<{}>[^\W\d_]{{3,14}})"
_YEAR = r"(?P<{}>(?:19|20)\d\d)"
_TIME = r"(?:\d{1,2}:\d\d(?::\d\d)?(?:[ ]?[APap]\.?[Mm]\.?)?(?:[ ](?:[A-Z]{2,5}|[+-]\d{4}))?)"
_ORDINAL = r"(?:st|nd|rd|th|er|ᵗʰ|[.ºª])?"
_PATTERNS = (
    # 2020-01-19, 2020/1/19, with a time or without
    rf"{_YEAR.format('y1')}(?P<s1>[-/‐‑–−])(?P<m1>\d{{1,2}})(?P=s1)(?P<d1>\d{{1,2}})(?!\d)"
    rf"(?:[T ]?{_TIME}(?:[.,]\d{{1,9}})?Z?)?",
    # 13-11-2015, 9.22.2014, 9/22/2014
    rf"(?P<a2>\d{{1,2}})(?P<s2>[-/.])(?P<b2>\d{{1,2}})(?P=s2){_YEAR.format('y2')}(?!\d)",
    # 19 January 2017, 19th of January, 2017, 19-Jan-2017, 19. Januar 2017, 19 de enero de 2017
    rf"(?P<d3>\d{{1,2}}){_ORDINAL}[\s,./-]{{0,3}}(?:(?:of|de|del)\s)?"
    rf"{_WORD.format('m3')}[.]?[\s,./-]{{0,3}}(?:(?:of|de|del)\s)?"
    rf"(?:{_TIME},?\s{{1,2}})?{_YEAR.format('y3')}(?!\d)",
    # January 19th, 2017, Feb.28, 2017, Jan 19 12:30:00 UTC 2017
    rf"{_WORD.format('m4')}[\s.,-]{{0,3}}(?:the\s)?(?P<d4>\d{{1,2}}){_ORDINAL}[\s.,/-]{{1,4}}"
    rf"(?:{_TIME}\s{{1,2}})?{_YEAR.format('y4')}(?!\d)",
    # 2017 Jan 19, 2017-Jan-19, 2017, January 19
    rf"{_YEAR.format('y5')}[\s,./-]{{1,3}}{_WORD.format('m5')}[.]?[\s,./-]{{1,3}}"
    rf"(?P<d5>\d{{1,2}}){_ORDINAL}(?!\d)",
    # 2017年1月19日, 2017년 1월 19일
    rf"{_YEAR.format('y6')}\s?[年년]\s?(?P<m6>\d{{1,2}})\s?[月월]\s?(?P<d6>\d{{1,2}})\s?[日일]?",
    # 9/22/14
    r"(?P<a7>\d{1,2})/(?P<b7>\d{1,2})/(?P<y7>\d\d)(?!\d)",
    # Only beside a version: 2017.1.19, 20170119. They may be versions themselves.
    rf"{_YEAR.format('y8')}\.(?P<m8>\d{{1,2}})\.(?P<d8>\d{{1,2}})(?![\d.])",
    rf"{_YEAR.format('y9')}(?P<m9>0[1-9]|1[0-2])(?P<d9>[0-2]\d|3[01])(?!\d)",
)
# What stands before must be no part of a longer number, version or word. A "T" or "-" may.
_EDGE = r"(?<![\w.+~])"
_DATE = re.compile(
    _EDGE + "(?:" + "|".join(f"(?P<k{n}>{p})" for n, p in enumerate(_PATTERNS, 1)) + ")"
)
_HINT = re.compile(r"(?:19|20)\d\d|\d/\d{1,2}/\d\d")


@dataclass(frozen=True, slots=True)
class Found:
    """A date at `start`..`end` of a line.

    `other` is the second reading of 3-4-2015, None when there is just one. `separator` is
    the one between such numbers. `doubtful` dates (2017.1.19, 20170119) could as well be
    versions.
    """

    start: int
    end: int
    date: datetime.date
    other: datetime.date | None = None
    separator: str = ""
    day_first: bool | None = None
    doubtful: bool = False


def _date(year: int, month: int, day: int) -> datetime.date | None:
    try:
        return datetime.date(year, month, day)
    except ValueError:
        return None


def _read(match: re.Match[str]) -> Found | None:
    kind = match.lastgroup or ""
    start, end = match.span()
    group = match.group
    if kind in {"k2", "k7"}:
        n = kind[1]
        first, second, year = int(group(f"a{n}")), int(group(f"b{n}")), int(group(f"y{n}"))
        if kind == "k7":
            year += 2000 if year < 70 else 1900
        separator = group("s2") if kind == "k2" else "/"
        day_first, month_first = _date(year, second, first), _date(year, first, second)
        if day_first is None or month_first is None or day_first == month_first:
            date = day_first or month_first
            return Found(start, end, date, None, separator, first > 12) if date else None
        # 3/4/2015 is more often American, 3.4.2015 and 3-4-2015 are more often not.
        if separator == "/":
            return Found(start, end, month_first, day_first, separator, False)
        return Found(start, end, day_first, month_first, separator, True)
    n = kind[1]
    year, day = int(group(f"y{n}")), int(group(f"d{n}"))
    written = group(f"m{n}")
    month = int(written) if written.isdecimal() else MONTHS.get(written.lower(), 0)
    date = _date(year, month, day)
    if date is None and kind == "k1":
        date = _date(year, day, month)  # 2015-31-12
    if date is None:
        return None
    return Found(start, end, date, doubtful=kind in {"k8", "k9"})


def find_dates(line: str) -> list[Found]:
    """The dates in `line`, which should be short, from left to right."""
    found: list[Found] = []
    if not _HINT.search(line):
        return found
    position = 0
    while match := _DATE.search(line, position):
        read = _read(match)
        if read is None:
            position = match.start() + 1
        else:
            found.append(read)
            position = read.end
    return found
