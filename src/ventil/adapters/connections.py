"""aiohttp's pool of connections, with less trust in what is at the other end.

HTTP/1.1 answers in order, so a byte that comes unasked is taken for the beginning of the
next answer: a proxy's late `408 Request Timeout` would answer a request that was sent
afterwards. aiohttp 3.14 looks at that when a connection is given back and not when it is
taken out again; and it queues what it has parsed without a bound. Both are mended here.
"""

from __future__ import annotations

import asyncio
import functools
import ipaddress
import socket
from collections.abc import Sequence
from typing import Any
from weakref import WeakSet

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.client_proto import ResponseHandler
from aiohttp.client_reqrep import ClientRequest
from aiohttp.connector import Connection
from aiohttp.tracing import Trace

_MOST_QUEUED = 64
"""Heads that may wait to be read on one connection: 1xx answers are heads of their own."""


class Connections(aiohttp.TCPConnector):
    """A pool that hands out no connection on which something has arrived unasked."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        protocol: type[ResponseHandler] = _Protocol
        self._factory = functools.partial(protocol, loop=asyncio.get_running_loop())
        self._used: WeakSet[ResponseHandler] = WeakSet()

    async def connect(
        self,
        req: ClientRequest,
        traces: Sequence[Trace],
        timeout: aiohttp.ClientTimeout,  # noqa: ASYNC109 - the library's signature
    ) -> Connection:
        """A connection that is new, or quiet since its last answer."""
        while True:
            connection = await super().connect(req, list(traces), timeout)
            protocol = connection.protocol
            if protocol is None or protocol not in self._used:
                if protocol is not None:
                    self._used.add(protocol)
                return connection
            if not protocol.should_close:
                return connection
            connection.close()


class NotPublic(OSError):
    """A host name that leads into a private network, or to this machine."""


class PublicResolver(AbstractResolver):
    """Resolves names to public addresses alone.

    For hosts that an answer named and not the user: anybody may let a public name point to
    an address inside. What is checked here is what is connected to, so that a name which
    answers differently the second time gains nothing.
    """

    def __init__(self) -> None:
        self._resolver = aiohttp.ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """The public ones of the host's addresses. Raises NotPublic when there is none."""
        found = await self._resolver.resolve(host, port, family)
        public = [
            one
            for one in found
            if ipaddress.ip_address(one["host"].partition("%")[0]).is_global
        ]
        if not public:
            raise NotPublic(f"{host} leads to an address that is not public")
        return public

    async def close(self) -> None:
        """Nothing is kept open."""
        await self._resolver.close()


class _Protocol(ResponseHandler):
    """Drops the connection of a peer that answers without end and without being asked."""

    def feed_data(self, data: Any, size: int = 0) -> None:
        if len(self) >= _MOST_QUEUED and self.transport is not None:
            self.transport.abort()
            return
        super().feed_data(data, size)

    def resume_reading(self, resume_parser: bool = True) -> None:
        # aiohttp calls this after each read; mostly there is nothing to resume.
        if self._reading_paused or self._buffer_paused:
            super().resume_reading(resume_parser)
