"""Scenarios of the lab at a size for real time: half a minute at 20 to 50 requests a second.

`SHARED` are those for many workers, of a minute and a half and an outage of five: to find the
pace takes some seconds whatever a job's length, and to notice the end of an outage too.

Kinds and names are those of `ventil.sim.lab.scenarios`; servers, rates, windows and events
are smaller, so that neither side comes near a whole core in Python.
"""

from __future__ import annotations

from dataclasses import replace

from ventil.sim.lab.provider import CapacityDrop, Outage, Provider, Service
from ventil.sim.lab.quotas import FixedWindow, SlidingLog, TokenBucket
from ventil.sim.lab.race import Scenario

LOGNORMAL = Service(median_s=0.250, sigma=0.6)
"""Mean 0.3 s."""

HEAVY = Service(median_s=0.150, sigma=1.5, floor_s=0.005, ceiling_s=10.0)
"""5 ms to 10 s, mean about 0.45 s."""

_SIXTEEN = Provider(servers=16, service=HEAVY, queue_limit=32, timeout_s=20.0)


def _quota(*quotas: TokenBucket | FixedWindow | SlidingLog) -> Provider:
    return Provider(servers=40, service=LOGNORMAL, quotas=quotas, timeout_s=20.0)


_ALL = (
    Scenario("S2", "16 servers, heavy tail 5 ms to 10 s, queue 32 then 503", _SIXTEEN, 1_000),
    Scenario(
        "S5",
        "8 servers, service time grows as (n/8)^1.5 above 8",
        Provider(8, LOGNORMAL, knee=1.5, timeout_s=20.0),
        800,
    ),
    Scenario("Q1", "token bucket 20/s burst 40, Retry-After", _quota(TokenBucket(20, 40)), 600),
    Scenario(
        "Q2",
        "token bucket 20/s burst 40, no header",
        _quota(TokenBucket(20, 40, retry_after=False)),
        600,
    ),
    Scenario("Q3", "fixed window 200/10 s, Retry-After", _quota(FixedWindow(200, 10)), 700),
    Scenario(
        "Q4",
        "fixed window 200/10 s, no header",
        _quota(FixedWindow(200, 10, retry_after=False)),
        700,
    ),
    Scenario(
        "Q5",
        "sliding log 50 per 5 s, no header",
        _quota(SlidingLog(50, 5, retry_after=False)),
        350,
    ),
    Scenario(
        "Q6",
        "fixed window 200/10 s, RateLimit limit, remaining and reset",
        _quota(FixedWindow(200, 10, headers=True)),
        700,
    ),
    Scenario(
        "V1",
        "capacity 16 to 4 at 8 s, back at 18 s",
        replace(_SIXTEEN, events=(CapacityDrop(8, 18, 18, 4),)),
        1_000,
    ),
    Scenario(
        "O1",
        "12 s of instant 503s",
        replace(_SIXTEEN, events=(Outage(8, 20),)),
        1_000,
    ),
    Scenario(
        "O2",
        "12 s without answers",
        replace(_SIXTEEN, events=(Outage(8, 20, hangs=True),)),
        1_000,
    ),
    Scenario(
        "E1",
        "5 % random 503s unrelated to load",
        replace(_SIXTEEN, error_rate=0.05),
        1_000,
    ),
)

SCENARIOS = {scenario.name: scenario for scenario in _ALL}
"""By name, in the order of the table."""


_QUICK = Provider(servers=16, service=LOGNORMAL, queue_limit=32, timeout_s=20.0)

_SHARED = (
    Scenario("S1", "16 servers, lognormal 0.3 s, queue 32 then 503", _QUICK, 4_000),
    Scenario("S2", "16 servers, heavy tail 5 ms to 10 s, queue 32 then 503", _SIXTEEN, 3_000),
    Scenario(
        "Q2",
        "token bucket 20/s burst 40, no header",
        _quota(TokenBucket(20, 40, retry_after=False)),
        1_600,
    ),
    Scenario(
        "V1",
        "capacity 16 to 4 at 20 s, back at 50 s",
        replace(_SIXTEEN, events=(CapacityDrop(20, 50, 50, 4),)),
        2_500,
    ),
    Scenario(
        "O1",
        "5 minutes of instant 503s",
        replace(_SIXTEEN, events=(Outage(30, 330),)),
        3_000,
    ),
)

SHARED = {scenario.name: scenario for scenario in _SHARED}
"""Those for many workers, by name."""
