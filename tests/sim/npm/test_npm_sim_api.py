"""The simulated API without faults: shapes, periods, counts, errors."""

from __future__ import annotations

import datetime as dt

import pytest

SCOPED_IN_BULK = "scoped packages are not currently supported in bulk lookups"


async def test_a_recorded_count_comes_back_exactly(play):
    """`point/last-week` gives the recorded weekly number and the seven days up to yesterday."""
    async with play() as bench:
        got = await bench.point("alpha")
        assert (got.status, got.json) == (
            200,
            {
                "downloads": 700,
                "start": "2026-11-14",
                "end": "2026-11-20",
                "package": "alpha",
            },
        )
        assert got.headers["Content-Type"] == "application/json; charset=utf-8"


async def test_the_days_of_a_range_sum_to_the_recorded_count(play):
    """A week's days sum to exactly the recorded number, small numbers included."""
    async with play() as bench:
        for name, count in (("alpha", 700), ("beta", 3), ("@s/one", 12_345), ("gamma", 0)):
            body = (await bench.get(f"/downloads/range/last-week/{name}")).json
            assert [d["day"] for d in body["downloads"]] == [
                f"2026-11-{day}" for day in range(14, 21)
            ]
            assert sum(d["downloads"] for d in body["downloads"]) == count
            assert body["package"] == name


@pytest.mark.parametrize(("counts_are", "days"), [("last-month", 30), ("last-day", 1)])
async def test_counts_recorded_for_another_period_are_exact_there(play, counts_are, days):
    """A monthly count is what `last-month` gives, and any 30 days."""
    async with play(counts_are=counts_are) as bench:
        assert (await bench.point("delta", counts_are)).json["downloads"] == 1_000_000
        start = dt.date(2026, 3, 3)
        period = f"{start}:{start + dt.timedelta(days=days - 1)}"
        assert (await bench.point("delta", period)).json["downloads"] == 1_000_000


async def test_other_periods_scale_and_agree_with_their_days(play):
    """`point` of any span is the sum of the days that `range` gives for it."""
    async with play() as bench:
        for period in (
            "last-day",
            "last-month",
            "last-year",
            "2026-01-05",
            "2026-02-01:2026-03-17",
        ):
            point = (await bench.point("delta", period)).json
            days = (await bench.get(f"/downloads/range/{period}/delta")).json["downloads"]
            assert point["downloads"] == sum(d["downloads"] for d in days)
        month = (await bench.point("delta", "last-month")).json["downloads"]
        assert 4_000_000 < month < 4_600_000


async def test_bulk_is_keyed_and_null_for_the_unknown(play):
    """A comma list is answered 200 with an entry a name, null for an unknown one."""
    async with play() as bench:
        got = await bench.point("alpha,nobody,beta")
        assert got.status == 200
        assert list(got.json) == ["alpha", "nobody", "beta"]
        assert got.json["nobody"] is None
        assert got.json["beta"]["downloads"] == 3
        assert got.json["beta"]["package"] == "beta"
        assert (await bench.point("nobody,noone")).json == {"nobody": None, "noone": None}


async def test_a_trailing_comma_forces_the_keyed_shape(play):
    """`alpha,` is a bulk of one."""
    async with play() as bench:
        assert list((await bench.point("alpha,")).json) == ["alpha"]
        assert list((await bench.point(",alpha")).json) == ["", "alpha"]


async def test_bulk_ranges_have_days(play):
    """The entries of a bulk range are those of single ones."""
    async with play() as bench:
        bulk = (await bench.get("/downloads/range/last-week/alpha,beta")).json
        single = (await bench.get("/downloads/range/last-week/alpha")).json
        assert bulk["alpha"] == single


async def test_an_unknown_single_name_is_a_404_with_json(play):
    """The text names the package."""
    async with play() as bench:
        got = await bench.point("nobody")
        assert (got.status, got.json) == (404, {"error": "package nobody not found"})


async def test_a_scoped_name_spoils_a_whole_bulk(play):
    """One scoped name in a comma list makes it a 400, a bulk of one scoped name too."""
    async with play() as bench:
        for names in ("alpha,@s/one", "@s/one,"):
            got = await bench.point(names)
            assert (got.status, got.json) == (400, {"error": SCOPED_IN_BULK})


