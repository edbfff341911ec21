"""Quotas and bans as the provider enforces them, and its own count of violations."""

from __future__ import annotations

import asyncio
import email.utils

import pytest

from ventil.sim.npm import Ban, Counting, Delay, Fields, Page, Quota, RetryAfter, Scenario


def limited(limit=3, window_s=10.0, **options) -> Scenario:
    """A scenario of one quota."""
    return Scenario(quotas=(Quota(limit=limit, window_s=window_s, **options),))


async def test_a_sliding_window_forgets_one_arrival_at_a_time(play):
    """Three in any ten seconds; the fourth comes through when the first is ten seconds old."""
    async with play(limited(strict=False)) as bench:
        assert await bench.statuses(1) == [200]
        bench.clock.advance(4)
        assert await bench.statuses(3) == [200, 200, 429]
        bench.clock.advance(5.9)
        assert await bench.statuses(1) == [429]
        bench.clock.advance(0.1)
        assert await bench.statuses(2) == [200, 429]


async def test_a_strict_window_counts_refused_arrivals(play):
    """Who hammers stays out; who waits a whole window gets in."""
    async with play(limited()) as bench:
        assert await bench.statuses(4) == [200, 200, 200, 429]
        for _ in range(5):
            bench.clock.advance(3)
            assert await bench.statuses(1) == [429]
        bench.clock.advance(10)
        assert await bench.statuses(1) == [200]


async def test_a_bucket_pays_out_its_burst_and_then_its_rate(play):
    """Capacity first, then a token every third of the window."""
    scenario = limited(3, 3.0, counting=Counting.BUCKET, burst=5, strict=False)
    async with play(scenario) as bench:
        assert await bench.statuses(6) == [200] * 5 + [429]
        bench.clock.advance(1)
        assert await bench.statuses(2) == [200, 429]
        bench.clock.advance(100)
        assert await bench.statuses(6) == [200] * 5 + [429]


async def test_a_fixed_window_starts_anew_at_its_multiples(play):
    """Two windows' worth may come around a boundary; the auditor still calls it a violation."""
    async with play(limited(counting=Counting.FIXED)) as bench:
        bench.clock.advance(9.5)
        assert await bench.statuses(4) == [200, 200, 200, 429]
        bench.clock.advance(0.5)
        assert await bench.statuses(3) == [200, 200, 200]
        (quota,) = bench.sim.report().quotas
        assert (quota.refused, quota.violations, quota.worst_excess) == (1, 4, 4.0)


async def test_a_plain_429_has_the_text_and_no_retry_after(play):
    """The default is what npm sends since November 2025."""
    async with play(limited(1)) as bench:
        await bench.point("alpha")
        got = await bench.point("alpha")
        assert (got.status, got.body) == (429, b"error code: 1015")
        assert got.headers["Content-Type"].startswith("text/plain")
        assert "Retry-After" not in got.headers


async def test_a_429_may_be_html_or_json(play):
    """The page is chosen by the quota."""
    for page, kind in ((Page.HTML, "text/html"), (Page.JSON, "application/json")):
        async with play(limited(1, page=page)) as bench:
            await bench.point("alpha")
            got = await bench.point("alpha")
            assert got.headers["Content-Type"].startswith(kind)


async def test_retry_after_names_the_time_in_three_ways(play):
    """Seconds rounded up, an HTTP-date not too early, or a zero that means nothing."""
    for how in (RetryAfter.SECONDS, RetryAfter.DATE, RetryAfter.ZERO):
        async with play(limited(1, 10.0, retry_after=how, strict=False)) as bench:
            await bench.point("alpha")
            bench.clock.advance(3.5)
            value = (await bench.point("alpha")).headers["Retry-After"]
            if how is RetryAfter.DATE:
                at_s = email.utils.parsedate_to_datetime(value).timestamp()
                assert at_s - bench.clock.now_s() == pytest.approx(6.5)
            else:
                assert value == ("7" if how is RetryAfter.SECONDS else "0")


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        (
            Fields.IETF,
            {"RateLimit-Policy": '"3per10s";q=3;w=10', "RateLimit": '"3per10s";r=1;t=8'},
        ),
        (
            Fields.IETF_OLD,
            {"RateLimit-Limit": "3", "RateLimit-Remaining": "1", "RateLimit-Reset": "8"},
        ),
        (
            Fields.X_SECONDS,
            {"X-RateLimit-Limit": "3", "X-RateLimit-Remaining": "1", "X-RateLimit-Reset": "8"},
        ),
        (Fields.X_EPOCH, {"X-RateLimit-Remaining": "1", "X-RateLimit-Reset": "1795219210"}),
    ],
)
async def test_rate_limit_fields_come_with_every_answer(play, fields, expected):
    """Limit, rest and reset, in the spelling that the quota declares."""
    async with play(limited(fields=fields)) as bench:
        await bench.point("alpha")
        bench.clock.advance(2)
        got = await bench.point("alpha")
        assert got.status == 200
        assert {name: got.headers[name] for name in expected} == expected


