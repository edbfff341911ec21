"""The named scenarios: servers (S), quotas (Q), both (C), varying capacity (V), outages (O),
latency (L), errors (E), several workers (F).
"""

from __future__ import annotations

from ventil.sim.lab.provider import (
    CapacityDrop,
    Delay,
    Outage,
    Provider,
    Service,
    Slowdown,
)
from ventil.sim.lab.quotas import FixedWindow, SlidingLog, TokenBucket
from ventil.sim.lab.race import Scenario

LOGNORMAL = Service(median_s=0.120, sigma=0.6)
"""Mean 144 ms."""

HEAVY = Service(median_s=0.150, sigma=1.8, floor_s=0.005, ceiling_s=70.0)
"""5 ms to 70 s, mean about 0.75 s, coefficient of variation about 5."""

# Queue bounds follow "queue 80 then 503" (twice the servers) wherever the table names none
# and the facts' own results show 503s; S3 and S5 have a silent queue without bound.
_FORTY = Provider(servers=40, service=HEAVY, queue_limit=80)
_QUICK = Provider(servers=40, service=LOGNORMAL, queue_limit=80)


def _quota(*quotas: TokenBucket | FixedWindow | SlidingLog) -> Provider:
    return Provider(servers=40, service=LOGNORMAL, quotas=quotas)


def _events(base: Provider, *events: CapacityDrop | Outage | Slowdown | Delay) -> Provider:
    return Provider(
        servers=base.servers,
        service=base.service,
        queue_limit=base.queue_limit,
        events=events,
    )


_ALL = (
    Scenario("S1", "40 servers, lognormal 144 ms, queue 80 then 503", _QUICK, 20_000),
    Scenario("S2", "40 servers, heavy tail 5 ms to 70 s, queue 80 then 503", _FORTY, 20_000),
    Scenario("S3", "40 servers, silent queue without bound", Provider(40, HEAVY), 20_000),
    Scenario(
        "S4",
        "at most 10 in flight, 429 without Retry-After above",
        Provider(10, HEAVY, hard_cap=10),
        10_000,
    ),
    Scenario(
        "S5",
        "40 servers, service time grows as (n/40)^1.5 above 40",
        Provider(40, LOGNORMAL, knee=1.5),
        20_000,
    ),
    Scenario(
        "S6",
        "400 servers, about 2,800 requests a second",
        Provider(400, LOGNORMAL, queue_limit=800),
        100_000,
    ),
    Scenario("S7", "2 servers, queue 2", Provider(2, HEAVY, queue_limit=2), 3_000),
    Scenario(
        "Q1", "token bucket 50/s burst 100, Retry-After", _quota(TokenBucket(50, 100)), 20_000
    ),
    Scenario(
        "Q2",
        "token bucket 50/s burst 100, no header",
        _quota(TokenBucket(50, 100, retry_after=False)),
        20_000,
    ),
    Scenario(
        "Q3", "fixed window 3,000/min, Retry-After", _quota(FixedWindow(3_000, 60)), 20_000
    ),
    Scenario(
        "Q4",
        "fixed window 3,000/min, no header",
        _quota(FixedWindow(3_000, 60, retry_after=False)),
        20_000,
    ),
    Scenario(
        "Q5",
        "sliding log 100 per 10 s, no header",
        _quota(SlidingLog(100, 10, retry_after=False)),
        10_000,
    ),
    Scenario(
        "Q6",
        "fixed window 3,000/min, RateLimit limit, remaining and reset",
        _quota(FixedWindow(3_000, 60, headers=True)),
        20_000,
    ),
    Scenario(
        "C1",
        "20 servers (26/s) and a token bucket of 24/s",
        Provider(20, HEAVY, queue_limit=40, quotas=(TokenBucket(24, 48),)),
        20_000,
    ),
    Scenario(
        "V1",
        "capacity 40 to 8 at 100 s, back at 300 s",
        _events(_FORTY, CapacityDrop(100, 300, 300, 8)),
        20_000,
    ),
    Scenario(
        "V2",
        "capacity 40 to 8 at 100 s, linear recovery 200 to 500 s",
        _events(_FORTY, CapacityDrop(100, 200, 500, 8)),
        20_000,
    ),
    Scenario("O1", "5 minutes of instant 503s", _events(_FORTY, Outage(100, 400)), 20_000),
    Scenario(
        "O2", "5 minutes without answers", _events(_FORTY, Outage(100, 400, hangs=True)), 20_000
    ),
    Scenario(
        "L1",
        "service time x10, still 200s, for 2 minutes",
        _events(_QUICK, Slowdown(60, 180, 10.0)),
        40_000,
    ),
    Scenario(
        "L2",
        "2 s of pure network delay for 1 minute",
        _events(_QUICK, Delay(60, 120, 2.0)),
        40_000,
    ),
    Scenario(
        "E1",
        "5 % random 503s unrelated to load",
        Provider(40, HEAVY, queue_limit=80, error_rate=0.05),
        20_000,
    ),
    Scenario(
        "F1", "two uncoordinated workers, the second 30 s later", _FORTY, 40_000, (0.0, 30.0)
    ),
    Scenario(
        "F2",
        "two uncoordinated workers on one token bucket",
        _quota(TokenBucket(50, 100)),
        20_000,
        (0.0, 30.0),
    ),
)

SCENARIOS = {scenario.name: scenario for scenario in _ALL}
"""By name, in the order of the table."""
