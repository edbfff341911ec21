"""The transport on aiohttp: one session per provider, and everything fetched is hostile.

What is bounded: the time of the whole exchange, the header fields (aiohttp: 8 KiB a
line), the body both as it comes and decoded, so that a decompression bomb ends at the
bound and not in memory. Redirects are not followed: the answer is handed on as it is and
the caller says where it pointed. Cookies are not kept, `.netrc` is not read.
"""

from __future__ import annotations

import errno
import os
import ssl
import urllib.request
import zlib
from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

import aiohttp
from yarl import URL

from ventil.adapters.connections import Connections, NotPublic, PublicResolver
from ventil.adapters.plain import PlainGet, plain_get
from ventil.core.exchange import Fault, FaultKind, Reply, Request, Response

_ACCEPTED: Final = "gzip, deflate"
_READ: Final = 64 * 1024
_CONNECT_S: Final = 10.0
"""Seconds for TCP and TLS to be set up, however long the answer may take afterwards."""


class HttpTransport:
    """Sends requests to one base URL.

    `base_url` has no trailing slash. `timeout_s` bounds an exchange from the connection to
    the last byte. `connections` bounds the sockets open at once; it should not be below
    the provider's ceiling of requests in flight. `authorization` is sent to the base URL
    alone, never to another origin that a request names; and what such an origin's name
    resolves to must be public.
    """

    def __init__(
        self,
        base_url: str,
        *,
        user_agent: str,
        timeout_s: float,
        connections: int,
        authorization: str | None = None,
    ) -> None:
        self._base = base_url.rstrip("/")
        self._timeout_s = timeout_s
        self._timeout = aiohttp.ClientTimeout(
            total=timeout_s, sock_connect=min(_CONNECT_S, timeout_s)
        )
        self._connections = connections
        self._headers = {
            "User-Agent": user_agent,
            "Accept": "application/json",
            "Accept-Encoding": _ACCEPTED,
        }
        self._authorization = {"Authorization": authorization} if authorization else {}
        self._proxy = _proxy_for(self._base)
        self._peer = _peer(self._base, self._proxy)
        self._path = URL(self._base, encoded=True).raw_path.rstrip("/")
        self._session: aiohttp.ClientSession | None = None
        self._elsewhere: aiohttp.ClientSession | None = None  # other origins, no proxy
        self._plain: PlainGet | None = None

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._pool = self._connect()
            self._session = self._new_session(self._pool)
        return self._session

    def _open_for(self, request: Request) -> aiohttp.ClientSession:
        """The session that may connect to where *request* goes."""
        origin = request.origin
        if origin is None or _proxy_for(origin) or URL(origin) == URL(self._base).origin():
            return self._open()
        if self._elsewhere is None:
            self._elsewhere = self._new_session(self._connect(resolver=PublicResolver()))
        return self._elsewhere

    def _connect(self, resolver: PublicResolver | None = None) -> Connections:
        return Connections(
            limit=self._connections, limit_per_host=0, ttl_dns_cache=300, resolver=resolver
        )

    def _new_session(self, pool: Connections) -> aiohttp.ClientSession:
        session = aiohttp.ClientSession(
            connector=pool,
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=self._timeout,
            headers=self._headers,
            auto_decompress=False,
            trust_env=False,
        )
        # aiohttp 3.14 sends an idempotent request a second time when the connection
        # breaks before the answer (client.py, after RFC 9112, 9.3.1), also a fresh
        # connection. No quota would know of it, and there is no public switch.
        session._retry_connection = False
        return session

    async def send(self, request: Request) -> Reply:
        """One exchange. Whatever the network does becomes a `Fault`.

        Raises ValueError for a target that is not a path: it could name another host.
        """
        if not request.target.startswith("/"):
            raise ValueError(f"the target {request.target[:60]!r} does not begin with /")
        try:
            plain = self._plain or await self._open_plain()
            head = plain.head(self._path + request.target) if self._is_plain(request) else None
            if head is not None:
                bound = request.max_body_bytes
                status, headers, body = await plain.exchange(
                    head, lambda headers, content: _read(headers, content, bound), _is_whole
                )
                if isinstance(body, Fault):
                    return body
                return Response(status, _lower(headers), body)
            with plain.others():
                return await self._send(request)
        except aiohttp.ConnectionTimeoutError:
            return Fault(FaultKind.CONNECT, f"{self._peer} did not accept a connection in time")
        except TimeoutError:
            return Fault(FaultKind.TIMEOUT, f"no complete answer within {self._timeout_s:g} s")
        except (aiohttp.ClientError, OSError, ValueError) as error:
            host = urlsplit(request.origin or self._base).netloc
            return _fault(error, host, host if request.origin else self._peer)

    async def _send(self, request: Request) -> Reply:
        """The session's way."""
        async with self._open_for(request).request(
            request.method,
            URL((request.origin or self._base) + request.target, encoded=True),
            headers=self._fields(request) or None,
            data=request.body,
            allow_redirects=False,
            proxy=_proxy_for(request.origin) if request.origin else self._proxy,
        ) as answer:
            body = await _read(answer.headers, answer.content, request.max_body_bytes)
            if isinstance(body, Fault):
                answer.close()
                return body
            return Response(answer.status, _lower(answer.headers), body)

    def _fields(self, request: Request) -> Mapping[str, str]:
        """The request's own header fields, and who we are where that is asked for."""
        if request.origin is not None or not self._authorization:
            return request.headers
        return {**self._authorization, **request.headers}

    def _is_plain(self, request: Request) -> bool:
        """Whether *request* may go the plain way, if its path is plain too."""
        return not (
            request.method != "GET"
            or request.headers
            or request.body is not None
            or self._proxy is not None
            or request.origin is not None
            or self._authorization
        )

    async def _open_plain(self) -> PlainGet:
        session = self._open()
        self._plain = await plain_get(
            session, self._pool, self._base, self._timeout, self._timeout_s
        )
        return self._plain

    async def close(self) -> None:
        """Close all connections."""
        if self._plain is not None:
            self._plain.close()
            self._plain = None
        for session in (self._session, self._elsewhere):
            if session is not None:
                await session.close()
        self._session = self._elsewhere = None


