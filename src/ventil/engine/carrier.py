"""Requests that may share one: those who wait for a permit together go out together.

GraphQL lets many questions share a request. The more of them wait, the fuller the request
that the next permit lets out; for the first of them it lingers a moment, as others are
likely to come. What was too much for one request is asked in halves.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass, field
from typing import Any

from ventil.core.exchange import Reply, Request
from ventil.ports import Combiner

LINGER_S = 0.5
"""How long the first part waits for others before a permit is asked for."""

Send = Callable[[Callable[[], tuple[Request, bool]], str, int], Awaitable[Reply]]
"""Sends what the function makes once there is a permit (and whether it is of several)."""


class _Nobody(Exception):
    """All who waited have given up meanwhile."""


@dataclass(slots=True)
class _Pool:
    """Parts of one kind. `most` shrinks when requests turn out too large."""

    most: int
    parts: deque[tuple[Any, asyncio.Future[Reply]]] = field(default_factory=deque)
    wanted: asyncio.Event = field(default_factory=asyncio.Event)  # full enough to go
    carried: bool = False  # somebody waits for a permit for it


class Carrier:
    """Combines the parts of one provider's requests. Used from one event loop."""

    def __init__(self, combiner: Combiner, send: Send) -> None:
        self._combiner = combiner
        self._send = send
        self._pools: dict[Hashable, _Pool] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def exchange(self, part: Any, record: str, chunk: int) -> Reply:
        """The reply to *part*, as if it had been sent alone. Raises what sending raises."""
        kind = self._combiner.kind(part)
        pool = self._pools.get(kind)
        if pool is None:
            pool = self._pools[kind] = _Pool(self._combiner.most(part))
        future: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        pool.parts.append((part, future))
        if len(pool.parts) >= pool.most:
            pool.wanted.set()
        self._see_to(pool, record, chunk)
        return await future

    def close(self) -> None:
        """Carry nothing any more; those who wait are left to be cancelled."""
        for task in self._tasks:
            task.cancel()

    def _see_to(self, pool: _Pool, record: str, chunk: int) -> None:
        if pool.parts and not pool.carried:
            pool.carried = True
            task = asyncio.get_running_loop().create_task(self._carry(pool, record, chunk))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _carry(self, pool: _Pool, record: str, chunk: int) -> None:
        taken: list[tuple[Any, asyncio.Future[Reply]]] = []

        def make() -> tuple[Request, bool]:
            while pool.parts and len(taken) < pool.most:
                part, future = pool.parts.popleft()
                if not future.done():
                    taken.append((part, future))
            if not taken:
                raise _Nobody
            if pool.carried:  # whoever comes from now on goes with the next
                pool.carried = False
                pool.wanted.clear()
                self._see_to(pool, record, chunk)
            parts = [part for part, _ in taken]
            return self._combiner.combine(parts), len(parts) > 1

        try:
            await _linger(pool.wanted)
            if all(future.done() for _, future in pool.parts):  # nobody waits any longer
                pool.parts.clear()
                pool.carried = False
                return
            reply = await self._send(make, record, chunk)
        except BaseException as error:
            for _, future in taken or pool.parts:
                if future.done():
                    continue
                if isinstance(error, Exception):
                    future.set_exception(error)
                else:
                    future.cancel()
            if not taken:
                pool.parts.clear()
                pool.carried = False
            if not isinstance(error, Exception):
                raise
            return
        self._hand_out(pool, taken, reply)
        self._see_to(pool, record, chunk)

    def _hand_out(
        self, pool: _Pool, taken: list[tuple[Any, asyncio.Future[Reply]]], reply: Reply
    ) -> None:
        """Each its own reply; what got none stands at the front of the line again."""
        replies = self._combiner.split([part for part, _ in taken], reply)
        if replies is None:
            pool.most = max(1, len(taken) // 2)
            replies = [None] * len(taken)
        left = []
        for (part, future), own in zip(taken, replies, strict=True):
            if own is None:
                left.append((part, future))
            elif not future.done():
                future.set_result(own)
        pool.parts.extendleft(reversed(left))
        if left:
            pool.wanted.set()


async def _linger(wanted: asyncio.Event) -> None:
    try:
        async with asyncio.timeout(LINGER_S):
            await wanted.wait()
    except TimeoutError:
        pass
