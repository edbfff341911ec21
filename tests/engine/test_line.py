"""Who is next at a gate."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ventil.core.places import URGENT_IN_A_ROW
from ventil.engine.line import WaitingLine


@pytest.fixture
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    """A loop to make futures on; nothing runs."""
    made = asyncio.new_event_loop()
    yield made
    made.close()


def join(line: WaitingLine, loop: asyncio.AbstractEventLoop, name: str) -> asyncio.Future:  # type: ignore[type-arg]
    """u1 is urgent, n1 is not; r in the name is a retry."""
    permit = loop.create_future()
    line.join(permit, weight=1, retry="r" in name, record=name, urgent=name[0] == "u")
    return permit


def order(line: WaitingLine, *, retries: bool = True) -> list[str]:
    """Everybody in the line, as they would go."""
    names = []
    while (ticket := line.next(retries=retries)) is not None:
        line.leave(ticket)
        names.append(str(ticket.record))
    return names


def test_within_a_class_it_is_the_order_of_arrival(loop: asyncio.AbstractEventLoop) -> None:
    """Retries before first tries, and each among themselves."""
    line = WaitingLine()
    for name in ("n1", "nr2", "n3", "nr4"):
        join(line, loop, name)
    assert order(line) == ["nr2", "nr4", "n1", "n3"]
    assert not line


def test_a_retry_does_not_go_before_an_urgent_first_try(
    loop: asyncio.AbstractEventLoop,
) -> None:
    """A person waits for it."""
    line = WaitingLine()
    for name in ("nr1", "u2", "ur3"):
        join(line, loop, name)
    assert order(line) == ["ur3", "u2", "nr1"]


def test_urgent_ones_go_first_and_starve_nobody(loop: asyncio.AbstractEventLoop) -> None:
    """A small ad-hoc run beside a nightly one: three of four permits are its own."""
    line = WaitingLine()
    for number in range(4):
        join(line, loop, f"n{number}")
    for number in range(7):
        join(line, loop, f"u{number}")
    assert order(line) == ["u0", "u1", "u2", "n0", "u3", "u4", "u5", "n1", "u6", "n2", "n3"]


def test_retries_are_passed_over_when_asked(loop: asyncio.AbstractEventLoop) -> None:
    """Their budget is spent: first tries of either class go on."""
    line = WaitingLine()
    for name in ("ur1", "nr1", "n2"):
        join(line, loop, name)
    assert order(line, retries=False) == ["n2"]
    assert len(line) == 2


def test_who_gave_up_is_not_next(loop: asyncio.AbstractEventLoop) -> None:
    """A cancelled request costs nobody a turn."""
    line = WaitingLine()
    join(line, loop, "n1").cancel()
    join(line, loop, "n2")
    assert order(line) == ["n2"]


@given(st.lists(st.tuples(st.sampled_from("un"), st.booleans()), max_size=60))
def test_nobody_is_lost_and_nobody_waits_for_ever(kinds: list[tuple[str, bool]]) -> None:
    """Everyone goes once, and a waiting class goes at least every fourth time."""
    loop = asyncio.new_event_loop()
    try:
        line = WaitingLine()
        for number, (kind, retry) in enumerate(kinds):
            join(line, loop, f"{kind}{'r' if retry else ''}{number}")
        names = order(line)
    finally:
        loop.close()
    assert len(names) == len(set(names)) == len(kinds)
    left = sum(name[0] == "n" for name in names)
    in_a_row = 0
    for name in names:
        if name[0] == "n":
            left, in_a_row = left - 1, 0
        elif left:
            in_a_row += 1
            assert in_a_row <= URGENT_IN_A_ROW


def test_who_waits_is_counted_by_class(loop: asyncio.AbstractEventLoop) -> None:
    """Urgent or not, first tries and retries apart."""
    line = WaitingLine()
    assert line.waiting() == {}
    for name in ("n1", "nr2", "u3", "n4"):
        join(line, loop, name)
    assert line.waiting() == {(1, False): 3, (1, True): 1}