def _is_whole(body: bytes | Fault) -> bool:
    return not isinstance(body, Fault)


def _lower(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}


async def _read(
    headers: Mapping[str, str], content: aiohttp.StreamReader, bound: int
) -> bytes | Fault:
    """The decoded body, or the fault that it is."""
    encoding = headers.get("Content-Encoding", "identity").strip().lower()
    if encoding in ("identity", ""):
        decoder = None
    elif encoding in ("gzip", "x-gzip"):
        decoder = zlib.decompressobj(16 + zlib.MAX_WBITS)
    elif encoding == "deflate":
        decoder = zlib.decompressobj()
    else:
        return Fault(
            FaultKind.ENCODING, f"content encoding {encoding[:40]!r} was not asked for"
        )
    length = headers.get("Content-Length", "")
    declared = int(length) if length.isdecimal() else None
    if declared is not None and declared > bound:
        return _too_large(bound)
    if decoder is None and declared is not None and content.is_eof():
        whole = content.read_nowait()  # it came with its head: the usual case
        return whole if len(whole) <= bound else _too_large(bound)
    parts: list[bytes] = []
    size = packed = 0
    async for data in content.iter_chunked(_READ):
        if decoder is not None:
            packed += len(data)
            if packed > bound:  # it may unpack to nothing at all
                return _too_large(bound)
            if decoder.eof:
                return Fault(FaultKind.ENCODING, f"more bytes follow the {encoding} body")
            try:
                data = decoder.decompress(data, bound - size + 1)
            except zlib.error:
                return Fault(FaultKind.ENCODING, f"the body is no valid {encoding}")
        size += len(data)
        if size > bound:
            return _too_large(bound)
        parts.append(data)
    if decoder is not None:
        if decoder.unconsumed_tail:
            return _too_large(bound)
        if packed and not decoder.eof:
            return Fault(FaultKind.BROKEN, f"the {encoding} body was cut off")
        if decoder.unused_data:
            return Fault(FaultKind.ENCODING, f"more bytes follow the {encoding} body")
    return parts[0] if len(parts) == 1 else b"".join(parts)


def _too_large(bound: int) -> Fault:
    return Fault(FaultKind.TOO_LARGE, f"the body is larger than {bound // 1024} KiB")


def _fault(error: Exception, host: str, peer: str) -> Fault:
    """Name what happened; the order is from the special to the general.

    `peer` is whom we connect to: the host, or the proxy before it.
    """
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        if isinstance(error.os_error, NotPublic):
            return Fault(FaultKind.DNS, str(error.os_error))
        return Fault(FaultKind.DNS, f"the host name {peer} does not resolve")
    if isinstance(error, aiohttp.ClientSSLError | ssl.SSLError):
        return Fault(FaultKind.TLS, f"no TLS connection to {host}: {_words(error)}")
    if isinstance(error, aiohttp.ClientConnectorError):
        return Fault(FaultKind.CONNECT, f"cannot connect to {peer}: {_words(error.os_error)}")
    if isinstance(error, aiohttp.ClientPayloadError):
        return Fault(FaultKind.BROKEN, "the answer was cut off")
    if isinstance(error, aiohttp.ServerDisconnectedError | ConnectionError):
        return Fault(FaultKind.CONNECT, f"{host} closed the connection without an answer")
    if isinstance(error, aiohttp.ClientResponseError):
        return Fault(FaultKind.BROKEN, f"{host} did not answer in HTTP")
    return Fault(FaultKind.CONNECT, f"{host}: {_words(error)}")


def _words(error: BaseException) -> str:
    """The system's words for an error number, or the error's own; one printable line."""
    number = getattr(error, "errno", None)
    text = getattr(error, "strerror", None) or str(error)
    # OpenSSL counts its reasons in the field that holds the system's error numbers.
    if isinstance(number, int) and number in errno.errorcode and not _is_tls(error):
        text = os.strerror(number)
    line = (text or type(error).__name__).split("\n", 1)[0][:200]
    return "".join(c if c.isprintable() else " " for c in line)


def _is_tls(error: BaseException) -> bool:
    return isinstance(error, ssl.SSLError)


def _peer(base_url: str, proxy: str | None) -> str:
    """Whom we connect to, for messages: no user, no password."""
    if proxy is None:
        return urlsplit(base_url).netloc
    return f"the proxy {urlsplit(proxy).netloc.rpartition('@')[2]}"


def _proxy_for(base_url: str) -> str | None:
    """The proxy of the environment for this URL; never one for a loopback address."""
    parts = urlsplit(base_url)
    host = parts.hostname or ""
    if host == "localhost" or host == "::1" or host.startswith("127."):
        return None
    if urllib.request.proxy_bypass(host):
        return None
    return urllib.request.getproxies().get(parts.scheme)
