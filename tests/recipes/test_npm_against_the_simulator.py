"""The recipe against the simulator, which shares no code with it: real names, real counts."""

from __future__ import annotations

import datetime as dt

import pytest

from ventil.core.exchange import Reply, Request, Response
from ventil.core.model import Sample, Status
from ventil.core.period import Period
from ventil.core.plan import plan
from ventil.providers.npm_downloads import batches, fetch, judge
from ventil.sim.npm import (
    Counts,
    Fail,
    Garble,
    Refuse,
    Scenario,
    Spoil,
    Unknown,
    Zero,
)
from ventil.sim.npm.api import parse
from ventil.sim.npm.counts import sample as sample_counts
from ventil.sim.npm.provider import Provider
from ventil.testing.recipes import drive

TODAY = dt.date(2026, 11, 21)


def fetch_all(
    scenario: Scenario, counts: Counts, period: str = "last-week", seed: int = 1
) -> tuple[dict[str, Sample], int]:
    """Plan and fetch every name; samples by key, and how many requests it took."""
    provider = Provider(scenario, counts, today=lambda _: TODAY.toordinal(), seed=seed)
    asked = 0

    def answer(request: Request) -> Reply:
        nonlocal asked
        asked += 1
        given = provider.arrive(
            float(asked), parse(request.target), len(request.target), gzips=False
        )
        provider.settle(given, aborted=False)
        reply = Response(given.status, dict(given.fields), given.body)
        judge(request, reply, float(asked))
        return reply

    samples: dict[str, Sample] = {}
    when = Period.parse(period, today=TODAY)
    for chunk in plan(counts.by_name, batches=batches).chunks:
        for batch in chunk.batches:
            samples |= drive(fetch(batch.keys, when, {}), answer).by_key
    return samples, asked


@pytest.mark.parametrize(
    "period", ["last-week", "2026-11-01:2026-11-07", "last-day", "last-month"]
)
def test_on_a_good_day_every_number_is_the_providers(period: str) -> None:
    """Exactly; bulk for the unscoped names, one request for each scoped one."""
    counts = sample_counts()
    samples, asked = fetch_all(Scenario(name="calm"), counts, period)
    when = Period.parse(period, today=TODAY).interval
    truth = {
        name: counts.between(name, when.start.toordinal(), when.end.toordinal())
        for name in counts.by_name
    }
    assert {key: sample.value for key, sample in samples.items()} == truth
    assert {sample.status for sample in samples.values()} == {Status.OK}
    if when.days > 1:
        first = sum(1 for _ in batches(counts.by_name))
        # A second look at zeros, for there is no history: one at most for each request.
        zeros = {name for name, count in truth.items() if count == 0}
        looks = sum(1 for batch in batches(counts.by_name) if zeros.intersection(batch))
        assert asked == first + (looks if period.startswith("last") else 0)


def test_on_a_bad_day_every_difference_is_named() -> None:
    """Refusals, combinations, unknown names, errors and each kind of spoilt answer."""
    counts = sample_counts()
    plain = [name for name in counts.by_name if not name.startswith("@")]
    scenario = Scenario(
        name="bad",
        behaviours=(
            Refuse(names=(plain[0], plain[7])),
            Refuse(names=(plain[3], plain[5]), together=True),
            Unknown(names=(plain[9],)),
            Fail(status=503, chance=0.02),
            *(Garble(how=how, chance=0.02) for how in Spoil if how is not Spoil.ENCODING),
        ),
    )
    for seed in range(20):
        samples, _ = fetch_all(scenario, counts, "2026-11-01:2026-11-07", seed=seed)
        assert set(samples) == set(counts.by_name)
        for key, sample in samples.items():
            if sample.status is Status.OK:
                assert sample.value == counts.by_name[key]
            else:
                assert sample.detail
        assert samples[plain[0]].status is Status.FAILED
        assert samples[plain[9]].status is not Status.OK


def test_a_day_that_has_not_settled_is_not_published() -> None:
    """The days before tell the unsettled zero from the honest one."""
    busy = {f"busy{i}": 700 + i for i in range(30)}
    counts = Counts(busy | {f"quiet{i}": 0 for i in range(30)})
    scenario = Scenario(name="unsettled", behaviours=(Zero(names=("busy3",), last_days=1),))
    samples, asked = fetch_all(scenario, counts, "last-day")
    assert asked == 2
    assert samples["busy3"].status is Status.SUSPECT
    assert {s.status for key, s in samples.items() if key != "busy3"} == {Status.OK}
    assert samples["quiet3"].value == 0
