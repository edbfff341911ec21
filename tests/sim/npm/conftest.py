"""Async tests run in an event loop of their own; a raw client that asks one simulator."""

from __future__ import annotations

import asyncio
import inspect
import json
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp
import pytest
from yarl import URL

from ventil.sim.npm import ManualClock, NpmSim, Report, Scenario

COUNTS = {
    "alpha": 700,
    "beta": 3,
    "gamma": 0,
    "delta": 1_000_000,
    "@s/one": 12_345,
    "@s/two": 1,
}


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run a coroutine function to its end."""
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    wanted = inspect.signature(pyfuncitem.obj).parameters
    arguments = {name: pyfuncitem.funcargs[name] for name in wanted}

    async def bounded() -> None:
        async with asyncio.timeout(30):  # a bug must not hang the suite
            await pyfuncitem.obj(**arguments)

    asyncio.run(bounded())
    return True


@dataclass(frozen=True)
class Got:
    """What a raw client saw."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True)
class Bench:
    """A simulator, its clock and a client."""

    sim: NpmSim
    clock: ManualClock
    client: aiohttp.ClientSession

    async def get(self, target: str, **headers: str) -> Got:
        url = URL(self.sim.url + target, encoded=True)
        async with self.client.get(url, headers=headers, allow_redirects=False) as answer:
            return Got(answer.status, dict(answer.headers), await answer.read())

    async def point(self, names: str, period: str = "last-week") -> Got:
        return await self.get(f"/downloads/point/{period}/{names}")

    async def until(self, done: Callable[[Report], bool]) -> Report:
        """Let the loop turn until the report says so."""
        while not done(report := self.sim.report()):  # noqa: ASYNC110 - no event to await
            await asyncio.sleep(0)
        return report

    async def statuses(self, times: int, names: str = "alpha") -> list[int]:
        return [(await self.point(names)).status for _ in range(times)]


Open = Callable[..., AbstractAsyncContextManager[Bench]]


@pytest.fixture
def play() -> Open:
    """Open a simulator for a scenario, on a clock that stands still (or jumps)."""

    @asynccontextmanager
    async def open_bench(
        scenario: Scenario | str = "calm", *, jumps: bool = False, **options: Any
    ) -> AsyncIterator[Bench]:
        clock = ManualClock(jumps=jumps)
        options.setdefault("counts", COUNTS)
        async with (
            NpmSim(scenario, clock=clock, **options) as sim,
            aiohttp.ClientSession(auto_decompress=False) as client,
        ):
            # aiohttp sends an idempotent request again, unasked, when the connection breaks
            # (3.14, client.py, RFC 9112 9.3.1); a raw client must send what it says.
            client._retry_connection = False
            yield Bench(sim, clock, client)

    return open_bench
