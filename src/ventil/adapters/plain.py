"""The plain case of an exchange, straight on a connection of the pool.

A GET without a body and with the session's own header fields is nearly all that is ever
sent here. aiohttp's session spends half of a request's time on what such a request does
not have: cookies, redirects, bodies, traces, hooks. This takes a connection from the same
pool, writes the head, and reads with the same parser under the same bounds; what goes
wrong raises the same errors.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import TypeVar

import aiohttp
from aiohttp.client_middlewares import ClientHandlerType
from aiohttp.client_reqrep import ClientRequest, ClientResponse
from aiohttp.http import HttpProcessingError
from aiohttp.streams import EofStream, StreamReader

from ventil.adapters.connections import Connections

_BUFFER = 64 * 1024

_T = TypeVar("_T")


class PlainGet:
    """GETs that differ in nothing but their path; made with `plain_get`."""

    def __init__(
        self, pool: Connections, pattern: ClientRequest, timeout: aiohttp.ClientTimeout
    ) -> None:
        self._pool = pool
        self._pattern = pattern
        self._timeout = timeout
        fields = "".join(f"{name}: {value}\r\n" for name, value in pattern.headers.items())
        self._rest = f" HTTP/1.1\r\n{fields}\r\n".encode()

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

        The connection goes back to the pool when the body was read to its end, which
        *whole* says, and is closed otherwise. Raises what aiohttp's session would; not
        bounded in time but for the connection.
        """
        try:
            connection = await self._pool.connect(self._pattern, (), self._timeout)
        except TimeoutError as error:
            raise aiohttp.ConnectionTimeoutError("no connection in time") from error
        try:
            protocol = connection.protocol
            transport = None if protocol is None else protocol.transport
            if protocol is None or transport is None or transport.is_closing():
                raise aiohttp.ClientConnectionResetError("the connection is closed")
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
        if whole(body):
            connection.release()
        else:
            connection.close()
        return message.code, message.headers, body


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
) -> PlainGet:
    """GETs as *session* would make them for paths at *url*; sends nothing."""
    try:
        await session.get(url, middlewares=(_look,))
    except _Seen as seen:
        return PlainGet(pool, seen.request, timeout)
    raise RuntimeError("the session made no request")
