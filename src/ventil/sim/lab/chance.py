"""Random providers: what nobody designed a client for.

Two ranges of numbers. `tuning` may be looked at while an algorithm is made better;
`held-out` is looked at once, at the end, and reported as it comes: looking at it earlier
would turn it into a second tuning set. A provider is a function of its number alone.
"""

from __future__ import annotations

import math
import random
from dataclasses import replace
from functools import lru_cache

from ventil.sim.lab.provider import (
    CapacityDrop,
    Delay,
    Event,
    Outage,
    Provider,
    Service,
    Slowdown,
)
from ventil.sim.lab.quotas import FixedWindow, ProviderQuota, SlidingLog, TokenBucket
from ventil.sim.lab.race import Scenario

RANGES = {"tuning": range(1_000, 1_060), "held-out": range(7_000, 7_060)}
"""Numbers of the random providers, by what they may be used for."""

_WINDOWS_S = (1.0, 5.0, 10.0, 30.0, 60.0, 60.0, 300.0)


@lru_cache(maxsize=256)
def random_scenario(number: int) -> Scenario:
    """Random provider `number` and a job of 20 s to 15 min for the clairvoyant.

    Servers 1..400 (evenly by their logarithm), five shapes of service time, any or no queue
    bound, hard caps, knees, no quota or up to two of any kind with and without headers,
    random errors, and in four of ten cases an event inside the job.
    """
    rng = random.Random(f"provider:{number}")  # noqa: S311 - a model, not a secret
    servers = round(math.exp(rng.uniform(0.0, math.log(400))))
    service = _service(rng)
    provider = Provider(servers, service)
    kind = rng.random()
    if kind < 0.55:
        waiting = max(1, round(servers * rng.choice((0.5, 1.0, 2.0, 2.0, 4.0))))
        provider = replace(provider, queue_limit=waiting)
    elif kind < 0.67:
        provider = replace(provider, hard_cap=servers)
    elif kind < 0.72:
        provider = replace(provider, knee=rng.choice((1.0, 1.5)))
    sample = service.times(4_000, number)
    rate = servers / (math.fsum(sample) / len(sample))
    if rng.random() < 0.5:
        first = _quota(rng, rate * math.exp(rng.uniform(math.log(0.15), math.log(1.5))))
        quotas = [first]
        if rng.random() < 0.2:
            quotas.append(_quota(rng, rate * rng.uniform(0.2, 1.0)))
        provider = replace(provider, quotas=tuple(quotas))
        rate = min([rate, *(_rate(quota) for quota in quotas)])
    if rng.random() < 0.15:
        provider = replace(provider, error_rate=rng.choice((0.005, 0.01, 0.03, 0.05, 0.1)))
    span_s = math.exp(rng.uniform(math.log(40.0), math.log(900.0)))
    n = max(300, min(60_000, round(rate * span_s)))
    span_s = n / rate
    if rng.random() < 0.4:
        provider = replace(provider, events=(_event(rng, servers, span_s),))
    return Scenario(f"R{number}", _title(provider), provider, n)


def _service(rng: random.Random) -> Service:
    median_s = math.exp(rng.uniform(math.log(0.06), math.log(1.2)))
    match rng.choice(("even", "quick", "quick", "heavy", "heavy", "two")):
        case "even":
            return Service(median_s, 0.05, 0.005, 70.0)
        case "quick":
            return Service(median_s, rng.uniform(0.3, 1.0), 0.005, 70.0)
        case "heavy":
            return Service(median_s / 2, rng.uniform(1.2, 1.9), 0.005, 70.0)
        case _:
            slow_s = median_s * rng.uniform(5.0, 50.0)
            return Service(median_s, 0.3, 0.005, 70.0, rng.uniform(0.02, 0.3), slow_s)


def _quota(rng: random.Random, rate: float) -> ProviderQuota:
    named = rng.random() < 0.5
    headers = rng.random() < 0.25
    match rng.choice(("bucket", "window", "log")):
        case "bucket":
            burst = max(1.0, round(rate * rng.choice((0.2, 1.0, 2.0, 10.0))))
            return TokenBucket(rate, burst, named, headers)
        case "window":
            window_s = rng.choice(_WINDOWS_S)
            limit = max(1, round(rate * window_s))
            return FixedWindow(limit, window_s, named, headers, rng.uniform(0.0, window_s))
        case _:
            window_s = rng.choice(_WINDOWS_S)
            return SlidingLog(max(1, round(rate * window_s)), window_s, named, headers)


def _rate(quota: ProviderQuota) -> float:
    return quota.rate if isinstance(quota, TokenBucket) else quota.limit / quota.window_s


def _event(rng: random.Random, servers: int, span_s: float) -> Event:
    at_s = span_s * rng.uniform(0.1, 0.7)
    lasts_s = rng.uniform(10.0, 240.0)
    until_s = at_s + lasts_s
    match rng.choice(("drop", "slow return", "errors", "hangs", "slow", "far")):
        case "drop":
            return CapacityDrop(at_s, until_s, until_s, max(1, servers // 5))
        case "slow return":
            return CapacityDrop(at_s, at_s + lasts_s / 3, until_s, max(1, servers // 5))
        case "errors":
            return Outage(at_s, until_s)
        case "hangs":
            return Outage(at_s, until_s, hangs=True)
        case "slow":
            return Slowdown(at_s, until_s, rng.uniform(3.0, 10.0))
        case _:
            return Delay(at_s, until_s, rng.uniform(0.2, 2.0))


def _title(provider: Provider) -> str:
    """The provider in a line."""
    words = [f"c={provider.servers}"]
    if provider.queue_limit is not None:
        words.append(f"queue {provider.queue_limit}")
    if provider.hard_cap is not None:
        words.append("hard cap")
    if provider.knee is not None:
        words.append(f"knee {provider.knee}")
    s = provider.service
    words.append(f"{s.median_s * 1000:.0f} ms sigma {s.sigma:.1f}")
    if s.slow_share:
        words.append(f"and {s.slow_share:.0%} of {s.slow_s:.1f} s")
    for quota in provider.quotas:
        match quota:
            case TokenBucket(rate=rate, burst=burst):
                text = f"bucket {rate:.2f}/s burst {burst:.0f}"
            case FixedWindow(limit=limit, window_s=window_s):
                text = f"window {limit}/{window_s:.0f}s"
            case SlidingLog(limit=limit, window_s=window_s):
                text = f"log {limit}/{window_s:.0f}s"
        if quota.retry_after:
            text += " +RA"
        if quota.headers:
            text += " +headers"
        words.append(text)
    if provider.error_rate:
        words.append(f"{provider.error_rate:.1%} errors")
    for event in provider.events:
        name = type(event).__name__
        if isinstance(event, Outage):
            name += " (hangs)" if event.hangs else " (errors)"
        words.append(f"{name} {event.at_s:.0f}-{event.until_s:.0f} s")
    return ", ".join(words)
