"""Runs take turns on a worker's slots: all are served, urgent ones first."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from ventil.core.places import BRIEF_TURN_S, TURN_S, Places


def test_a_lone_run_has_all_slots() -> None:
    """Two share them; when one is over the other has all again."""
    places = Places(5)
    assert places.turn(0.0, {"a": False}).begin == ("a",)
    assert places.share("a") == 5
    assert places.turn(1.0, {"a": False, "b": False}).begin == ("b",)
    assert (places.share("a"), places.share("b"), places.share("c")) == (3, 2, 0)
    places.over("a")
    assert places.share("b") == 5


def test_runs_take_turns() -> None:
    """A run gives its place up only when others wait, and after its turn."""
    places = Places(1)
    assert places.turn(0.0, {"a": False}).begin == ("a",)
    assert places.turn(100.0, {"a": False}).end == ()
    assert places.turn(101.0, {"a": False, "b": False}).end == ("a",)
    assert places.turn(102.0, {"a": False, "b": False}).end == ()  # once is enough
    places.over("a")
    assert places.turn(103.0, {"a": False, "b": False}).begin == ("b",)
    assert places.turn(103.0 + TURN_S - 1, {"a": False}).end == ()
    assert places.turn(103.0 + TURN_S, {"a": False}).end == ("b",)


def test_an_urgent_run_goes_first() -> None:
    """It does not wait for the turn's end, and passes those who wait."""
    places = Places(1)
    places.turn(0.0, {"a": False, "b": False})
    assert places.turn(BRIEF_TURN_S, {"b": False, "u": True}).end == ("a",)
    places.over("a")
    assert places.turn(BRIEF_TURN_S, {"a": False, "b": False, "u": True}).begin == ("u",)


def test_a_run_that_is_cancelled_while_it_waits_leaves_the_line() -> None:
    """It gets no place."""
    places = Places(1)
    places.turn(0.0, {"a": False, "b": False, "c": False})
    places.over("a")
    assert places.turn(1.0, {"c": False}).begin == ("c",)


@given(
    slots=st.integers(1, 6),
    others=st.integers(1, 20),
    urgent=st.integers(0, 6),
    stream=st.booleans(),
)
def test_nobody_starves(slots: int, others: int, urgent: int, stream: bool) -> None:
    """However many run, and whatever urgent ones come: each is served, none has two places."""
    places = Places(slots)
    holding: set[str] = set()
    served: Counter[str] = Counter()
    # Every place changes hands in a turn, and of four in a row one goes to the others.
    rounds = 4 * (others // slots + 2) + urgent
    for tick in range(int(rounds * (TURN_S + 1))):
        urgents = {f"u{n + (tick if stream else 0)}": True for n in range(urgent)}
        runs = {**{f"o{n}": False for n in range(others)}, **urgents}
        turn = places.turn(float(tick), runs)
        assert not holding & set(turn.begin)
        holding.update(turn.begin)
        assert len(holding) <= slots
        shared = sum(places.share(run) for run in holding)
        assert shared <= slots if turn.end or not holding else shared == slots
        served.update(holding)
        for run in turn.end:
            holding.remove(run)
            places.over(run)
    assert all(served[f"o{n}"] for n in range(others))
