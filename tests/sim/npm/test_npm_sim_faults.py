"""Every behaviour on demand, seen by a raw client; nothing here sleeps on the real clock."""

from __future__ import annotations

import asyncio
import datetime as dt
import gzip
import json
import statistics
import zlib

import aiohttp
import pytest

from ventil.sim.npm import (
    Bomb,
    Delay,
    Endless,
    Fail,
    Garble,
    Hang,
    Huge,
    Redirect,
    Refuse,
    Reset,
    Scenario,
    Slow,
    Spoil,
    Truncate,
    Unknown,
    Zero,
)

ALPHA = "/downloads/point/last-week/alpha"


def acting(*behaviours) -> Scenario:
    """A scenario of these behaviours."""
    return Scenario(behaviours=behaviours)


# Answers in the API's place


async def test_a_name_is_refused_alone_and_in_any_batch(play):
    """403, Cloudflare's HTML, the same each time; other names are answered."""
    async with play(acting(Refuse(names=("beta",)))) as bench:
        first, second = await bench.point("alpha,beta"), await bench.point("beta")
        assert (first.status, second.status) == (403, 403)
        assert first.body == second.body
        assert b"Cloudflare" in first.body
        assert first.headers["Content-Type"].startswith("text/html")
        assert (await bench.point("alpha,gamma")).status == 200


async def test_a_combination_is_refused_only_together(play):
    """Two names in one URL are a 403; each alone is answered."""
    async with play(acting(Refuse(names=("alpha", "beta"), together=True))) as bench:
        assert (await bench.point("gamma,beta,delta,alpha")).status == 403
        assert (await bench.point("alpha,gamma")).status == 200
        assert (await bench.point("beta")).status == 200


async def test_a_burst_of_errors_by_request_numbers(play):
    """After two requests, for three."""
    async with play(acting(Fail(status=503, after=2, count=3))) as bench:
        assert await bench.statuses(7) == [200, 200, 503, 503, 503, 200, 200]


async def test_a_burst_of_errors_by_time(play):
    """From second 10 to before second 20; a Retry-After may come with it."""
    scenario = acting(Fail(status=502, from_s=10.0, until_s=20.0, retry_after="7"))
    async with play(scenario) as bench:
        assert await bench.statuses(1) == [200]
        bench.clock.advance(10)
        got = await bench.point("alpha")
        assert (got.status, got.headers["Retry-After"]) == (502, "7")
        bench.clock.advance(10)
        assert await bench.statuses(1) == [200]


async def test_a_behaviour_may_act_so_many_times_only(play):
    """A name fails twice and then is well, whatever else is asked."""
    async with play(acting(Fail(names=("beta",), times=2))) as bench:
        assert await bench.statuses(3) == [200] * 3
        assert await bench.statuses(3, "beta") == [500, 500, 200]


async def test_random_errors_are_the_same_for_the_same_seed(play):
    """The share is kept, the seed decides which; another behaviour does not disturb it."""
    fails = Fail(chance=0.3)
    runs = []
    for scenario, seed in (
        (acting(fails), 1),
        (acting(fails, Slow(piece=1000, chance=0.5)), 1),
        (acting(fails), 2),
    ):
        async with play(scenario, seed=seed, jumps=True) as bench:
            runs.append(await bench.statuses(200))
    assert runs[0] == runs[1] != runs[2]
    assert 40 <= runs[0].count(500) <= 80


async def test_a_hang_never_answers(play):
    """The request arrives and nothing comes; when the client leaves it counts as aborted."""
    async with play(acting(Hang())) as bench:
        asking = asyncio.create_task(bench.point("alpha"))
        await bench.until(lambda report: report.requests == 1)
        assert not asking.done()
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        report = await bench.until(lambda report: report.aborted == 1)
        assert report.by_status == {"none": 1}
        assert report.answered == {}


async def test_a_hang_may_end_with_a_closed_connection(play):
    """After its seconds the connection closes without an answer."""
    async with play(acting(Hang(seconds=60.0))) as bench:
        asking = asyncio.create_task(bench.point("alpha"))
        await bench.clock.asleep(1)
        bench.clock.advance(60)
        with pytest.raises(aiohttp.ServerDisconnectedError):
            await asking


