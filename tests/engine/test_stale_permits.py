"""A process that was stopped between the permit and the request."""

from __future__ import annotations

import asyncio
from typing import Any

from ventil.core.exchange import Outcome, Reply, Request, Response, Verdict
from ventil.core.permit import Permit
from ventil.engine.door import STALE_S, Door


class Clock:
    """Stands, until somebody moves it."""

    def __init__(self) -> None:
        self.at_s = 100.0

    def now_s(self) -> float:
        """The time."""
        return self.at_s


class Gate:
    """Gives a permit of now; before the first is heard of, the process is stopped."""

    blame: Any = None

    def __init__(self, clock: Clock, stopped_s: float) -> None:
        self._clock = clock
        self._stopped_s = stopped_s
        self.settled: list[tuple[float, Verdict]] = []

    async def acquire(self, **_: object) -> Permit:
        """A permit."""
        now_s = self._clock.at_s
        self._clock.at_s += self._stopped_s
        self._stopped_s = 0.0
        return Permit(1, now_s, 1, False, None, 1, 0, probe=False, gate_probe=False)

    def settle(self, permit: Permit, outcome: Outcome, at_s: float) -> None:
        """It is given back."""
        self.settled.append((permit.sent_s, outcome.verdict))


class Transport:
    """Notes when something is sent."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.sent: list[float] = []

    async def send(self, request: Request) -> Reply:
        """An answer."""
        self.sent.append(self._clock.at_s)
        return Response(200, {}, b"")


class Api:
    """Everything is well."""

    def judge(self, request: Request, reply: Reply, now_s: float) -> Outcome:
        """Not, here."""
        return Outcome(Verdict.REFUSED)


def exchange(stopped_s: float) -> tuple[Gate, Transport, Permit]:
    """Send one request; what gate and transport saw, and the permit it went out on."""
    clock = Clock()
    gate, transport = Gate(clock, stopped_s), Transport(clock)
    gate.blame = None
    parts: tuple[Any, ...] = (Api(), transport, gate, clock)
    door = Door(*parts, tries=1)
    door.blame = None  # type: ignore[assignment]
    _, held = asyncio.run(door.exchange(Request("/x"), "x", 0, lambda: None))
    assert held is not None
    return gate, transport, held[0]


def test_an_old_permit_is_given_back() -> None:
    """The windows have moved on since: another one is asked for."""
    gate, transport, permit = exchange(10.0)
    assert gate.settled == [(100.0, Verdict.IGNORED)]
    assert transport.sent == [110.0]
    assert permit.sent_s == 110.0


def test_a_moment_is_nothing() -> None:
    """A busy machine is late now and then."""
    gate, transport, permit = exchange(STALE_S / 2)
    assert gate.settled == []
    assert len(transport.sent) == 1
    assert permit.sent_s == 100.0
