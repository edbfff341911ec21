"""Holding back for the provider's sake, by the objectives that a user states."""

from __future__ import annotations

from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ventil.core.etiquette import LONGEST_REST_S, ROUND, Etiquette


def rounds(
    etiquette: Etiquette, count: int, latency_s: float, *, failed: bool = False, at_s: float
) -> float:
    """So many rounds of equal answers, as many in flight as allowed; the time after them."""
    for _ in range(count):
        for _ in range(ROUND):
            in_flight = 20 if etiquette.ceiling == inf else int(etiquette.ceiling)
            etiquette.answered(at_s + latency_s, at_s, failed=failed, in_flight=in_flight)
        at_s += latency_s + 0.001
    return at_s


def test_without_objectives_nothing_is_held_back() -> None:
    """Whatever happens."""
    etiquette = Etiquette(None, None)
    assert not etiquette.stated
    rounds(etiquette, 50, 60.0, failed=True, at_s=0.0)
    assert (etiquette.ceiling, etiquette.rest_s) == (inf, 0.0)


def test_slow_answers_lower_the_ceiling_round_by_round() -> None:
    """From what was in use: 20, 14, 9, 6, 4, 2, 1; and then there are rests."""
    etiquette = Etiquette(1.0, None)
    at_s, seen = 0.0, []
    for _ in range(8):
        at_s = rounds(etiquette, 1, 3.0, at_s=at_s)
        seen.append((etiquette.ceiling, etiquette.rest_s))
    assert seen == [(14, 0), (9, 0), (6, 0), (4, 0), (2, 0), (1, 0), (1, 1), (1, 2)]
    assert etiquette.why == "answers take 3 s, the objective is 1 s"
    assert etiquette.next_s > at_s


def test_failures_above_the_objective_count_as_well() -> None:
    """However quick they are."""
    etiquette = Etiquette(None, 0.1)
    rounds(etiquette, 1, 0.1, failed=True, at_s=0.0)
    assert etiquette.ceiling == 14
    assert etiquette.why == "100% of the answers fail, the objective is 10%"


def test_a_few_slow_records_are_no_provider_out_of_breath() -> None:
    """The usual answer counts, not the slowest."""
    etiquette = Etiquette(1.0, None)
    for number in range(20 * ROUND):
        at_s = 100.0 * number
        etiquette.answered(
            at_s + (70.0 if number % 3 == 0 else 0.1), at_s, failed=False, in_flight=20
        )
    assert etiquette.ceiling == inf


def test_it_lets_go_gently_when_the_objective_is_met() -> None:
    """Two good rounds a step; the rests go first; in the end nothing is held back."""
    etiquette = Etiquette(1.0, None)
    at_s = rounds(etiquette, 8, 3.0, at_s=0.0)
    assert (etiquette.ceiling, etiquette.rest_s) == (1, 2)
    at_s = rounds(etiquette, 2, 0.2, at_s=at_s)
    assert (etiquette.ceiling, etiquette.rest_s) == (1, 1)
    at_s = rounds(etiquette, 2, 0.2, at_s=at_s)
    assert (etiquette.ceiling, etiquette.rest_s) == (1, 0)
    at_s = rounds(etiquette, 2, 0.2, at_s=at_s)
    assert etiquette.ceiling == 2.25
    for _ in range(40):
        for _ in range(ROUND):
            in_flight = min(20, int(min(etiquette.ceiling, 1000)))
            etiquette.answered(at_s + 0.2, at_s, failed=False, in_flight=in_flight)
        at_s += 0.3
    assert etiquette.ceiling == inf


def test_answers_to_older_requests_do_not_judge_the_new_ceiling() -> None:
    """They were sent when more was allowed."""
    etiquette = Etiquette(1.0, None)
    at_s = rounds(etiquette, 1, 3.0, at_s=0.0)
    for _ in range(100):
        assert not etiquette.answered(at_s + 9.0, 0.0, failed=False, in_flight=20)
    assert etiquette.ceiling == 14


@pytest.mark.parametrize("failed", [True, False])
@given(st.lists(st.tuples(st.floats(0, 100), st.integers(1, 500)), max_size=400))
def test_bounds_hold_for_any_answers(failed: bool, answers: list[tuple[float, int]]) -> None:
    """A ceiling of at least one and a rest of at most a minute: it never stops us."""
    etiquette = Etiquette(0.5, 0.05)
    at_s = 0.0
    for latency_s, in_flight in answers:
        etiquette.answered(at_s + latency_s, at_s, failed=failed, in_flight=in_flight)
        at_s += latency_s / 2
        assert etiquette.ceiling >= 1
        assert 0 <= etiquette.rest_s <= LONGEST_REST_S
        assert etiquette.next_s <= at_s + latency_s + LONGEST_REST_S
