"""The lab's provider conserves records, repeats itself, and does what it is told to."""

from __future__ import annotations

import dataclasses

import pytest

from ventil.sim import lab
from ventil.sim.lab.over_http import SCENARIOS as SHORT
from ventil.sim.lab.provider import HANGS
from ventil.sim.lab.race import Race, jain

SMALL = lab.Scenario("small", "", lab.Provider(8, lab.Service(0.1, 0.6), queue_limit=16), 1_000)
HARSH = lab.Provider(
    8,
    lab.Service(0.1, 1.5, 0.005, 20.0),
    queue_limit=16,
    quotas=(lab.TokenBucket(40, 40),),
    error_rate=0.05,
    timeout_s=25.0,
    events=(
        lab.CapacityDrop(5, 10, 15, 2),
        lab.Outage(20, 30),
        lab.Outage(40, 60, hangs=True),
        lab.Slowdown(65, 70, 10),
        lab.Delay(75, 80, 2),
    ),
)


class Fixed(lab.Baseline):
    """Twenty at a time."""

    def __init__(self, limit: float = 20) -> None:
        super().__init__(limit)


def fixed(limit: float):
    """A maker of `Fixed`."""
    return lambda seed: Fixed(limit)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("limit", [1, 20, 60])
def test_the_server_conserves_records(limit: int, seed: int) -> None:
    """What arrived was refused, finished, lost in an outage, or is still in the house."""
    race = Race(
        lab.Scenario("harsh", "", HARSH, 2_000), fixed(limit), "fixed", seed, False, 50.0
    )
    result = race.run()
    server = race.server
    assert result.finished
    assert server.arrived == (
        server.refused + server.finished + server.lost + server.busy + len(server.queue)
    )
    assert server.busy == len(server.house)
    answers = sum(race.counts.values())
    assert race.counts[200] == result.n
    assert result.sent == answers + sum(worker.in_flight for worker in race.workers)
    assert result.waste == pytest.approx((result.sent - result.n) / result.n)


@pytest.mark.parametrize("client", ["ventil", "aimd", "vegas", "botocore", "autothr8"])
def test_a_run_repeats_itself_by_seed(client: str) -> None:
    """The same seed gives the same result to the last digit, another seed another."""
    scenario = lab.Scenario("harsh", "", HARSH, 1_000)
    first = lab.run(scenario, client, seed=5)
    assert lab.run(scenario, client, seed=5) == first
    assert lab.run(scenario, client, seed=6).makespan_s != first.makespan_s


