"""Whose fault a failing answer is: told by who else was answered."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ventil.core.blame import HOPELESS, IN_A_ROW, OTHERS, Blame


def fail(blame: Blame, chunk: int, *records: str) -> list[bool]:
    """These fail, one after another: whose fault was it?"""
    return [blame.failed(chunk, record) for record in records]


def names(count: int) -> list[str]:
    """So many different records."""
    return [f"r{number}" for number in range(count)]


def test_an_outage_is_nobodys_own_fault() -> None:
    """However many fail however often: while nobody is answered, it is the provider."""
    blame = Blame()
    for chunk in range(3):
        blame.answered(chunk, "well")
    for _ in range(5):
        for chunk in range(3):
            assert not any(fail(blame, chunk, *(f"{chunk}/{name}" for name in names(20))))


def test_a_record_that_fails_while_others_are_answered_fails_by_itself() -> None:
    """From the third time on: the first two may be chance."""
    blame = Blame()
    told = []
    for _ in range(4):
        told += fail(blame, 0, "broken")
        blame.answered(0, "other")
    assert told == [False, False, True, True]
    blame.answered(0, "broken")
    assert fail(blame, 0, "broken") == [False]


def test_a_chunk_that_fails_beside_others_fails_by_itself() -> None:
    """Once enough of its records have failed, none was answered, and others were."""
    blame = Blame()
    told = []
    for name in names(IN_A_ROW + 3):
        told += fail(blame, 1, name)
        blame.answered(2, f"well {name}")
    assert told == [False] * (IN_A_ROW - 1) + [True] * 4
    blame.answered(1, "r0")
    assert fail(blame, 1, "r9") == [False]


def test_answers_before_the_first_failure_do_not_count() -> None:
    """They say that the provider was well, not that it is."""
    blame = Blame()
    for name in names(50):
        blame.answered(2, name)
    assert not any(fail(blame, 1, *names(50)))
    for _ in range(OTHERS):
        assert not blame.failed(3, "x")
        blame.answered(2, "late")
    assert blame.failed(1, "r0")


def test_a_chunk_is_hopeless_only_if_it_failed_before() -> None:
    """And only after so many different records in a row."""
    blame = Blame()
    fail(blame, 1, *names(20))
    assert not blame.hopeless(1)
    blame.failed_before(2)
    fail(blame, 2, *["same"] * 20, *names(HOPELESS - 2))
    assert not blame.hopeless(2)
    fail(blame, 2, "last")
    assert blame.hopeless(2)
    blame.answered(2, "last")
    assert not blame.hopeless(2)


def test_what_earlier_attempts_tell() -> None:
    """A record after whose failure others were answered need not show it once more."""
    blame = Blame()
    blame.failed_before(1, ["broken"])
    assert fail(blame, 1, "broken", "other") == [True, False]


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 3), st.integers(0, 5))))
def test_nobody_is_blamed_without_an_answer_for_another(
    events: list[tuple[bool, int, int]],
) -> None:
    """Whatever happens in whatever order."""
    blame = Blame()
    answers = 0
    since_first: dict[str, int] = {}
    since_streak: dict[int, int] = {}
    for answered, chunk, number in events:
        record = f"{chunk}/{number}"
        if answered:
            blame.answered(chunk, record)
            answers += 1
            since_first.pop(record, None)
            since_streak.pop(chunk, None)
        else:
            first = since_first.setdefault(record, answers)
            streak = since_streak.setdefault(chunk, answers)
            if blame.failed(chunk, record):
                assert answers > min(first, streak)
