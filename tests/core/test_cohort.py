"""Send cohorts, their pool, and throughput."""

from __future__ import annotations

from random import Random

from ventil.core.cohort import Cohort, Pool, Throughput


def filled(times: list[float], began_s: float = 0.0) -> Cohort:
    """A cohort of requests sent at once, none answered yet."""
    cohort = Cohort(len(times), began_s)
    cohort.sent = len(times)
    return cohort


def test_it_never_waits_for_the_slow_ones() -> None:
    """Edge case 7: bimodal 5 ms and 70 s; final as soon as a quarter has answered."""
    cohort = filled([0.0] * 12)
    cohort.answered(0.005)
    cohort.answered(0.005)
    assert cohort.final(0.01) is None
    cohort.answered(0.006)
    assert cohort.final(0.01) == (0.006, 0.001)


def test_it_is_not_biased_to_the_fast_ones() -> None:
    """A quarter has answered, but a younger member could still be faster: not final."""
    cohort = filled([0.0] * 12)
    cohort.last_sent_s = 1.0
    for _ in range(3):
        cohort.answered(0.5)
    assert cohort.final(1.4) is None
    assert cohort.final(1.5) is not None


def test_all_identical_times_have_no_scatter() -> None:
    """Edge case 7: all identical, standard error 0."""
    cohort = filled([0.0] * 12)
    for _ in range(12):
        cohort.answered(0.1)
    assert cohort.final(1.0) == (0.1, 0.0)


def test_refused_members_do_not_count() -> None:
    """A cohort that lost most of its members says nothing."""
    cohort = filled([0.0] * 12)
    cohort.void = 6
    assert not cohort.hopeless
    cohort.void = 7
    assert cohort.hopeless


def test_a_pool_is_surer_than_a_cohort() -> None:
    """Its value scatters less than those of the cohorts in it."""
    random, pool = Random(1), Pool()
    value_s = error_s = own_s = 0.0
    for _ in range(20):
        cohort = filled([0.0] * 12)
        for _ in range(12):
            cohort.answered(random.lognormvariate(0.0, 0.6))
        value_s, error_s = pool.add(cohort)
        own_s = (cohort.final(99.0) or (0.0, 0.0))[1]
    assert 0.55 < value_s < 0.8  # the true lower quartile is 0.667
    assert error_s > 0
    assert own_s > 0


def test_throughput_counts_the_latest_answers() -> None:
    """Answers per second, falling as silence goes on."""
    throughput = Throughput()
    assert throughput.rate(40, 0.0) == 0.0
    for n in range(1000):
        throughput.answered(n * 0.1)
    assert abs(throughput.rate(40, 99.9) - 10.0) < 0.3
    assert throughput.rate(40, 199.9) < 0.5
    throughput.forget()
    assert throughput.rate(40, 200.0) == 0.0
