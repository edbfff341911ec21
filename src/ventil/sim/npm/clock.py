"""The simulator's own clock: real, scaled, or a test's."""

from __future__ import annotations

import asyncio
import time
from typing import Protocol


class Clock(Protocol):
    """What the simulator knows of time. A test brings one of its own."""

    def now_s(self) -> float:
        """Seconds since the epoch, UTC; never goes back."""

    async def sleep(self, seconds: float) -> None:
        """Return after *seconds* of this clock."""


class SystemClock:
    """UTC at the start plus monotonic time since, times *speed*.

    A *speed* of 60 makes an hour's ban pass in a minute; quotas scale with it.
    """

    def __init__(self, speed: float = 1.0) -> None:
        self._speed = speed
        self._utc_s = time.time()
        self._start_s = time.monotonic()

    def now_s(self) -> float:
        """Seconds since the epoch, UTC, at this clock's speed."""
        return self._utc_s + (time.monotonic() - self._start_s) * self._speed

    async def sleep(self, seconds: float) -> None:
        """Sleep *seconds* of this clock, which is `seconds / speed` of the real one."""
        await asyncio.sleep(seconds / self._speed)


class ManualClock:
    """A clock for tests: it stands still until told.

    `sleep` returns when the clock has been advanced far enough. With *jumps* it advances
    the clock itself and returns at once, so that a slow answer takes no real time.
    `slept_s` are the lengths of all sleeps, in order.
    """

    def __init__(self, now_s: float = 1_795_219_200.0, *, jumps: bool = False) -> None:
        self._now_s = now_s
        self._jumps = jumps
        self._sleepers: list[tuple[float, asyncio.Event]] = []
        self._more = asyncio.Event()
        self.slept_s: list[float] = []

    def now_s(self) -> float:
        """Seconds since the epoch; by default it starts on 2026-11-21, 00:00 UTC."""
        return self._now_s

    def advance(self, seconds: float) -> None:
        """Move on by *seconds* and wake who has slept long enough."""
        self._now_s += seconds
        woken = [event for until_s, event in self._sleepers if until_s <= self._now_s]
        self._sleepers = [s for s in self._sleepers if s[0] > self._now_s]
        for event in woken:
            event.set()

    async def asleep(self, count: int) -> None:
        """Return when at least *count* sleep at once."""
        while len(self._sleepers) < count:
            self._more.clear()
            await self._more.wait()

    async def sleep(self, seconds: float) -> None:
        """Sleep until the clock has moved on by *seconds*."""
        self.slept_s.append(seconds)
        if self._jumps:
            self.advance(seconds)
            await asyncio.sleep(0)
        elif seconds > 0:
            event = asyncio.Event()
            self._sleepers.append((self._now_s + seconds, event))
            self._more.set()
            await event.wait()