@pytest.mark.parametrize("name", ["S1", "S2", "S4", "S7", "Q1", "Q3", "C1", "V1"])
def test_nobody_beats_the_oracle_by_more_than_the_order_of_a_heavy_tail(name: str) -> None:
    """0.97 is what the order of the records alone can win."""
    full = lab.scenario(name)
    scenario = dataclasses.replace(full, n=full.n // 4)
    for client in ("aimd", "botocore"):
        assert lab.run(scenario, client, seed=1).ratio >= 0.97


def test_the_oracle_uses_every_server_and_no_more_than_the_quota() -> None:
    """Equal records on c servers take n/c service times; a quota stretches them to its rate."""
    equal = lab.Service(0.1)
    free = lab.Scenario("free", "", lab.Provider(10, equal), 1_000)
    assert free.oracle_s(0) == pytest.approx(10.0 + 0.03)
    bound = lab.Scenario(
        "bound", "", lab.Provider(10, equal, quotas=(lab.TokenBucket(20, 1),)), 1_000
    )
    assert bound.oracle_s(0) == pytest.approx(999 / 20 + 0.1 + 0.03)


def test_the_oracle_waits_for_the_end_of_an_outage() -> None:
    """What was in the house at its beginning is done again."""
    provider = lab.Provider(10, lab.Service(0.1), events=(lab.Outage(5.05, 25),))
    assert lab.Scenario("", "", provider, 1_000).oracle_s(0) == pytest.approx(30.03)


def test_refusals_come_where_the_provider_says() -> None:
    """A full queue answers 503, a hard cap 429 without Retry-After, a quota 429 with one."""
    queue = lab.run(SMALL, fixed(40))
    assert queue.refused > 0
    assert queue.throttled == 0
    cap = lab.Provider(8, lab.Service(0.1), hard_cap=8)
    capped = lab.run(lab.Scenario("", "", cap, 1_000), fixed(12))
    assert capped.throttled > 0
    assert capped.refused == 0
    below = lab.run(lab.Scenario("", "", cap, 1_000), fixed(8))
    assert below.waste == 0
    seen = []

    class Listening(Fixed):
        def learn(self, now_s: float, flight: lab.Flight, ok: bool) -> None:
            if not ok:
                seen.append(flight.retry_after_s)

    quota = lab.Provider(8, lab.Service(0.1), quotas=(lab.FixedWindow(100, 60),))
    lab.run(lab.Scenario("", "", quota, 200), lambda seed: Listening(8))
    assert seen
    assert all(wait == int(wait) and 1 <= wait <= 60 for wait in seen if wait is not None)
    assert None not in seen


def test_past_the_knee_throughput_falls() -> None:
    """Twice the servers in the house makes each record 2^1.5 times as long."""
    knee = lab.Scenario("", "", lab.Provider(10, lab.Service(0.1), knee=1.5), 2_000)
    at, past = lab.run(knee, fixed(10)), lab.run(knee, fixed(20))
    assert past.makespan_s / at.makespan_s > 1.7


def test_events_happen_when_stated() -> None:
    """Capacity, outages, slowness and delay show in the moments between their times only."""
    provider = lab.Provider(
        8,
        lab.Service(0.1),
        events=(
            lab.CapacityDrop(5, 10, 16, 2),
            lab.Outage(20, 30),
            lab.Outage(40, 50, hangs=True),
        ),
        timeout_s=10,
    )
    result = lab.run(lab.Scenario("", "", provider, 2_000), fixed(8), trace=True)
    at = {moment.t: moment for moment in result.moments}
    assert [at[t].servers for t in (4.5, 5.5, 9.5, 11.5, 13.5, 16.5)] == [8, 2, 2, 3, 5, 8]
    assert [at[t].up for t in (19.5, 20.5, 29.5, 30.5, 40.5, 49.5)] == [
        True,
        False,
        False,
        True,
        False,
        False,
    ]
    assert at[25.0].done == at[29.5].done
    assert result.outage_sent is not None
    assert result.outage_sent > 1_000  # it hammers an outage that answers at once
    assert result.unanswered >= 8


def test_a_slowdown_and_a_delay_lengthen_what_begins_meanwhile() -> None:
    """Ten times the service, or two seconds of travel, and back to normal after."""

    def latencies(event: lab.Slowdown | lab.Delay) -> list[tuple[float, float]]:
        seen: list[tuple[float, float]] = []

        class Timing(Fixed):
            def learn(self, now_s: float, flight: lab.Flight, ok: bool) -> None:
                seen.append((flight.sent_s, now_s - flight.sent_s))

        provider = lab.Provider(8, lab.Service(0.1), events=(event,))
        lab.run(lab.Scenario("", "", provider, 800), lambda seed: Timing(4))
        return seen

    for sent, took in latencies(lab.Slowdown(4, 8, 10)):
        assert took == pytest.approx(1.03 if 4 <= sent + 0.015 < 8 else 0.13)
    for sent, took in latencies(lab.Delay(4, 8, 2)):
        assert took == pytest.approx(2.13 if 4 <= sent < 8 else 0.13)


def test_what_hangs_is_lost_and_times_out_at_the_client() -> None:
    """An outage that hangs swallows what is in the house too."""
    provider = lab.Provider(
        4, lab.Service(0.5), events=(lab.Outage(1.2, 30, hangs=True),), timeout_s=5
    )
    race = Race(lab.Scenario("", "", provider, 100), fixed(4), "fixed", 0, False, 20)
    result = race.run()
    assert race.server.outage != HANGS
    assert result.unanswered == race.server.lost
    assert result.unanswered % 4 == 0


def test_a_client_that_waits_for_nothing_is_named() -> None:
    """No request under way and no wake-up is a deadlock, not an endless run."""

    class Stuck(Fixed):
        def ask(self, now_s: float, pending: int, retry: bool, record: int) -> float:
            return float("inf")

    with pytest.raises(lab.Deadlock, match="in small at"):
        lab.run(SMALL, lambda seed: Stuck())


def test_an_experiment_is_given_up_and_extrapolated() -> None:
    """Unfinished at the multiple of the oracle; the ratio is scaled by what was done."""
    result = lab.run(SMALL, fixed(1), give_up=2.0)
    assert not result.finished
    assert result.ratio > 2.0


def test_jain_is_one_for_even_and_a_half_for_one_of_two() -> None:
    """Counts only what fell into the common time."""
    assert jain([[1, 2, 3], [1, 2, 3]], 0, 10) == 1
    assert jain([[1, 2, 3], []], 0, 10) == 0.5
    assert jain([[1, 2, 3, 50], [4, 5, 6]], 0, 10) == 1


def test_two_workers_split_the_records() -> None:
    """Each does its own half; both are counted."""
    two = dataclasses.replace(SMALL, starts_s=(0.0, 1.0))
    result = lab.run(two, fixed(4))
    assert result.finished
    assert result.jain is not None
    assert result.jain > 0.99


def test_each_part_of_the_governor_is_missed_when_taken_out() -> None:
    """Delay signal: a standing queue. Breaker: an outage hammered. The rest: slower."""
    scenario = dataclasses.replace(lab.scenario("S1"), n=5_000)
    whole, blind = lab.run(scenario, "ventil"), lab.run(scenario, "no-delay-signal")
    assert blind.overload > 0.5 > whole.overload
    outage = lab.Provider(10, lab.Service(0.1), events=(lab.Outage(5, 65),))
    scenario = lab.Scenario("out", "", outage, 2_000)
    whole, rash = lab.run(scenario, "ventil"), lab.run(scenario, "no-breaker")
    assert whole.outage_sent is not None
    assert rash.outage_sent is not None
    assert whole.outage_sent <= 25 < rash.outage_sent


def test_a_warm_start_goes_on_where_the_run_before_stopped() -> None:
    """The second run of a fast provider needs no ramp-up."""
    scenario = lab.Scenario("fast", "", lab.Provider(200, lab.Service(0.1, 0.5)), 20_000)
    cold, warm = lab.run(scenario, "ventil"), lab.run(scenario, "ventil-warm")
    assert warm.ratio < cold.ratio
    assert warm.client == "ventil-warm"


def test_retries_may_wait_behind_first_tries() -> None:
    """Then what failed comes last, and a job with errors ends later for it."""
    scenario = SHORT["E1"]
    first = lab.run(scenario, "ventil", seed=0)
    last = lab.run(scenario, "ventil", seed=0, retries_last=True)
    assert first.finished
    assert last.finished
    assert last.makespan_s > first.makespan_s
