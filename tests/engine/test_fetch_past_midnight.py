"""A run that goes on past midnight keeps to the days it began with."""

from __future__ import annotations

import asyncio
import datetime as dt
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from math import inf
from typing import Any

from ventil.core.blame import Blame
from ventil.core.exchange import Outcome, Reply, Request, Response
from ventil.core.model import Sample, Status
from ventil.core.period import Period
from ventil.core.permit import Permit
from ventil.engine.door import Door
from ventil.engine.fetch import Fetcher
from ventil.providers import get

TODAY = dt.date(2026, 11, 21)


@dataclass
class FixedClock:
    """Always the same time."""

    time_s: float

    def now_s(self) -> float:
        """The time it was made with."""
        return self.time_s


class OpenGate:
    """Lets everything through at once."""

    breaker_open = False
    blame = Blame()

    async def acquire(self, **_: Any) -> Permit:
        """Nobody waits."""
        return Permit(1, inf, 1, False, None, 1, 0, probe=False, gate_probe=False)

    def answered(self, _permit: Permit, _outcome: Outcome, _now_s: float) -> None:
        """Nothing waits for the store."""

    def settle(self, _permit: Permit, _outcome: Outcome, _now_s: float) -> None:
        """Nothing is learned."""


@dataclass
class ListLedger:
    """Keeps what is written."""

    samples: list[Sample] = field(default_factory=list)

    async def write(self, samples: list[Sample], _now_s: float) -> None:
        """Store *samples*."""
        self.samples.extend(samples)

    def put(self, samples: list[Sample], _now_s: float, afterwards: Callable[[], None]) -> None:
        """Store *samples*, and go on."""
        self.samples.extend(samples)
        afterwards()


@dataclass
class Answering:
    """A transport on which every package had 7 downloads in the days asked about."""

    targets: list[str] = field(default_factory=list)

    async def send(self, request: Request) -> Reply:
        """The answer to a `point` request about a range or about last-week."""
        self.targets.append(request.target)
        _, _, _, days, name = request.target.split("/", 4)
        start, end = ("2026-11-14:2026-11-20" if days == "last-week" else days).split(":")
        body = {"downloads": 7, "start": start, "end": end, "package": name}
        return Response(200, {}, json.dumps(body).encode())


def fetch_on(day: dt.date) -> tuple[list[str], list[Sample]]:
    """What is asked, and what comes of it, for a run of last-week that began TODAY."""
    transport, ledger = Answering(), ListLedger()
    noon = dt.datetime.combine(day, dt.time(12), dt.UTC)
    npm, clock = get("npm-downloads"), FixedClock(noon.timestamp())
    gate: Any = OpenGate()
    fetcher = Fetcher(
        recipe=npm,
        doors={npm.name: Door(npm, transport, gate, clock, tries=1)},  # type: ignore[arg-type]
        ledger=ledger,  # type: ignore[arg-type]
        clock=clock,
        period=Period.parse("last-week", today=TODAY),
    )
    asyncio.run(fetcher.batch(["tiny-lib"], {}))
    return transport.targets, ledger.samples


def test_on_its_own_day_a_named_period_is_asked_by_name() -> None:
    """The provider knows best which days it has."""
    targets, samples = fetch_on(TODAY)
    assert targets == ["/downloads/range/last-week/tiny-lib"]
    assert [sample.status for sample in samples] == [Status.OK]


def test_on_a_later_day_it_is_asked_by_its_dates() -> None:
    """Resumed three days later, the run still covers the week it was started for."""
    targets, samples = fetch_on(TODAY + dt.timedelta(days=3))
    assert targets == ["/downloads/point/2026-11-14:2026-11-20/tiny-lib"]
    assert [sample.status for sample in samples] == [Status.OK]
    assert samples[0].interval == Period.parse("last-week", today=TODAY).interval
