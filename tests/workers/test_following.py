"""What a follower makes of a provider that is asked by workers: how long it is waited for."""

from __future__ import annotations

import pytest

from ventil.core.calendar import Calendar
from ventil.core.exchange import Outcome, Verdict
from ventil.core.governor import Governor, Permit, Policy, Quota
from ventil.wiring.shared import _waits, together

NOON_S = 1_795_262_400.0  # a Saturday


def asked(governor: Governor, now_s: float, outcome: Outcome) -> None:
    """One request, answered at once."""
    permit = governor.admit(now_s)
    assert isinstance(permit, Permit)
    governor.settle(permit, now_s, outcome)


def test_nothing_to_wait_for() -> None:
    """The next request may go."""
    assert _waits(Governor(Policy(), NOON_S), NOON_S) is None


def test_a_cooldown_names_its_time() -> None:
    """As the provider said."""
    governor = Governor(Policy(), NOON_S)
    asked(governor, NOON_S, Outcome(Verdict.THROTTLED, retry_after_s=900.0, detail="429"))
    waits = _waits(governor, NOON_S + 1)
    assert waits is not None
    assert waits.until_s == pytest.approx(NOON_S + 900, abs=100)
    assert not waits.outage


def test_a_quota_names_its_time() -> None:
    """When the window has room again."""
    governor = Governor(Policy(quotas=(Quota.parse("1/h"),)), NOON_S)
    asked(governor, NOON_S, Outcome(Verdict.LIVE))
    waits = _waits(governor, NOON_S + 60)
    assert waits is not None
    assert waits.until_s == pytest.approx(NOON_S + 3600, abs=60)


def test_an_outage_names_none() -> None:
    """It ends when it ends."""
    governor = Governor(Policy(max_in_flight=1), NOON_S)
    now_s = NOON_S
    while governor.condition(now_s).breaker == "closed":
        permit = governor.admit(now_s)
        if isinstance(permit, Permit):
            governor.settle(permit, now_s, Outcome(Verdict.OVERLOADED, detail="503"))
        now_s += 1.0
        assert now_s < NOON_S + 3600
    waits = _waits(governor, now_s)
    assert waits is not None
    assert (waits.until_s, waits.outage) == (None, True)


def test_the_users_own_hours_are_waited_for() -> None:
    """However far they are: no time is told, and it is no outage."""
    calendar = Calendar.parse(("Mon-Fri 22:00-06:00 UTC",), ())
    governor = Governor(Policy(calendar=calendar), NOON_S)
    waits = _waits(governor, NOON_S)
    assert waits is not None
    assert (waits.until_s, waits.outage) == (None, False)


def test_the_tallies_of_workers_add_up() -> None:
    """Requests and waits, of all together and of each provider."""

    def part(sent: int, waited_s: float) -> dict[str, object]:
        requests = {"sent": sent, "ok": sent, "throttled": 0, "failed": 0}
        tally = {"requests": requests, "waits_s": {"quota": waited_s}}
        return {**tally, "providers": {"p": tally}}

    total = together([part(3, 1.5), part(4, 0.5)])
    assert total["requests"]["sent"] == total["providers"]["p"]["requests"]["sent"] == 7
    assert total["waits_s"] == {"quota": 2.0}
    assert together([])["requests"]["sent"] == 0
