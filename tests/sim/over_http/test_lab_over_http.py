"""The lab's provider on loopback: what it answers, what it counts, what it plays."""

from __future__ import annotations

import asyncio
import json
import urllib.request
from typing import Any

import pytest

from ventil.adapters.http import HttpTransport
from ventil.core.exchange import Fault, Reply, Request, Response
from ventil.sim.lab import FixedWindow, Outage, Provider, Scenario, Service, TokenBucket
from ventil.sim.lab.over_http import SCENARIOS, LabServer

QUICK = Service(median_s=0.005)
NEVER_S = 3600.0


def provider(**changes: Any) -> Provider:
    """A quick provider without travel time."""
    fields: dict[str, Any] = {"servers": 2, "service": QUICK, "rtt_s": 0.0, "timeout_s": 5.0}
    return Provider(**(fields | changes))


def play(it: Provider, records: int, *, timeout_s: float = 5.0) -> tuple[list[Reply], Any]:
    """Ask for all records at once; the replies, and the server's report."""

    async def run() -> tuple[list[Reply], Any]:
        async with LabServer(Scenario("T", "a test's", it, records)) as server:
            transport = HttpTransport(
                server.url, user_agent="test", timeout_s=timeout_s, connections=100
            )
            try:
                replies = await asyncio.gather(
                    *(transport.send(Request(f"/r/{k}")) for k in range(records))
                )
            finally:
                await transport.close()
            url = f"{server.url}/-/lab/report"
            asking = asyncio.to_thread(lambda: urllib.request.urlopen(url, timeout=5).read())  # noqa: S310
            return list(replies), json.loads(await asking)

    return asyncio.run(run())


def status(reply: Reply) -> int:
    """The status of an answer, 0 for none."""
    return 0 if isinstance(reply, Fault) else reply.status


def test_every_record_is_served_and_counted() -> None:
    """Without limits each request is answered 200, and the books balance."""
    replies, report = play(provider(), 20)
    assert [status(reply) for reply in replies] == [200] * 20
    assert isinstance(replies[7], Response)
    assert json.loads(replies[7].body) == {"record": 7}
    assert (report["requests"], report["ok"], report["lost"]) == (20, 20, 0)
    assert report["makespan_s"] >= 10 * 0.005 - 0.001
    assert 0 < report["overload"] <= 1


def test_a_full_queue_is_a_503() -> None:
    """Two are served, three wait, the others are refused at once."""
    slow = Service(median_s=0.2)
    replies, report = play(provider(service=slow, queue_limit=3), 8)
    assert sorted(map(status, replies)) == [200] * 5 + [503] * 3
    assert report["unavailable"] == 3


def test_a_quota_says_when_to_come_back() -> None:
    """Retry-After in whole seconds, and the rate-limit fields where the quota has them."""
    window = FixedWindow(4, NEVER_S, headers=True)
    replies, report = play(provider(quotas=(window,)), 6)
    refused = [r for r in replies if isinstance(r, Response) and r.status == 429]
    assert len(refused) == report["throttled"] == 2
    for reply in refused:
        assert 3590 < int(reply.headers["retry-after"]) <= 3600
        assert reply.headers["ratelimit-limit"] == "4"
        assert reply.headers["ratelimit-remaining"] == "0"
        assert 3590 < int(reply.headers["ratelimit-reset"]) <= 3600


def test_a_silent_quota_names_no_time() -> None:
    """Without `retry_after` a 429 has no field that says when."""
    bucket = TokenBucket(1 / NEVER_S, 2, retry_after=False)
    replies, _ = play(provider(quotas=(bucket,)), 3)
    (refused,) = (r for r in replies if isinstance(r, Response) and r.status == 429)
    assert "retry-after" not in refused.headers


def test_an_outage_with_errors() -> None:
    """Each request into it is a 503, and counted as sent into the outage."""
    replies, report = play(provider(events=(Outage(0.0, NEVER_S),)), 5)
    assert [status(reply) for reply in replies] == [503] * 5
    assert report["outage_sent"] == 5


def test_an_outage_in_silence() -> None:
    """Nothing comes back, and the client's own timeout ends the wait."""
    out = Outage(0.0, NEVER_S, hangs=True)
    replies, report = play(provider(events=(out,)), 3, timeout_s=0.1)
    assert [status(reply) for reply in replies] == [0] * 3
    assert (report["outage_sent"], report["lost"]) == (3, 3)


def test_the_way_takes_its_time() -> None:
    """A round trip is waited for, half of it before the quota and half after the answer."""
    _, report = play(provider(rtt_s=0.05), 1)
    assert report["makespan_s"] >= 0.05


@pytest.mark.parametrize("name", SCENARIOS)
def test_scenarios_are_of_a_size_for_real_time(name: str) -> None:
    """Each takes the clairvoyant 10 to 50 s, at no more than 60 requests a second."""
    scenario = SCENARIOS[name]
    for seed in range(3):
        assert 10 <= scenario.oracle_s(seed) <= 50
        assert scenario.n / scenario.oracle_s(seed) <= 60


def test_a_record_can_be_asked_for_as_npm_is() -> None:
    """So that workers can be raced with a recipe that they know."""

    async def run() -> list[Reply]:
        async with LabServer(Scenario("T", "a test's", provider(), 3)) as server:
            transport = HttpTransport(
                server.url, user_agent="test", timeout_s=5.0, connections=1
            )
            try:
                path = "/downloads/point/2026-01-05/@r%2F"
                return [await transport.send(Request(f"{path}{k}")) for k in (2, 3)]
            finally:
                await transport.close()

    served, missing = asyncio.run(run())
    assert isinstance(served, Response)
    days = {"start": "2026-01-05", "end": "2026-01-05"}
    assert json.loads(served.body) == {"downloads": 7, **days, "package": "@r/2"}
    assert status(missing) == 404
