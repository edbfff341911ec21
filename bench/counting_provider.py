"""A provider that lets everything through and remembers when: the judge of limits.

    python -m bench.counting_provider [--latency 0.05] [--spread 0.5] [--seed 1]

It speaks just enough HTTP and npm's download API for the job, in one process without any
library, so that little of what it measures is its own doing. It remembers of each request
when its head was read and when it had been worked on, by its own steady clock (on Linux the
same for all processes of a machine). A request whose client is gone is worked on all the
same, as behind most load balancers. `GET /-/log` gives all of it as JSON.
"""

from __future__ import annotations

import argparse
import asyncio
import datetime as dt
import gc
import json
import random
import time
from urllib.parse import unquote


class Provider:
    """What is remembered. `arrived` and `ended` are steady seconds, in their own order."""

    def __init__(self, latency_s: float, spread: float, seed: int) -> None:
        self._latency_s = latency_s
        self._spread = spread
        self._random = random.Random(seed)
        self.arrived: list[float] = []
        self.ended: list[float] = []
        self.names: list[str] = []

    def latency_s(self) -> float:
        """How long the next request is worked on."""
        return self._latency_s * (1 + self._spread * self._random.uniform(-1, 1))

    def log(self) -> bytes:
        """Everything so far."""
        seen = {"arrived": self.arrived, "ended": self.ended, "names": self.names}
        return json.dumps(seen).encode()


def interval(period: str) -> tuple[str, str]:
    """First and last day of `last-week`, of a day, or of `START:END`."""
    if period == "last-week":
        yesterday = dt.datetime.now(dt.UTC).date() - dt.timedelta(days=1)
        return str(yesterday - dt.timedelta(days=6)), str(yesterday)
    start, _, end = period.partition(":")
    return start, end or start


class Connection(asyncio.Protocol):
    """One client's connection; one request at a time."""

    def __init__(self, provider: Provider) -> None:
        self._provider = provider
        self._loop = asyncio.get_running_loop()
        self._kept = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client came."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Perhaps a whole head."""
        now_s = time.monotonic()
        self._kept += data
        while b"\r\n\r\n" in self._kept:
            head, _, self._kept = self._kept.partition(b"\r\n\r\n")
            target = head.split(b" ", 2)[1].decode()
            provider = self._provider
            if target == "/-/log":
                self._answer(provider.log())
                continue
            provider.arrived.append(now_s)
            self._loop.call_later(provider.latency_s(), self._worked_on, target)

    def _worked_on(self, target: str) -> None:
        provider = self._provider
        *_, period, name = unquote(target).split("/", 4)
        provider.ended.append(time.monotonic())
        provider.names.append(name)
        start, end = interval(period)
        body = {"downloads": 7, "start": start, "end": end, "package": name}
        self._answer(json.dumps(body).encode())

    def _answer(self, body: bytes) -> None:
        if self._transport is None or self._transport.is_closing():
            return
        head = (
            f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
        )
        self._transport.write(head.encode() + b"\r\n\r\n" + body)


async def serve(provider: Provider) -> None:
    """Serve on a free port, which is printed, until killed."""
    server = await asyncio.get_running_loop().create_server(
        lambda: Connection(provider), "127.0.0.1", 0
    )
    host, port = server.sockets[0].getsockname()
    print(f"listening http://{host}:{port}", flush=True)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m bench.counting_provider")
    parser.add_argument("--latency", type=float, default=0.05, help="seconds, on average")
    parser.add_argument("--spread", type=float, default=0.5, help="part of it, both ways")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    gc.disable()  # a pause of the judge's would look like the clients' doing
    asyncio.run(serve(Provider(options.latency, options.spread, options.seed)))
