"""`ventil serve`: an HTTP server for answers that come later, and for a look at the state.

`POST /callbacks/TOKEN` is for providers, and what a reverse proxy lets through from outside.
The rest is for the people and probes of the house: `GET /healthz`, and, unless turned off,
`GET /` and `GET /status.json`.

There is no list of routes with patterns: a path is one of those, letter by letter, or it is
not there. Nothing is logged, because a callback's path holds its secret.
"""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import re
from collections.abc import Callable
from urllib.parse import urlsplit

from aiohttp import web

from ventil.errors import PortError, StateError
from ventil.ports import Callback
from ventil.web.answers import SECURE, Reply, as_json, error, page
from ventil.web.places import Full, Places
from ventil.wiring.serving import Serving
from ventil.wiring.workshop import Workshop

MOST_BODY_BYTES = 1024 * 1024
"""The largest answer that is taken."""

BODY_S = 10.0
"""The longest that a body may take to arrive."""

HEAD_S = 10.0
"""The longest that a connection may take to its first, or next, whole head of a request."""

WRITE_S = 10.0
"""The longest that somebody may take to read what is answered."""

MOST_AT_ONCE = 64
"""Calls under way; see `places` for what happens when one more comes."""

MOST_CONNECTIONS = 256
"""Connections; when one more comes, the one that has been idle for longest is closed."""

_TOKEN = re.compile(r"/callbacks/([A-Za-z0-9_-]{16,128})", re.ASCII)

_READ = ("/healthz", "/", "/status.json")

_ANSWERS = {
    Callback.TAKEN: as_json(200, {"state": "taken"}),
    Callback.REPEATED: as_json(200, {"state": "taken before; nothing has changed"}),
    Callback.OVER: error(410, "nobody waits for this answer any more"),
    Callback.UNKNOWN: error(404, "not found"),
}


_SILENT = logging.Logger("ventil.web")
_SILENT.addHandler(logging.NullHandler())


class _TooLarge(Exception):
    """The body is larger than allowed."""


class Server:
    """Serves one state. `show_status`: also how things stand, to whoever asks.

    *own_host* is the name under which the world reaches it; None for none.
    """

    def __init__(self, serving: Serving, *, show_status: bool, own_host: str | None) -> None:
        self._serving = serving
        self._show_status = show_status
        self._own_host = own_host
        self._places = Places(MOST_AT_ONCE)
        self._busy: set[web.RequestHandler] = set()

    def busy(self, connection: web.RequestHandler) -> bool:
        """Whether a request of a connection is under way."""
        return connection in self._busy

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """The answer to a request; it is sent already, or the connection is closed."""
        self._busy.add(request.protocol)
        try:
            response = await self._handle(request)
            try:
                async with asyncio.timeout(WRITE_S):
                    await response.prepare(request)
                    await response.write_eof()
            except TimeoutError:
                if request.transport is not None:
                    request.transport.abort()
            return response
        finally:
            self._busy.discard(request.protocol)

    async def _handle(self, request: web.BaseRequest) -> web.Response:
        try:
            reply = await self._reply(request)
        except StateError:
            reply = error(503, "the state database does not answer", Retry_After="5")
        except Exception as fault:  # of ours; its words may hold what is nobody's business
            reply = error(500, f"internal error: {type(fault).__name__}", close=True)
        return _response(reply)

    async def _reply(self, request: web.BaseRequest) -> Reply:
        path = request.raw_path.partition("?")[0]
        called = _TOKEN.fullmatch(path)
        if called is not None:
            if request.method != "POST":
                return error(405, "POST the answer here", Allow="POST")
            return await self._callback(request, called[1])
        if path not in (_READ if self._show_status else _READ[:1]):
            return error(404, "not found", close=request.can_read_body)
        if request.method not in ("GET", "HEAD"):
            return error(405, "only to be read", close=True, Allow="GET, HEAD")
        if path == "/healthz":
            return await self._healthz()
        if not self._is_ours(request.headers.get("Host", "")):
            # A page of somebody else's, whose name was made to lead here (DNS rebinding).
            return error(421, "ask for it by the server's own address")
        return await (self._page() if path == "/" else self._json())

    # -- answers that come later -----------------------------------------------------

    async def _callback(self, request: web.BaseRequest, token: str) -> Reply:
        if request.headers.get("Content-Encoding", "identity").lower() != "identity":
            return error(415, "send it without a content encoding", close=True)
        try:
            async with self._places.place() as place:
                come_to, whose = await self._serving.expects(token)
                if come_to is not Callback.TAKEN:
                    return _ANSWERS[come_to]  # a body on its way is not waited for
                async with self._places.reading(place, whose, BODY_S):
                    await _go_on(request)
                    body = await _body(request)
                content_type = request.headers.get("Content-Type", "")
                return _ANSWERS[await self._serving.call(token, body, content_type)]
        except _TooLarge:
            return error(413, f"at most {MOST_BODY_BYTES} bytes", close=True)
        except Full:
            return error(503, "too many at once", close=True, Retry_After="1")
        except TimeoutError:
            return error(408, f"the body did not arrive within {BODY_S:g} s", close=True)
        except web.RequestPayloadError:
            return error(400, "the body is broken off", close=True)

    # -- how things stand ------------------------------------------------------------

    async def _healthz(self) -> Reply:
        await self._serving.check()
        return as_json(200, {"ok": True})

    async def _page(self) -> Reply:
        return page(await self._serving.status())

    async def _json(self) -> Reply:
        return as_json(200, await self._serving.status())

    def _is_ours(self, host: str) -> bool:
        try:
            name = urlsplit(f"//{host}").hostname or ""
        except ValueError:
            return False
        if name in ("localhost", self._own_host):
            return True
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return False
        return True


