"""The words of the design as values: status, interval, period, sample.

Everything here is frozen and holds no behaviour beyond its own meaning. Dates are UTC
days; times are seconds since the epoch, UTC, as floats (`*_s`).

What is made for every record or request is frozen by the type checker alone (`Final`): a
frozen dataclass takes five times as long to make.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Status(StrEnum):
    """What is known of one record in one period.

    `OK` and `UNKNOWN` settle the record; the others are asked again by the next run,
    resume or replay. `CARRIED` is never stored as the outcome of a fetch: it is what the
    fold makes of a failed or suspect record that has a last good value.
    """

    OK = "ok"
    UNKNOWN = "unknown"
    SUSPECT = "suspect"
    FAILED = "failed"
    CARRIED = "carried"

    @property
    def settles(self) -> bool:
        """Whether the record is not asked again in the same period."""
        return self is Status.OK or self is Status.UNKNOWN


@dataclass(frozen=True, slots=True)
class Interval:
    """Whole UTC days from `start` to `end`, both included."""

    start: dt.date
    end: dt.date

    @property
    def days(self) -> int:
        """Number of days covered; 1 when start and end are the same day."""
        return (self.end - self.start).days + 1

    def __str__(self) -> str:
        return f"{self.start}:{self.end}"


@dataclass(frozen=True, slots=True)
class Kept:
    """What is kept of a record beyond its number, until something newer takes its place.

    `name` is its key in the job's series, which need not be the record's: several versions
    of one package share theirs. `body` is what is published; None leaves it as it was.
    `memory` is what the recipe wants to know the next time; None leaves it as it was.
    `at_s` is when either was stored last; 0.0 before it is.
    """

    name: str
    body: bytes | None = None
    memory: bytes | None = None
    at_s: float = 0.0


@dataclass(slots=True, unsafe_hash=True)
class Sample:
    """One record's answer.

    `value` is None unless the status is `OK` or `SUSPECT` (then it is the number that is
    not believed yet, kept for people, never published). `interval` is the one that the
    provider returned, None when it returned none. `detail` says why, in words for a
    person, for every status but `OK`. `kept` is stored in the same transaction.
    """

    key: Final[str]
    status: Final[Status]
    value: Final[int | None] = None
    interval: Final[Interval | None] = None
    detail: Final[str] = ""
    kept: Final[Kept | None] = None


@dataclass(slots=True, unsafe_hash=True)
class Good:
    """The last good value of a record: a number, the days it covers, when it was fetched."""

    value: Final[int]
    interval: Final[Interval | None]
    fetched_at_s: Final[float]
