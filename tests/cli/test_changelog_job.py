"""Periods of the changelog job, and what is published of a package."""

from __future__ import annotations

import datetime as dt

import pytest

from ventil.changelog.document import Document, PackageId, ReleaseEntry, encode
from ventil.core.model import Kept, Sample, Status
from ventil.errors import SettingError
from ventil.wiring.changelogs import period_of
from ventil.wiring.site import fold

KEY = "pkg:npm/pot@2.0.0"
SATURDAY = dt.date(2026, 11, 21)
KEPT = Kept(
    "pkg:npm/pot",
    encode(
        Document(
            package=PackageId(purl="pkg:npm/pot", ecosystem="npm", name="pot"),
            status="found",
            releases=(ReleaseEntry(version="1.0.0", normalised="1.0.0"),),
        )
    ),
    b"{}",
    1_795_219_200.0,
)


@pytest.mark.parametrize(
    ("name", "today", "start", "end"),
    [
        ("day", SATURDAY, SATURDAY, SATURDAY),
        ("week", SATURDAY, dt.date(2026, 11, 16), dt.date(2026, 11, 22)),
        ("week", dt.date(2027, 1, 1), dt.date(2026, 12, 28), dt.date(2027, 1, 3)),
        ("month", SATURDAY, dt.date(2026, 11, 1), dt.date(2026, 11, 30)),
        ("month", dt.date(2024, 2, 29), dt.date(2024, 2, 1), dt.date(2024, 2, 29)),
    ],
)
def test_a_period_is_named_by_its_first_day(
    name: str, today: dt.date, start: dt.date, end: dt.date
) -> None:
    """All its days settle the same."""
    period = period_of(name, today)
    assert (period.today, period.interval.start, period.interval.end) == (start, start, end)


def test_an_unknown_period_is_named() -> None:
    """With those that are known."""
    with pytest.raises(SettingError, match="--period 'last-week'") as error:
        period_of("last-week", SATURDAY)
    assert error.value.hint == "one of day, week, month"


def test_what_settled_is_published_as_it_is() -> None:
    """With the time of the last look."""
    one = fold(KEY, Sample(KEY, Status.OK, 1), KEPT)
    assert (one.record.status, one.record.value, one.document.status) == (Status.OK, 1, "found")
    assert one.document.fetched_at == dt.datetime(2026, 11, 21, tzinfo=dt.UTC)


@pytest.mark.parametrize(
    ("sample", "why"),
    [(None, "not fetched yet"), (Sample(KEY, Status.FAILED, detail="502"), "502")],
)
def test_what_failed_is_carried(sample: Sample | None, why: str) -> None:
    """The earlier document, with its age and the reason."""
    one = fold(KEY, sample, KEPT)
    assert (one.record.status, one.record.as_of_s) == (Status.CARRIED, KEPT.at_s)
    assert (one.document.status, one.document.why) == ("carried", why)
    assert len(one.document.releases) == 1


def test_what_failed_and_was_never_there() -> None:
    """A document that says so, and no more."""
    one = fold(KEY, Sample(KEY, Status.FAILED, detail="502"), None)
    assert (one.record.status, one.record.detail) == (Status.FAILED, "502")
    assert (one.document.status, one.document.package.name) == ("failed", "pot")