async def test_several_quotas_hold_at_once(play):
    """The first that is exceeded refuses; each has its own count."""
    scenario = Scenario(
        quotas=(Quota(limit=2, window_s=1.0, strict=False), Quota(limit=3, window_s=60.0))
    )
    async with play(scenario) as bench:
        assert await bench.statuses(3) == [200, 200, 429]
        bench.clock.advance(1)
        assert await bench.statuses(1) == [429]
        report = bench.sim.report()
        assert [quota.refused for quota in report.quotas] == [1, 1]
        assert report.violations == 2


async def test_a_quota_may_only_be_audited(play):
    """Not enforced: everything is 200, the violations are counted all the same."""
    async with play(limited(2, enforced=False)) as bench:
        assert await bench.statuses(5) == [200] * 5
        (quota,) = bench.sim.report().quotas
        assert (quota.violations, quota.worst_excess) == (3, 3.0)


async def test_staying_within_the_window_is_no_violation(play):
    """An arrival exactly a window after the oldest is allowed."""
    async with play(limited(1, 2.0)) as bench:
        for _ in range(5):
            assert await bench.statuses(1) == [200]
            bench.clock.advance(2.0)
        assert bench.sim.report().violations == 0


async def test_a_ban_answers_everything_429_until_it_ends(play):
    """It starts with the request too many, ignores pauses, and ends by itself."""
    scenario = Scenario(quotas=(Quota(limit=2, window_s=1.0),), ban=Ban(seconds=100.0))
    async with play(scenario) as bench:
        assert await bench.statuses(3) == [200, 200, 429]
        bench.clock.advance(99)
        assert await bench.statuses(1) == [429]
        bench.clock.advance(1.1)
        assert await bench.statuses(1) == [200]
        report = bench.sim.report()
        assert (report.bans, report.during_ban) == (1, 1)
        assert report.by_behaviour == {"ban": 2}


async def test_each_request_may_extend_the_ban(play):
    """Who keeps asking stays banned."""
    async with play(Scenario(ban=Ban(seconds=10.0, at=2, extends=True))) as bench:
        assert await bench.statuses(2) == [200, 429]
        for _ in range(4):
            bench.clock.advance(9)
            assert await bench.statuses(1) == [429]
        bench.clock.advance(10)
        assert await bench.statuses(1) == [200]


async def test_a_ban_may_come_at_a_request_and_only_once(play):
    """`at` and `times`; it may be HTML and name a time."""
    ban = Ban(seconds=5.0, at=2, times=1, page=Page.HTML, retry_after=RetryAfter.SECONDS)
    async with play(Scenario(ban=ban, quotas=(Quota(limit=4, window_s=60.0),))) as bench:
        assert await bench.statuses(1) == [200]
        got = await bench.point("alpha")
        assert (got.status, got.headers["Retry-After"]) == (429, "5")
        assert got.headers["Content-Type"].startswith("text/html")
        bench.clock.advance(5)
        assert await bench.statuses(3) == [200, 200, 429]
        assert bench.sim.report().bans == 1
        assert bench.sim.report().by_behaviour == {"ban": 1, "quota": 1}


async def test_more_requests_in_flight_than_the_cap_are_refused(play):
    """The cap counts answers under way; the report knows the most there were."""
    scenario = Scenario(max_in_flight=2, in_flight_status=503, behaviours=(Delay(seconds=5.0),))
    async with play(scenario) as bench:
        waiting = [asyncio.create_task(bench.point("alpha")) for _ in range(2)]
        await bench.clock.asleep(2)
        assert (await bench.point("alpha")).status == 503
        bench.clock.advance(5)
        assert [(await task).status for task in waiting] == [200, 200]
        assert bench.sim.report().max_in_flight == 3
