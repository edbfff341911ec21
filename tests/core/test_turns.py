"""Whose turn it is: who was served least, and a person's run before the others."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from ventil.core.places import URGENT_IN_A_ROW
from ventil.core.turns import Turns

KIND = (1, False)
RETRY = (1, True)


def served(turns: Turns, most: int) -> list[str]:
    """The runs of the next turns, *most* of them."""
    runs = []
    while len(runs) < most and (ask := turns.next((), retries=True)) is not None:
        turns.take(ask)
        runs.append(ask[0])
    return runs


def test_a_small_run_gets_its_half_beside_a_large_one() -> None:
    """And then the large one has all."""
    turns = Turns()
    turns.want(("large", "w", KIND), 100)
    turns.want(("small", "w", KIND), 3)
    assert Counter(served(turns, 6)) == {"large": 3, "small": 3}
    assert served(turns, 2) == ["large", "large"]


def test_who_wanted_nothing_for_a_while_has_no_credit() -> None:
    """It begins where the others are."""
    turns = Turns()
    turns.want(("a", "w", KIND), 100)
    served(turns, 50)
    turns.want(("late", "w", KIND), 100)
    assert Counter(served(turns, 10)) == {"a": 5, "late": 5}


def test_heavy_requests_pay_more() -> None:
    """What is even is the weight."""
    turns = Turns()
    turns.want(("heavy", "w", (4, False)), 100)
    turns.want(("light", "w", KIND), 100)
    assert Counter(served(turns, 50)) == {"heavy": 10, "light": 40}


def test_an_urgent_run_goes_first_and_lets_others_in() -> None:
    """Every fourth turn is theirs while they wait."""
    turns = Turns()
    turns.want(("patient", "w", KIND), 100)
    turns.want(("urgent", "w", KIND), 100)
    turns.urgent("urgent")
    row = ["urgent"] * URGENT_IN_A_ROW + ["patient"]
    assert served(turns, 2 * len(row)) == row + row


def test_a_run_that_wants_nothing_is_not_remembered_as_urgent() -> None:
    """However often it says so."""
    turns = Turns()
    turns.urgent("u")
    turns.want(("u", "w", KIND), 0)
    turns.want(("a", "w", KIND), 4)
    turns.want(("u", "w", KIND), 4)
    assert Counter(served(turns, 4)) == {"a": 2, "u": 2}


def test_the_barred_and_the_retries_are_passed_over() -> None:
    """Another worker of the same run has the turn."""
    turns = Turns()
    turns.want(("a", "v", RETRY), 1)
    turns.want(("a", "w", KIND), 1)
    assert turns.next((), retries=True) == ("a", "v", RETRY)
    assert turns.next((), retries=False) == ("a", "w", KIND)
    assert turns.next({"v"}, retries=True) == ("a", "w", KIND)
    assert turns.next({"v", "w"}, retries=True) is None


def test_who_leaves_wants_nothing() -> None:
    """In no run; the others stay."""
    turns = Turns()
    for run in ("a", "b"):
        for worker in ("v", "w"):
            turns.want((run, worker, KIND), 2)
    turns.leave("v")
    assert (turns.waiting, turns.runs, turns.workers) == (4, 2, {"w"})
    turns.leave("w")
    assert (turns.waiting, turns.runs, turns.workers) == (0, 0, set())


_ASKS = st.tuples(
    st.sampled_from("abc"), st.sampled_from("vw"), st.sampled_from([KIND, RETRY, (3, False)])
)


@given(st.dictionaries(_ASKS, st.integers(1, 9), max_size=12), st.sets(st.sampled_from("abc")))
def test_everything_that_is_wanted_gets_its_turn_once(
    wanted: dict[tuple[str, str, tuple[int, bool]], int], urgent: set[str]
) -> None:
    """In whatever order."""
    turns = Turns()
    for ask, count in wanted.items():
        turns.want(ask, count)
    for run in urgent:
        turns.urgent(run)
    found: Counter[tuple[str, str, tuple[int, bool]]] = Counter()
    while (ask_next := turns.next((), retries=True)) is not None:
        turns.take(ask_next)
        found[ask_next] += 1
    assert found == wanted
    assert turns.waiting == 0
