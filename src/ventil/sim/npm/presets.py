"""Scenarios by name.

Names of packages in `demo` and `hostile` are real and stand in the shipped sample.
"""

from __future__ import annotations

from collections.abc import Mapping

from ventil.sim.npm.scenario import (
    Ban,
    Fail,
    Garble,
    Hang,
    Page,
    Quota,
    Refuse,
    Reset,
    RetryAfter,
    Scenario,
    Slow,
    Spoil,
    Truncate,
    Unknown,
    Zero,
)

CALM = Scenario(name="calm")

UNLIMITED = Scenario(name="unlimited")

# What people measured of npm in 2025 and 2026: 0.5 requests/s survived, 0.555/s held, 1/s
# "soon" got a ban, 40 fast calls got `error code: 1015`. 34 in any 60 seconds fits all of
# them; npm publishes no number. The 429s lost their Retry-After in November 2025.
NPM = Scenario(
    name="npm",
    quotas=(Quota(limit=34, window_s=60.0),),
    ban=Ban(seconds=3600.0),
    gzip=True,
)

# For a job of about 90 packages at 25 requests/s, done in well under a minute. The ban
# comes once; the rest is the same each time it is asked.
DEMO = Scenario(
    name="demo",
    ban=Ban(seconds=2.0, at=15, times=1),
    latency_s=0.02,
    behaviours=(
        Refuse(names=("cdk-iam-generator",)),
        Zero(names=("@aws-cdk/aws-dynamodb", "cdk-constants"), last_days=7),
        Fail(
            names=("@aws-cdk/aws-ecs", "@aws-cdk/aws-kinesis", "@rayou/cdk-url-shortener"),
            status=500,
        ),
    ),
)

HOSTILE = Scenario(
    name="hostile",
    quotas=(
        Quota(limit=50, window_s=1.0, retry_after=RetryAfter.SECONDS),
        Quota(limit=1500, window_s=60.0, retry_after=RetryAfter.DATE, page=Page.HTML),
    ),
    latency_s=0.005,
    latency_sigma=1.0,
    gzip=True,
    max_in_flight=20,
    in_flight_status=503,
    behaviours=(
        Refuse(names=("cdk-iam-generator",)),
        Refuse(names=("cdk-constants", "aws-cdk-dynamodb-seeder"), together=True),
        Unknown(names=("cdk-tweet-queue", "@aws-cdk/aws-glue")),
        Zero(names=("@aws-cdk/aws-dynamodb",), last_days=7),
        Zero(names=("cdk-sns-notify",), last_days=2),
        Fail(status=502, after=40, count=8),
        Fail(status=503, retry_after="1", chance=0.02),
        Fail(status=500, chance=0.03),
        Hang(seconds=90.0, chance=0.01),
        Reset(chance=0.02),
        Truncate(chance=0.02),
        Garble(how=Spoil.HTML, chance=0.01),
        Garble(how=Spoil.INVALID_JSON, chance=0.01),
        Garble(how=Spoil.INTERVAL, chance=0.01),
        Garble(how=Spoil.MISSING, chance=0.02),
        Slow(piece=64, pause_s=0.01, chance=0.03),
    ),
)

PRESETS: Mapping[str, Scenario] = {
    scenario.name: scenario for scenario in (CALM, DEMO, HOSTILE, NPM, UNLIMITED)
}
