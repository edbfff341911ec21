"""The governor keeps the provider's hours."""

from __future__ import annotations

import datetime as dt

from ventil.core.calendar import Calendar
from ventil.core.exchange import Outcome, Verdict
from ventil.core.governor import Governor, Permit, Policy, Reason, Wait

NOON = dt.datetime(2026, 11, 20, 12, tzinfo=dt.UTC).timestamp()
HOUR = 3600.0
NIGHTS = Calendar.parse(["22:00-23:00 UTC"], [])


def test_outside_its_hours_a_request_waits_until_they_begin() -> None:
    """With the moment, the reason and words for a person."""
    governor = Governor(Policy(calendar=NIGHTS), NOON)
    wait = governor.admit(NOON)
    assert wait == Wait(
        NOON + 10 * HOUR,
        Reason.CALENDAR,
        "outside the access hours (22:00-23:00 UTC) until 22:00 UTC",
    )
    assert governor.condition(NOON).words == wait.detail


def test_within_its_hours_requests_go_and_at_their_end_they_stop() -> None:
    """A request under way at the end may finish; no other begins."""
    governor = Governor(Policy(calendar=NIGHTS), NOON)
    late = NOON + 11 * HOUR - 1
    permit = governor.admit(late)
    assert isinstance(permit, Permit)
    wait = governor.admit(late + 1)
    assert isinstance(wait, Wait)
    assert wait.until_s == NOON + 34 * HOUR
    governor.settle(permit, late + 2, Outcome(Verdict.LIVE))
    assert isinstance(governor.admit(NOON + 34 * HOUR), Permit)
