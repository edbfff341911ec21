"""The simulated hosts on loopback: a port for each of them, as each is a host of its own."""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Self

from aiohttp import web

from ventil.errors import PortError
from ventil.sim.hosts.builder import build
from ventil.sim.hosts.hosts import NAMES, Hosts, Mood
from ventil.sim.hosts.world import World
from ventil.sim.npm.clock import Clock, SystemClock


class HostsSim:
    """Registries and code hosts over a *world*; an async context manager.

    *port* is the first one's, the others follow it in the order of `NAMES`; 0 takes free
    ones. *token* is what GitHub takes for a user's. Entering raises PortError when a port
    cannot be opened.
    """

    def __init__(
        self,
        world: World | None = None,
        *,
        mood: Mood | str = "calm",
        token: str | None = "sim-token",  # noqa: S107 - of a simulation
        seed: int = 0,
        clock: Clock | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
    ) -> None:
        self.world = world if world is not None else build(seed=seed)
        self.clock: Clock = clock or SystemClock()
        self.urls: dict[str, str] = {}
        self.hosts = Hosts(self.world, self.urls, mood=mood, token=token, seed=seed)
        self._host = host
        self._port = port
        self._runners: list[web.ServerRunner] = []

    async def __aenter__(self) -> Self:
        try:
            for number, name in enumerate(NAMES):
                await self._open(name, self._port + number if self._port else 0)
        except OSError as error:
            await self._close()
            raise PortError(
                f"cannot listen on {self._host}: {error.strerror or error}",
                hint="choose another first port, or 0 for free ones",
            ) from error
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._close()

    def settings(self) -> dict[str, str]:
        """What points a client here: dotted setting to value, for each provider."""
        return {
            f"providers.{name}.base_url": url
            for name, url in self.urls.items()
            if name != "pypi-files"  # only PyPI's answers name it
        }

    async def _open(self, name: str, port: int) -> None:
        async def handle(request: web.BaseRequest) -> web.StreamResponse:
            return await self._handle(name, request)

        runner = web.ServerRunner(web.Server(handle), access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        self._runners.append(runner)
        site = web.TCPSite(runner, self._host, port, backlog=512)
        await site.start()
        taken = runner.addresses[0][1]
        self.urls[name] = f"http://{self._host}:{taken}"

    async def _handle(self, name: str, request: web.BaseRequest) -> web.StreamResponse:
        body = await request.read()
        books = self.hosts.books[name]
        books.in_flight += 1
        books.most_in_flight = max(books.most_in_flight, books.in_flight)
        try:
            answer = self.hosts.respond(
                name,
                request.method,
                request.raw_path,
                request.headers,
                body,
                self.clock.now_s(),
            )
            if answer.never:
                await asyncio.sleep(3600)
            await self.clock.sleep(answer.delay_s)
        finally:
            books.in_flight -= 1
        return web.Response(status=answer.status, body=answer.body, headers=answer.headers)

    async def _close(self) -> None:
        for runner in self._runners:
            await runner.cleanup()
        self._runners.clear()