async def test_a_scoped_name_may_be_encoded(play):
    """`@s/one`, `@s%2Fone` and `%40s%2Fone` are the same."""
    async with play() as bench:
        for name in ("@s/one", "@s%2Fone", "%40s%2fone"):
            assert (await bench.point(name)).json["downloads"] == 12_345


async def test_bulk_takes_128_names(play):
    """128 are answered, 129 are a 400."""
    async with play() as bench:
        names = [f"n{i}" for i in range(129)]
        assert (await bench.point(",".join(names[:128]))).status == 200
        assert (await bench.point(",".join(names))).status == 400


async def test_bulk_takes_365_days(play):
    """A longer range is refused with the observed text."""
    async with play() as bench:
        assert (await bench.point("alpha,beta", "2025-01-01:2025-12-31")).status == 200
        got = await bench.point("alpha,beta", "2025-01-01:2026-01-01")
        assert got.json == {"error": "exceeded max days of 365 for bulk query"}
        assert got.status == 400


async def test_a_long_single_range_is_clipped_silently(play):
    """Over 547 days the start moves forward and the answer is 200."""
    async with play() as bench:
        got = (await bench.get("/downloads/range/2024-01-01:2026-01-01/alpha")).json
        assert (got["start"], got["end"]) == ("2024-07-04", "2026-01-01")
        assert len(got["downloads"]) == 547


async def test_nothing_before_the_floor(play):
    """Data starts on 2015-01-10."""
    async with play() as bench:
        got = (await bench.point("alpha", "2015-01-01:2015-01-11")).json
        assert got["start"] == "2015-01-10"
        assert (await bench.point("alpha", "2014-01-01:2014-02-01")).status == 400


async def test_dot_segments_give_the_whole_registry(play):
    """`@s/..` and `@s/.` collapse; the totals come with no package named."""
    async with play() as bench:
        total = (await bench.get("/downloads/point/last-week")).json
        assert total["downloads"] == 1_013_049
        assert "package" not in total
        for name in ("@s/..", "@s/.", "@s/%2e%2e", "", "@s"):
            assert (await bench.point(name)).json == total, name


async def test_today_reads_zero(play):
    """The day that is not over has no data yet, and no share in a sum."""
    async with play() as bench:
        assert (await bench.point("delta", "2026-11-21")).json["downloads"] == 0
        whole = (await bench.point("delta", "2026-11-15:2026-11-21")).json["downloads"]
        without = (await bench.point("delta", "2026-11-15:2026-11-20")).json["downloads"]
        assert whole == without > 0


async def test_days_follow_the_clock(play):
    """After midnight UTC the last week is a day later; a given day keeps its number."""
    async with play() as bench:
        before = (await bench.point("delta", "2026-11-20")).json
        bench.clock.advance(86_400)
        assert (await bench.point("alpha")).json["end"] == "2026-11-21"
        assert (await bench.point("alpha")).json["downloads"] == 700
        assert (await bench.point("delta", "2026-11-20")).json == before


async def test_the_day_can_be_fixed(play):
    """`today` wins over the clock."""
    async with play(today=dt.date(2021, 10, 18)) as bench:
        assert (await bench.point("alpha")).json["end"] == "2021-10-17"


@pytest.mark.parametrize(
    "period", ["last-decade", "2026-13-01", "2026-02-02:2026-02-01", "x:y"]
)
async def test_a_wrong_period_is_a_400(play, period):
    """Periods that are none get a JSON error."""
    async with play() as bench:
        got = await bench.point("alpha", period)
        assert got.status == 400
        assert "error" in got.json


async def test_an_over_long_url_is_refused_by_the_edge(play):
    """400, HTML, `Request Header Or Cookie Too Large`."""
    async with play() as bench:
        got = await bench.point(",".join(f"{i:03}-{'x' * 100}" for i in range(100)))
        assert got.status == 400
        assert b"Request Header Or Cookie Too Large" in got.body
        assert got.headers["Content-Type"].startswith("text/html")


async def test_other_paths_and_methods(play):
    """404 and 405, as JSON."""
    async with play() as bench:
        assert (await bench.get("/downloads")).status == 404
        assert (await bench.get("/downloads/sum/last-week/alpha")).status == 404
        async with bench.client.post(bench.sim.url + "/downloads/point/last-week/alpha") as got:
            assert got.status == 405