async def test_a_reset_cuts_the_connection(play):
    """The client sees an error of the connection; the next request is answered."""
    async with play(acting(Reset(count=1))) as bench:
        reader, writer = await asyncio.open_connection(*bench.sim.url[7:].split(":"))
        writer.write(f"GET {ALPHA} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        with pytest.raises(ConnectionResetError):
            await reader.read()
        writer.close()
        assert await bench.statuses(1) == [200]


async def test_connections_may_be_reset_when_they_open(play):
    """The second to open is reset before it can ask; no request is counted for it."""
    async with play(acting(Reset(at_accept=True, after=1, count=1))) as bench:
        assert await bench.statuses(1) == [200]
        address = bench.sim.url.removeprefix("http://").split(":")
        reader, writer = await asyncio.open_connection(*address)
        with pytest.raises(ConnectionResetError):
            await reader.read()
        writer.close()
        reader, writer = await asyncio.open_connection(*address)
        writer.write(f"GET {ALPHA} HTTP/1.0\r\n\r\n".encode())
        assert (await reader.read()).startswith(b"HTTP/1.1 200 ")
        writer.close()
        report = bench.sim.report()
        assert (report.connections, report.requests) == (3, 2)
        assert report.by_behaviour == {"reset": 1}


async def test_a_redirect_to_a_private_address(play):
    """302 with the address in Location."""
    async with play(acting(Redirect(to="http://10.0.0.1/x"))) as bench:
        got = await bench.point("alpha")
        assert (got.status, got.headers["Location"]) == (302, "http://10.0.0.1/x")


async def test_an_endless_body(play):
    """It goes on until the client leaves."""
    async with play(acting(Endless())) as bench:
        async with bench.client.get(bench.sim.url + ALPHA) as answer:
            assert answer.headers["Transfer-Encoding"] == "chunked"
            body = await answer.content.readexactly(3_000_000)
            assert body.startswith(b'{"downloads":  ')
            answer.close()
        await bench.until(lambda report: report.aborted == 1)


async def test_a_body_of_ten_gigabytes(play):
    """It says so, and means it."""
    async with (
        play(acting(Huge())) as bench,
        bench.client.get(bench.sim.url + ALPHA) as answer,
    ):
        assert answer.headers["Content-Length"] == "10000000000"
        await answer.content.readexactly(1_000_000)
        answer.close()
    async with play(acting(Huge(size=200_000))) as bench:
        assert len((await bench.point("alpha")).body) == 200_000


async def test_a_decompression_bomb(play):
    """A few bytes of gzip that decode to as much as was asked for."""
    async with play(acting(Bomb(size=50_000_000))) as bench:
        got = await bench.point("alpha")
        assert got.headers["Content-Encoding"] == "gzip"
        assert len(got.body) < 200_000
        unpack = zlib.decompressobj(-zlib.MAX_WBITS)
        size = len(unpack.decompress(got.body[10:]))
        assert 50_000_000 <= size < 52_000_000
        assert len(got.body) == int(got.headers["Content-Length"])


# The data


async def test_chosen_names_are_unknown(play):
    """404 alone, null in a batch, though they have a count."""
    async with play(acting(Unknown(names=("alpha", "@s/one")))) as bench:
        assert (await bench.point("alpha")).status == 404
        assert (await bench.point("@s/one")).status == 404
        assert (await bench.point("alpha,beta")).json["alpha"] is None
        assert (await bench.point("beta")).status == 200


async def test_the_whole_last_day_may_be_unsettled(play):
    """Every package reads 0 for yesterday, and the week's sum has the hole."""
    async with play(acting(Zero(last_days=1))) as bench:
        days = (await bench.get("/downloads/range/last-week/alpha")).json["downloads"]
        assert [d["downloads"] == 0 for d in days] == [False] * 6 + [True]
        week = (await bench.point("alpha")).json["downloads"]
        assert week == sum(d["downloads"] for d in days) < 700
        assert (await bench.point("delta", "last-day")).json["downloads"] == 0


async def test_zeros_may_be_of_one_package_and_of_given_days(play):
    """Gaps are per package, as recorded in September 2026."""
    gap = Zero(names=("alpha",), days=(dt.date(2026, 11, 16), dt.date(2026, 11, 18)))
    async with play(acting(gap)) as bench:
        got = (await bench.get("/downloads/range/last-week/alpha,delta")).json
        zeros = [d["day"][-2:] for d in got["alpha"]["downloads"] if d["downloads"] == 0]
        assert zeros == ["16", "18"]
        assert all(d["downloads"] for d in got["delta"]["downloads"])


async def test_a_zero_settles_in_time(play):
    """The condition on time ends it: the number is there later."""
    async with play(acting(Zero(names=("alpha",), until_s=3600.0))) as bench:
        assert (await bench.point("alpha")).json["downloads"] == 0
        bench.clock.advance(3600)
        assert (await bench.point("alpha")).json["downloads"] == 700


async def test_the_newest_day_may_lag(play):
    """With a lag of two days `last-day` is the day before yesterday."""
    async with play(Scenario(lag_days=2)) as bench:
        got = (await bench.point("alpha", "last-day")).json
        assert got["end"] == "2026-11-19"


# Spoilt answers


@pytest.mark.parametrize("how", list(Spoil))
@pytest.mark.parametrize("names", ["alpha", "alpha,beta,delta"])
async def test_a_spoilt_answer_is_a_200_and_not_what_it_should_be(play, how, names):
    """Each way differs from the good answer, and counts as no answer to the names."""
    async with play(acting(Garble(how=how))) as bench:
        got = await bench.point(names)
        assert got.status == 200
        report = bench.sim.report()
        assert report.answered == {}
        assert report.by_behaviour == {"garble": 1}
        bench.sim.play("calm")
        good = await bench.point(names)
        assert got != good


async def test_the_ways_of_spoiling(play):
    """What each does to a number."""
    seen = {}
    for how in Spoil:
        async with play(acting(Garble(how=how))) as bench:
            seen[how] = await bench.point("alpha,beta")
    assert b"<html" in seen[Spoil.HTML].body
    assert seen[Spoil.EMPTY].body == b""
    with pytest.raises(json.JSONDecodeError):
        _ = seen[Spoil.INVALID_JSON].json
    assert isinstance(seen[Spoil.WRONG_SHAPE].json, list)
    assert seen[Spoil.STRINGS].json["alpha"]["downloads"] == "700"
    assert seen[Spoil.NEGATIVE].json["alpha"]["downloads"] == -701
    assert seen[Spoil.INTERVAL].json["alpha"]["start"] == "2026-11-13"
    assert seen[Spoil.OTHER_PACKAGE].json["alpha"]["package"] == "someone-else"
    assert list(seen[Spoil.MISSING].json) == ["alpha"]
    assert seen[Spoil.ENCODING].headers["Content-Encoding"] == "gzip"
    with pytest.raises(gzip.BadGzipFile):
        gzip.decompress(seen[Spoil.ENCODING].body)


async def test_an_error_is_not_spoilt(play):
    """A 404 stays one."""
    async with play(acting(Garble(how=Spoil.HTML))) as bench:
        assert (await bench.point("nobody")).status == 404


async def test_a_truncated_body(play):
    """All is announced, half is sent, the connection closes."""
    async with play(acting(Truncate(count=1))) as bench:
        with pytest.raises(aiohttp.ClientPayloadError):
            await bench.point("alpha")
        assert bench.sim.report().answered == {}
        assert await bench.statuses(1) == [200]


# Time and encoding


async def test_a_slow_body_comes_in_pieces(play):
    """A piece after each pause; the whole is right."""
    async with play(acting(Slow(piece=10, pause_s=2.0)), jumps=True) as bench:
        got = await bench.point("alpha")
        assert got.json["downloads"] == 700
        assert bench.clock.slept_s == [2.0] * -(-len(got.body) // 10)


async def test_latency_and_delay_add_up(play):
    """A fixed latency for all, and more for a chosen name."""
    scenario = Scenario(latency_s=0.5, behaviours=(Delay(names=("beta",), seconds=3.0),))
    async with play(scenario, jumps=True) as bench:
        await bench.point("alpha")
        await bench.point("beta")
        assert bench.clock.slept_s == [0.5, 3.5]


async def test_lognormal_latency_has_its_median_and_follows_the_seed(play):
    """The same seed gives the same latencies; half of them are below the median."""
    runs = []
    for seed in (5, 5, 6):
        scenario = Scenario(latency_s=0.2, latency_sigma=0.8)
        async with play(scenario, seed=seed, jumps=True) as bench:
            await bench.statuses(150)
            runs.append(bench.clock.slept_s)
    assert runs[0] == runs[1] != runs[2]
    assert statistics.median(runs[0]) == pytest.approx(0.2, rel=0.3)


async def test_gzip_when_the_client_accepts_it(play):
    """Compressed for who asks, plain for the rest."""
    async with play(Scenario(gzip=True)) as bench:
        packed = await bench.get(ALPHA, **{"Accept-Encoding": "gzip, deflate"})
        plain = await bench.get(ALPHA, **{"Accept-Encoding": "identity"})
        assert packed.headers["Content-Encoding"] == "gzip"
        assert gzip.decompress(packed.body) == plain.body
        assert "Content-Encoding" not in plain.headers


async def test_behaviours_compose(play):
    """Unknown, zero, slow and truncated at once: each does its part."""
    scenario = acting(
        Unknown(names=("beta",)), Zero(names=("alpha",)), Slow(piece=50, pause_s=1.0)
    )
    async with play(scenario, jumps=True) as bench:
        got = (await bench.point("alpha,beta,delta")).json
        assert (got["alpha"]["downloads"], got["beta"]) == (0, None)
        assert got["delta"]["downloads"] == 1_000_000
        assert bench.clock.slept_s
