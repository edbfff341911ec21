"""One ban must be enough, where a ban costs a quarter of an hour or more."""

from __future__ import annotations

import pytest

from ventil.core.governor import Policy, Quota
from ventil.core.snapshot import GovernorState
from ventil.sim.lab import banned
from ventil.sim.npm import Counting

DAY_S = 86_400.0


def loose(case: banned.Case, in_flight: int = 10) -> Policy:
    """A user who states more than is allowed, and how long a ban lasts."""
    return Policy(
        quotas=(Quota(3, 1),),
        max_in_flight=in_flight,
        cooldown_s=case.ban_s,
        timeout_s=30.0,
    )


@pytest.mark.parametrize("in_flight", [1, 10])
@pytest.mark.parametrize("seed", range(8))
def test_one_ban_teaches_the_limit(seed: int, in_flight: int) -> None:
    """One ban in a run, then 97 % of the hidden pace and more; none on the next day."""
    case = banned.case(seed)
    first = banned.run(case, loose(case, in_flight))
    assert first.bans == 1
    assert first.pace >= 0.97
    state = GovernorState.from_json(first.state.to_json())
    second = banned.run(case, loose(case, in_flight), state=state, start_s=DAY_S)
    assert second.bans == 0
    assert second.pace >= 0.97


@pytest.mark.parametrize("seed", range(4))
def test_one_short_ban_teaches_the_limit(seed: int) -> None:
    """All times a sixtieth: a window of a second, a ban of 15 to 60 s."""
    slow = banned.case(seed)
    case = banned.Case(seed, slow.limit, 1.0, slow.ban_s / 60, 1_340, latency_s=0.005)
    policy = Policy(quotas=(Quota(180, 1),), max_in_flight=10, cooldown_s=case.ban_s)
    found = banned.run(case, policy)
    assert found.bans == 1
    assert found.pace >= 0.97


def test_a_minutes_quota_and_a_pause_of_a_minute() -> None:
    """What looks like a limit per second is a minute's: the quota learner takes over."""
    case = banned.Case(7, 60, 60.0, 30.0, 600)
    policy = Policy(max_in_flight=10, cooldown_s=60.0)
    found = banned.run(case, policy)
    assert found.state.caution is None
    assert found.elapsed_s < 1000


@pytest.mark.parametrize("seed", range(4))
def test_a_shipped_limit_that_is_too_high_by_now(seed: int) -> None:
    """At one request in flight and 0.45/s, a limit of 0.3 to 0.44/s costs one ban."""
    case = banned.Case(seed, 18 + 2 * seed, 60.0, 3600.0, 600)
    policy = Policy(quotas=(Quota(0.45, 1),), max_in_flight=1, cooldown_s=3600.0)
    found = banned.run(case, policy)
    assert found.bans == 1
    assert found.pace >= 0.97


def test_a_limit_that_fell_is_halved() -> None:
    """Who kept a lesson and is banned again asks half as fast from then on."""
    case = banned.Case(1, 60, 60.0, 900.0, 300)
    first = banned.run(case, loose(case))
    fallen = banned.Case(1, 40, 60.0, 900.0, 600)
    second = banned.run(fallen, loose(case), state=first.state, start_s=DAY_S)
    assert second.bans == 1
    assert second.state.caution is not None
    assert second.state.caution.limit == pytest.approx(30.0, abs=1.0)


def test_a_window_that_is_longer_is_found_by_halving() -> None:
    """A limit an hour long is no minute's: the lessons shrink, and the bans end."""
    case = banned.Case(2, 1200, 3600.0, 900.0, 2_400)
    found = banned.run(case, loose(case))
    assert found.bans <= 10


@pytest.mark.parametrize(
    ("limit", "window_s", "most_bans"), [(1, 1.0, 8), (1, 2.0, 8), (5, 10.0, 2), (8, 10.0, 2)]
)
def test_a_handful_is_a_doubtful_lesson(limit: int, window_s: float, most_bans: int) -> None:
    """A short window costs more bans than one, but the job ends within hours.

    One request a second at most is the hardest: uneven ways break it now and then.
    """
    case = banned.Case(3, limit, window_s, 900.0, 1_340)
    found = banned.run(case, loose(case))
    assert found.bans <= most_bans
    assert found.elapsed_s < 4 * 3600


def test_a_small_bucket_costs_a_second_ban() -> None:
    """What a handful let through leaves in doubt is raised until a second ban tells."""
    case = banned.Case(8, 60, 60.0, 900.0, 1_340, counting=Counting.BUCKET, burst=5)
    found = banned.run(case, loose(case))
    assert found.bans == 2
    assert found.pace >= 0.85
    assert found.elapsed_s < 2 * 3600


def test_banned_before_anything_was_sent() -> None:
    """A ban that was there before us says nothing of our pace."""
    case = banned.Case(4, 100_000, 60.0, 900.0, 50, ban_at=1)
    found = banned.run(case, loose(case))
    assert found.bans == 1
    assert found.state.caution is None


def test_no_lesson_where_a_throttle_is_cheap() -> None:
    """A cooldown of seconds is for the quota learner; this one stays out of it."""
    case = banned.Case(5, 60, 60.0, 10.0, 200)
    found = banned.run(case, loose(case))
    assert found.state.caution is None


def test_a_bucket_costs_one_ban_more() -> None:
    """What a full bucket gives at first looks like a higher limit: two bans at most."""
    case = banned.Case(6, 60, 60.0, 900.0, 1_340, counting=Counting.BUCKET)
    assert banned.run(case, loose(case)).bans <= 2