async def _go_on(request: web.BaseRequest) -> None:
    """Tell a caller to send the body, who asks before it does."""
    if request.headers.get("Expect", "").lower() == "100-continue":
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        request.writer.output_size = 0  # the answer itself is still to come


def _response(reply: Reply) -> web.Response:
    response = web.Response(status=reply.status, body=reply.body)
    response.headers["Content-Type"] = reply.content_type
    for name, text in {**SECURE, **reply.headers}.items():
        response.headers[name] = text
    if reply.close:
        response.force_close()
    return response


class _Connection(web.RequestHandler):
    """One that tells nobody what it did not understand: there may be a secret in it."""

    __slots__ = ()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        if request.writer.output_size > 0:
            raise ConnectionError("an answer has begun already")
        return _response(error(status, "this is not understood", close=True))


class _Front(web.Server):
    """Takes connections, up to a bound, and closes those that say nothing."""

    def __init__(self, server: Server) -> None:
        super().__init__(server.handle)
        self._handling = server

    def __call__(self) -> web.RequestHandler:
        return _Connection(
            self,
            loop=asyncio.get_running_loop(),
            logger=_SILENT,
            auto_decompress=False,
            keepalive_timeout=HEAD_S,
            lingering_time=1.0,
        )

    def connection_made(
        self, handler: web.RequestHandler, transport: asyncio.Transport
    ) -> None:
        """Close another that says nothing when it is one too many, or else this one."""
        super().connection_made(handler, transport)
        if len(self.connections) <= MOST_CONNECTIONS:
            return
        for connection in self.connections:  # in the order in which they came
            if not self._handling.busy(connection) and connection.transport is not None:
                connection.force_close()
                return


async def _body(request: web.BaseRequest) -> bytes:
    """The body, in pieces as they arrive, up to the bound. Raises _TooLarge."""
    if (request.content_length or 0) > MOST_BODY_BYTES:
        raise _TooLarge
    body = bytearray()
    async for piece in request.content.iter_any():
        body += piece
        if len(body) > MOST_BODY_BYTES:
            raise _TooLarge
    return bytes(body)


async def serve(
    workshop: Workshop,
    *,
    host: str,
    port: int,
    show_status: bool,
    ready: Callable[[str], None],
    stop: asyncio.Event,
) -> None:
    """Serve until *stop*; *ready* is told the address.

    Raises PortError, StateError, WrongDatabase.
    """
    serving = Serving(workshop)
    try:
        await serving.open()
        own_host = urlsplit(workshop.settings.callback_url).hostname
        server = Server(serving, show_status=show_status, own_host=own_host)
        runner = web.ServerRunner(_Front(server), shutdown_timeout=5.0)
        await runner.setup()
        try:
            await web.TCPSite(runner, host, port).start()
            taken = runner.addresses[0]
            shown = f"[{taken[0]}]" if ":" in taken[0] else taken[0]
            ready(f"http://{shown}:{taken[1]}")
            await stop.wait()
        except OSError as fault:
            raise PortError(
                f"cannot listen on {host}:{port}: {fault.strerror or fault}",
                hint="choose another --port; 0 takes a free one",
            ) from fault
        finally:
            await runner.cleanup()
    finally:
        await serving.close()
