"""From samples to what is published, and how it is counted.

Three laws. A missing answer never becomes a zero. A failure never wipes a good value. And
counting does not depend on the order in which records arrive.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Final

from ventil.core.model import Good, Interval, Sample, Status

NOT_FETCHED = "not fetched yet"


def settle(old: Sample | None, new: Sample) -> Sample:
    """Which of two samples of one record and period stands; *new* came later.

    One that settles the record is never replaced by one that does not. Otherwise the later
    one stands, so a refresh replaces a settled answer by a new settled one.
    """
    if old is not None and old.status.settles and not new.status.settles:
        return old
    return new


@dataclass(slots=True, unsafe_hash=True)
class Published:
    """One record as the artefact and its report have it.

    `value` is None when no number is published. `interval` holds the days it covers, None
    when the provider did not say. `as_of_s` is when a carried value was fetched (seconds
    since the epoch), None unless carried. `detail` says why, for every status but `OK`.
    """

    key: Final[str]
    status: Final[Status]
    value: Final[int | None] = None
    interval: Final[Interval | None] = None
    as_of_s: Final[float | None] = None
    detail: Final[str] = ""


def publish(key: str, sample: Sample | None, good: Good | None) -> Published:
    """What is published of a record, given this period's sample and the last good value.

    *sample* is None for a record that was not fetched. `UNKNOWN` publishes nothing even
    where there is a last good value: the provider says that there is no such record.
    """
    if sample is not None:
        if sample.status is Status.OK and sample.value is not None:
            return Published(key, Status.OK, sample.value, sample.interval)
        if sample.status is Status.UNKNOWN:
            return Published(key, Status.UNKNOWN, detail=sample.detail)
    detail = NOT_FETCHED if sample is None else sample.detail
    if good is not None:
        return Published(
            key, Status.CARRIED, good.value, good.interval, good.fetched_at_s, detail
        )
    if sample is not None and sample.status is Status.SUSPECT:
        return Published(key, Status.SUSPECT, detail=detail)
    return Published(key, Status.FAILED, detail=detail)


@dataclass(frozen=True, slots=True)
class Counts:
    """How many records ended in which status; one status each, so they add up to `records`.

    `settled_before` counts those among them that an earlier run of the period had settled.
    """

    records: int = 0
    ok: int = 0
    unknown: int = 0
    suspect: int = 0
    failed: int = 0
    carried: int = 0
    settled_before: int = 0

    def __add__(self, other: Counts) -> Counts:
        return Counts(
            *(getattr(self, field.name) + getattr(other, field.name) for field in fields(self))
        )

    @property
    def missed(self) -> int:
        """Records without an answer of this period: suspect, failed and carried ones."""
        return self.suspect + self.failed + self.carried


def count(published: Iterable[Published], *, settled_before: int = 0) -> Counts:
    """Count what is published, in any order."""
    return counted(Counter(one.status for one in published), settled_before=settled_before)


def counted(statuses: Mapping[Status, int], *, settled_before: int = 0) -> Counts:
    """The counts of records that are counted by status already."""
    return Counts(
        records=sum(statuses.values()),
        settled_before=settled_before,
        **{status.value: number for status, number in statuses.items()},
    )
