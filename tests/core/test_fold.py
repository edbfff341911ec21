"""The fold: what is published of a record, and how records are counted."""

import datetime as dt

import pytest

from ventil.core.fold import NOT_FETCHED, Counts, Published, count, publish, settle
from ventil.core.model import Good, Interval, Sample, Status

WEEK = Interval(dt.date(2026, 11, 14), dt.date(2026, 11, 20))
BEFORE = Interval(dt.date(2026, 11, 13), dt.date(2026, 11, 19))
GOOD = Good(41, BEFORE, 1_795_000_000.0)
OK = Sample("a", Status.OK, 42, WEEK)
UNKNOWN = Sample("a", Status.UNKNOWN, detail="no such package")
SUSPECT = Sample("a", Status.SUSPECT, 0, WEEK, "zero")
FAILED = Sample("a", Status.FAILED, detail="timeout")


@pytest.mark.parametrize("settled", [OK, UNKNOWN])
@pytest.mark.parametrize("unsettled", [SUSPECT, FAILED])
def test_a_settled_sample_is_not_replaced_by_one_that_is_not(
    settled: Sample, unsettled: Sample
) -> None:
    """A late failure does not undo an answer; an answer does replace a failure."""
    assert settle(settled, unsettled) is settled
    assert settle(unsettled, settled) is settled


def test_a_refresh_replaces_a_settled_sample_by_the_new_one() -> None:
    """Of two answers, or two failures, the later stands."""
    newer = Sample("a", Status.OK, 43, WEEK)
    assert settle(OK, newer) is newer
    assert settle(SUSPECT, FAILED) is FAILED
    assert settle(None, FAILED) is FAILED


@pytest.mark.parametrize("good", [None, GOOD])
def test_an_answer_is_published_whatever_was_before(good: Good | None) -> None:
    """A number with its days; nothing for a record that is not there."""
    assert publish("a", OK, good) == Published("a", Status.OK, 42, WEEK)
    assert publish("a", UNKNOWN, good) == Published(
        "a", Status.UNKNOWN, detail="no such package"
    )


@pytest.mark.parametrize(
    ("sample", "detail"), [(SUSPECT, "zero"), (FAILED, "timeout"), (None, NOT_FETCHED)]
)
def test_without_an_answer_the_last_good_value_is_carried(
    sample: Sample | None, detail: str
) -> None:
    """With the days it covers, its age, and why there is no newer one."""
    assert publish("a", sample, GOOD) == Published(
        "a", Status.CARRIED, 41, BEFORE, 1_795_000_000.0, detail
    )


@pytest.mark.parametrize(
    ("sample", "status"),
    [(SUSPECT, Status.SUSPECT), (FAILED, Status.FAILED), (None, Status.FAILED)],
)
def test_without_answer_and_last_value_nothing_is_published(
    sample: Sample | None, status: Status
) -> None:
    """A missing answer is no zero, and a doubted number is not published either."""
    published = publish("a", sample, None)
    assert (published.status, published.value) == (status, None)
    assert published.detail


def test_counts_add_up_to_the_records() -> None:
    """Each record has one status; those of an earlier run are counted beside."""
    samples = [OK, UNKNOWN, SUSPECT, FAILED, None]
    counts = count((publish("a", sample, None) for sample in samples), settled_before=1)
    assert counts == Counts(5, ok=1, unknown=1, suspect=1, failed=2, settled_before=1)
    assert counts.missed == 3
    carried = count([publish("a", FAILED, GOOD)])
    assert carried == Counts(1, carried=1)
    assert counts + carried == Counts(
        6, ok=1, unknown=1, suspect=1, failed=2, carried=1, settled_before=1
    )
