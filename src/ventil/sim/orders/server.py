"""A simulated provider on loopback that takes orders and answers them through a webhook.

`POST /orders` with `{"record": ..., "callback": URL}` is answered with 202 and `{"id": ...}`;
an order that comes again with the same `Idempotency-Key` is the same order. Later the answer,
`{"record": ..., "value": N}`, is posted to the callback, and `GET /orders/ID` gives it (202
before that). `GET /seen` tells what it has seen.

What may go wrong, by record or by seed: the callback comes `twice`; `early`, before the 202;
`never` (nor does a poll find anything); with `garbage` in it; too `large`; or the order is
`refused` with 500. A callback that is not answered with 2xx is tried again, three times.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import signal
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

import aiohttp
from aiohttp import web

from ventil.errors import PortError, SettingError

FAULTS = ("twice", "early", "never", "garbage", "large", "refused")
ROUGH_SHARE = 0.5
"""Of the records that meet a fault in the scenario `rough`."""

_TRIES = 3
_LARGE = 3 * 1024 * 1024


@dataclass(slots=True)
class Seen:
    """What the provider has seen: orders by record (again and again is several), the answers
    to its callbacks by status, polls.
    """

    orders: dict[str, int] = field(default_factory=dict)
    callbacks: dict[int, int] = field(default_factory=dict)
    polls: int = 0


@dataclass(slots=True)
class _Order:
    id: str
    record: str
    callback: str
    ready: bool = False


def value_of(record: str) -> int:
    """The answer to an order."""
    return int.from_bytes(hashlib.sha256(record.encode()).digest()[:2], "big")


class OrdersSim:
    """The provider; an async context manager. Entering raises PortError.

    `delay_s`: from the order to its answer, None for not before `answer_all`. `faults`: by
    record; every other record meets a fault with the chance `share`, by *seed*.
    """

    def __init__(
        self,
        *,
        delay_s: float | None = 1.0,
        faults: Mapping[str, str] | None = None,
        share: float = 0.0,
        seed: int = 0,
        host: str = "127.0.0.1",
        port: int = 0,
    ) -> None:
        self.url = ""
        self.seen = Seen()
        self.delay_s = delay_s
        self._faults = faults or {}
        self._share = share
        self._seed = seed
        self._host = host
        self._port = port
        self._orders: dict[str, _Order] = {}
        self._by_reference: dict[str, _Order] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._runner: web.ServerRunner | None = None
        self._client: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        self._client = aiohttp.ClientSession()
        runner = web.ServerRunner(
            web.Server(self._handle), access_log=None, shutdown_timeout=0.1
        )
        await runner.setup()
        self._runner = runner
        try:
            await web.TCPSite(runner, self._host, self._port, backlog=512).start()
        except OSError as error:
            await self._close()
            raise PortError(
                f"cannot listen on {self._host}:{self._port}: {error.strerror or error}",
                hint="choose another --port, or 0 for a free one",
            ) from error
        self.url = f"http://{self._host}:{runner.addresses[0][1]}"
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._close()

    async def _close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._runner is not None:
            await self._runner.cleanup()
        if self._client is not None:
            await self._client.close()

    def fault_of(self, record: str) -> str:
        """The fault that a record meets; "" for none."""
        if record in self._faults:
            return self._faults[record]
        dice = hashlib.sha256(f"{self._seed}\0{record}".encode()).digest()
        if int.from_bytes(dice[:4], "big") / 2**32 >= self._share:
            return ""
        return FAULTS[dice[4] % len(FAULTS)]

    async def answer_all(self) -> None:
        """Answer every order that is not answered yet, now; return when all are told."""
        waiting = [self._answer(order) for order in self._orders.values() if not order.ready]
        await asyncio.gather(*waiting)

    # -- being asked -----------------------------------------------------------------

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        body = await request.read()
        if request.method == "GET" and request.path == "/seen":
            seen = self.seen
            found = {
                "orders": seen.orders,
                "callbacks": {str(status): n for status, n in seen.callbacks.items()},
                "polls": seen.polls,
            }
            return web.json_response(found)
        if request.method == "POST" and request.path == "/orders":
            return await self._take(request, body)
        if request.method == "GET" and request.path.startswith("/orders/"):
            self.seen.polls += 1
            order = self._orders.get(request.path.removeprefix("/orders/"))
            if order is None:
                return web.json_response({"error": "no such order"}, status=404)
            if order.ready and self.fault_of(order.record) != "never":
                return web.Response(body=self._content(order), content_type="application/json")
            return web.json_response({"id": order.id, "state": "working"}, status=202)
        return web.json_response({"error": "not found"}, status=404)

    async def _take(self, request: web.BaseRequest, body: bytes) -> web.StreamResponse:
        try:
            asked = json.loads(body)
            record, callback = str(asked["record"]), str(asked.get("callback", ""))
        except (ValueError, KeyError, TypeError, AttributeError):
            return web.json_response({"error": "record and callback, as JSON"}, status=400)
        self.seen.orders[record] = self.seen.orders.get(record, 0) + 1
        fault = self.fault_of(record)
        if fault == "refused":
            return web.json_response({"error": "try later"}, status=500)
        reference = request.headers.get("Idempotency-Key", "")
        order = self._by_reference.get(reference) if reference else None
        if order is None:
            number = f"{len(self._orders) + 1}"
            order = self._orders[number] = _Order(number, record, callback)
            if reference:
                self._by_reference[reference] = order
            if fault == "early":
                await self._answer(order)
            elif self.delay_s is not None:
                self._later(order, self.delay_s)
        else:
            order.callback = callback or order.callback
        return web.json_response({"id": order.id}, status=202)

    # -- answering -------------------------------------------------------------------

    def _later(self, order: _Order, delay_s: float) -> None:
        async def answer() -> None:
            await asyncio.sleep(delay_s)
            await self._answer(order)

        task = asyncio.get_running_loop().create_task(answer())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _answer(self, order: _Order) -> None:
        order.ready = True
        fault = self.fault_of(order.record)
        if fault == "never" or not order.callback:
            return
        content = {"garbage": b"\x00<not JSON", "large": b" " * _LARGE}.get(
            fault, self._content(order)
        )
        for _ in range(2 if fault == "twice" else 1):
            await self._call(order.callback, content)

    def _content(self, order: _Order) -> bytes:
        answer = {"record": order.record, "value": value_of(order.record)}
        return json.dumps(answer).encode()

    async def _call(self, url: str, content: bytes) -> None:
        assert self._client is not None  # noqa: S101 - it is open
        for number in range(_TRIES):
            if number:
                await asyncio.sleep(0.2 * number)
            with contextlib.suppress(aiohttp.ClientError, TimeoutError):
                async with self._client.post(
                    url,
                    data=content,
                    headers={"content-type": "application/json"},
                    timeout=aiohttp.ClientTimeout(total=10),
                ) as reply:
                    status = reply.status
                    self.seen.callbacks[status] = self.seen.callbacks.get(status, 0) + 1
                    if 200 <= status < 300 or status in (404, 410, 413):
                        return


def run(*, scenario: str, port: int, seed: int, speed: float) -> None:
    """Serve until SIGTERM or SIGINT; prints `listening http://HOST:PORT` when ready.

    Answers after 30 seconds, less at a greater *speed*. Raises PortError, SettingError.
    """
    shares = {"calm": 0.0, "rough": ROUGH_SHARE}
    if scenario not in shares:
        raise SettingError(
            f"orders have no scenario {scenario!r}", hint=f"one of {', '.join(shares)}"
        )
    if speed <= 0:
        raise SettingError(f"--speed {speed} must be above 0")

    async def serve() -> None:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        sim = OrdersSim(delay_s=30.0 / speed, share=shares[scenario], seed=seed, port=port)
        async with sim:
            print(f"listening {sim.url}", flush=True)
            await stop.wait()

    asyncio.run(serve())
