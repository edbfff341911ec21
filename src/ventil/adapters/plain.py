"""The plain case of an exchange, straight on a connection of the pool.

A GET without a body and with the session's own header fields is nearly all that is ever
sent here. aiohttp's session spends half of a request's time on what such a request does
not have: cookies, redirects, bodies, traces, hooks. This takes a connection from the same
pool, writes the head, and reads with the same parser under the same bounds; what goes
wrong raises the same errors.

A connection that is quiet after its answer is kept here for the next GET, and goes back to
the pool when others want it. All exchanges may take equally long, so one timer does for
all: it looks at the oldest.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import TypeVar

import aiohttp
from aiohttp.client_middlewares import ClientHandlerType
from aiohttp.client_proto import ResponseHandler
from aiohttp.client_reqrep import ClientRequest, ClientResponse
from aiohttp.connector import Connection
from aiohttp.http import HttpProcessingError
from aiohttp.streams import EofStream, StreamReader

from ventil.adapters.connections import Connections

_BUFFER = 64 * 1024

_IDLE_S = 15.0
"""Seconds that a quiet connection is trusted to be still there, as in aiohttp's pool."""

_T = TypeVar("_T")


class PlainGet:
    """GETs that differ in nothing but their path; made with `plain_get`.

    An exchange takes `timeout_s` at most, from asking for a connection to the last byte.
    """

    def __init__(
        self,
        pool: Connections,
        pattern: ClientRequest,
        timeout: aiohttp.ClientTimeout,
        timeout_s: float,
    ) -> None:
        self._pool = pool
        self._pattern = pattern
        self._timeout = timeout
        self._timeout_s = timeout_s
        fields = "".join(f"{name}: {value}\r\n" for name, value in pattern.headers.items())
        self._rest = f" HTTP/1.1\r\n{fields}\r\n".encode()
        self._loop = asyncio.get_running_loop()
        self._quiet: list[tuple[Connection, float]] = []
        self._wanted = 0  # so many wait for a connection of the pool, or use it without us
        self._ends_s: dict[ResponseHandler, float] = {}  # by when an answer must be whole
        self._timer: asyncio.TimerHandle | None = None

    def head(self, path: str) -> bytes | None:
        """The head of a GET for *path*; None when that could be more than a path."""
        if " " in path or "#" in path or not (path.isascii() and path.isprintable()):
            return None
        return b"GET " + path.encode() + self._rest

    async def exchange(
        self,
        head: bytes,
        read: Callable[[Mapping[str, str], StreamReader], Awaitable[_T]],
        whole: Callable[[_T], bool],
    ) -> tuple[int, Mapping[str, str], _T]:
        """Send *head*; status, header fields, and what *read* made of the body.

        The connection is used again when the body was read to its end, which *whole* says,
        and is closed otherwise. Raises what aiohttp's session would, and TimeoutError.
        """
        now_s = self._loop.time()
        end_s = now_s + self._timeout_s
        connection = self._take(now_s) or await self._connect()
        protocol = connection.protocol
        try:
            transport = None if protocol is None else protocol.transport
            if protocol is None or transport is None or transport.is_closing():
                raise aiohttp.ClientConnectionResetError("the connection is closed")
            self._ends_s[protocol] = end_s
            if self._timer is None:
                self._timer = self._loop.call_at(end_s, self._ring)
            protocol.set_response_params(
                read_until_eof=True, auto_decompress=False, read_bufsize=_BUFFER
            )
            transport.write(head)
            while True:
                message, content = await protocol.read()
                if message.code >= 200 or message.code == 101:
                    break
            body = await read(message.headers, content)
        except HttpProcessingError as error:
            connection.close()
            raise aiohttp.ClientResponseError(
                self._pattern.request_info, (), status=error.code, message=error.message
            ) from error
        except EofStream as error:
            connection.close()
            raise aiohttp.ServerDisconnectedError from error
        except BaseException:
            connection.close()
            raise
        finally:
            if protocol is not None:
                self._ends_s.pop(protocol, None)
        if not whole(body) or protocol.should_close:
            connection.close()
        elif self._wanted:
            connection.release()
        else:
            self._quiet.append((connection, now_s))
        return message.code, message.headers, body

    def _take(self, now_s: float) -> Connection | None:
        """A quiet connection, on which nothing has come unasked; None when there is none."""
        while self._quiet:
            connection, since_s = self._quiet.pop()
            protocol = connection.protocol
            if (
                protocol is not None
                and protocol.is_connected()
                and not protocol.should_close
                and now_s - since_s < _IDLE_S
            ):
                return connection
            connection.close()
        return None

    async def _connect(self) -> Connection:
        with self.others():
            async with asyncio.timeout(self._timeout_s):
                try:
                    return await self._pool.connect(self._pattern, (), self._timeout)
                except TimeoutError as error:
                    raise aiohttp.ConnectionTimeoutError("no connection in time") from error

    @contextlib.contextmanager
    def others(self) -> Iterator[None]:
        """While this lasts somebody wants the pool's connections: none is kept here."""
        self._wanted += 1
        try:
            while self._quiet:
                self._quiet.pop()[0].release()
            yield
        finally:
            self._wanted -= 1

    def _ring(self) -> None:
        """End the exchanges whose time is over."""
        self._timer = None
        now_s = self._loop.time()
        for protocol, end_s in list(self._ends_s.items()):
            if end_s <= now_s:
                del self._ends_s[protocol]
                protocol._on_read_timeout()
        if self._ends_s:
            self._timer = self._loop.call_at(min(self._ends_s.values()), self._ring)

    def close(self) -> None:
        """Close what is kept here."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        while self._quiet:
            self._quiet.pop()[0].close()


class _Seen(Exception):
    """Carries a request out of the session before anything is sent."""

    def __init__(self, request: ClientRequest) -> None:
        self.request = request


async def _look(request: ClientRequest, _handler: ClientHandlerType) -> ClientResponse:
    raise _Seen(request)


async def plain_get(
    session: aiohttp.ClientSession,
    pool: Connections,
    url: str,
    timeout: aiohttp.ClientTimeout,  # noqa: ASYNC109 - for later, and not of this call
    timeout_s: float,
) -> PlainGet:
    """GETs as *session* would make them for paths at *url*; sends nothing."""
    try:
        await session.get(url, middlewares=(_look,))
    except _Seen as seen:
        return PlainGet(pool, seen.request, timeout, timeout_s)
    raise RuntimeError("the session made no request")
