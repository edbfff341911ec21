"""The numbers the simulator serves: real names and counts, exact for one period.

A recorded count covers some days (`window_days`, 7 for a count of a week). The count of
one day is periodic with that length, so that *every* window of that length sums to the
recorded number exactly, wherever it lies and whatever day it is; other spans follow from
the same days. A week has less at its end (weekdays weigh more than Saturday and Sunday).
"""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any

from ventil.errors import SourceError

WINDOW_DAYS = {"last-day": 1, "last-week": 7, "last-month": 30, "last-year": 365}
"""The periods a count may have been recorded for, with their length in days."""

_WEEKDAY_WEIGHTS = (6, 6, 6, 6, 6, 3, 2)  # Monday to Sunday; a shape, not a measurement


def _cumulative(window_days: int) -> tuple[int, ...]:
    weights = _WEEKDAY_WEIGHTS if window_days == 7 else (1,) * window_days
    sums = [0]
    for weight in weights:
        sums.append(sums[-1] + weight)
    return tuple(sums)


@dataclass(frozen=True, slots=True)
class Counts:
    """Downloads by package name, each recorded for a window of `window_days` days."""

    by_name: Mapping[str, int]
    window_days: int = 7
    _sums: tuple[int, ...] = field(init=False, repr=False, compare=False)
    _total: int = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.window_days < 1:
            raise SourceError(f"window_days is {self.window_days}: must be at least 1")
        object.__setattr__(self, "_sums", _cumulative(self.window_days))
        object.__setattr__(self, "_total", sum(self.by_name.values()))

    def between(self, name: str | None, first_day: int, last_day: int) -> int | None:
        """Downloads of *name* from *first_day* to *last_day*, both included.

        Days are proleptic ordinals (`date.toordinal`). None for a name that is not known;
        0 when the span is empty. A *name* of None is the whole registry.
        """
        count = self._total if name is None else self.by_name.get(name)
        if count is None or last_day - first_day + 1 == self.window_days:
            return count
        if last_day < first_day:
            return 0
        phase = zlib.crc32((name or "").encode("utf-8", "surrogatepass"))
        return self._until(count, phase, last_day + 1) - self._until(count, phase, first_day)

    def _until(self, count: int, phase: int, day: int) -> int:
        # The phase spreads small counts over the days: without it every package with one
        # download a week would have had it on the same day.
        sums = self._sums
        whole = sums[-1]
        windows, rest = divmod(day - 1, self.window_days)  # ordinal 1 was a Monday
        return windows * count + (count * sums[rest] + phase % whole) // whole


def sample() -> Counts:
    """The shipped sample: real names and weekly counts (see `sample_catalogue`)."""
    text = resources.files("ventil.sim").joinpath("data/counts.json").read_text("utf-8")
    return from_json(json.loads(text), counts_are=None, place="the shipped sample")


def sample_catalogue() -> Path:
    """The shipped sample catalogue, in the shape of a Construct Hub's `catalog.json`.

    88 entries of 86 real packages; all but one (renamed long ago) have a count in the sample.
    """
    return Path(__file__).parent.parent / "data" / "catalog.json"


def load(path: Path, counts_are: str | None = None) -> Counts:
    """Read counts from *path*: JSON or tab-separated, plain or gzip-compressed.

    JSON is a Construct Hub `stats.json` or an object of name to count; tab-separated
    lines are name and downloads, with an optional header line that names the columns.
    *counts_are* is the period the numbers were recorded for, a key of `WINDOW_DAYS`; None
    means last-week for JSON, last-month for lines (unless their header names a week).
    Raises SourceError naming file and place.
    """
    try:
        data = path.read_bytes()
        if data[:2] == b"\x1f\x8b":
            data = gzip.decompress(data)
        text = data.decode("utf-8-sig")
    except (OSError, EOFError, ValueError, zlib.error) as error:
        raise SourceError(f"{path}: cannot read the counts: {error}") from error
    if text.lstrip()[:1] == "{":
        try:
            value = json.loads(text)
        except ValueError as error:
            raise SourceError(f"{path}: not JSON: {error}") from error
        return from_json(value, counts_are=counts_are, place=str(path))
    return _from_lines(text, counts_are, str(path))


def from_json(value: Any, *, counts_are: str | None, place: str) -> Counts:
    """Counts from a decoded `stats.json`, or an object of name to count.

    The object may also be `{"counts_are": PERIOD, "counts": {NAME: N}}`, as shipped.
    """
    table: Any = value
    if isinstance(value, dict) and isinstance(value.get("packages"), dict):
        try:
            table = {n: entry["downloads"]["npm"] for n, entry in value["packages"].items()}
        except (KeyError, TypeError) as error:
            raise SourceError(f"{place}: not a stats.json: {error!r}") from error
    elif isinstance(value, dict) and isinstance(value.get("counts"), dict):
        table = value["counts"]
        counts_are = counts_are or value.get("counts_are")
    if not isinstance(table, dict):
        raise SourceError(f"{place}: expected an object of name to count")
    return Counts(_checked(table, place), _window_days(counts_are or "last-week", place))


def _from_lines(text: str, counts_are: str | None, place: str) -> Counts:
    table: dict[str, int] = {}
    weekly = False
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        name, _, count = line.partition("\t")
        if number == 1 and not count.strip().isdigit():
            weekly = "week" in count
            continue
        if not count.strip().isdigit():
            raise SourceError(f"{place}:{number}: expected name, a tab and a count")
        table[name] = int(count)
    default = "last-week" if weekly else "last-month"
    return Counts(table, _window_days(counts_are or default, place))


def _checked(table: Mapping[str, Any], place: str) -> dict[str, int]:
    for name, count in table.items():
        if not isinstance(count, int) or isinstance(count, bool) or count < 0:
            raise SourceError(f"{place}: the count of {name!r} is {count!r}: not a number >= 0")
    return dict(table)


def _window_days(counts_are: str, place: str) -> int:
    try:
        return WINDOW_DAYS[counts_are]
    except KeyError:
        raise SourceError(
            f"{place}: counts_are is {counts_are!r}: not one of {', '.join(WINDOW_DAYS)}"
        ) from None
