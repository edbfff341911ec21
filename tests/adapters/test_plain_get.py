"""A GET on the short way is, on the wire, the GET that the session would have sent."""

from __future__ import annotations

import asyncio

import pytest

from ventil.adapters.http import HttpTransport
from ventil.adapters.plain import PlainGet
from ventil.core.exchange import Reply, Request, Response
from ventil.testing.raw_server import RawServer


async def ask(url: str, *targets: str) -> list[Reply]:
    """The replies to GETs, one after the other through one transport."""
    transport = HttpTransport(url, user_agent="test (x@y)", timeout_s=10, connections=1)
    try:
        return [await transport.send(Request(target)) for target in targets]
    finally:
        await transport.close()


@pytest.mark.parametrize("prefix", ["", "/mirror/npm"])
def test_both_ways_send_the_same_bytes(prefix: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Method, path, host and header fields are equal, byte for byte."""

    with RawServer(lambda exchange: exchange.answer(b"{}")) as server:
        url = f"{server.url}{prefix}"
        short = asyncio.run(ask(url, "/a/@b/c?d=e%20f"))
        monkeypatch.setattr(PlainGet, "head", lambda *_: None)
        session = asyncio.run(ask(url, "/a/@b/c?d=e%20f"))
        assert short == session
        assert isinstance(short[0], Response)
        assert server.heads[0] == server.heads[1]


def test_one_connection_serves_one_get_after_the_other() -> None:
    """What was read to its end goes back to the pool."""
    with RawServer(lambda exchange: exchange.answer(b"{}")) as server:
        replies = asyncio.run(ask(server.url, "/a", "/b", "/c"))
        assert [reply.status for reply in replies if isinstance(reply, Response)] == [200] * 3
        assert server.connections == 1


def test_a_single_connection_serves_all_who_want_it() -> None:
    """On both ways at once: nobody keeps it from the others."""

    async def all_at_once(url: str) -> list[Reply]:
        transport = HttpTransport(url, user_agent="test", timeout_s=10, connections=1)
        requests = [
            Request(f"/{number}", headers={"X-Way": "session"} if number % 3 == 0 else {})
            for number in range(9)
        ]
        try:
            return await asyncio.gather(*(transport.send(request) for request in requests))
        finally:
            await transport.close()

    with RawServer(lambda exchange: exchange.answer(exchange.target.encode())) as server:
        replies = asyncio.run(all_at_once(server.url))
        assert server.connections == 1
    bodies = [reply.body for reply in replies if isinstance(reply, Response)]
    assert bodies == [f"/{number}".encode() for number in range(9)]


@pytest.mark.parametrize("target", ["/a b", "/a\r\nX: y", "/ü", "/a#b"])
def test_what_is_no_plain_path_never_takes_the_short_way(target: str) -> None:
    """It cannot smuggle a header field or a second request."""
    with RawServer(lambda exchange: exchange.answer(b"{}")) as server:
        asyncio.run(ask(server.url, target))
        assert len(server.heads) <= 1
        assert not any(b"\nX:" in head for head in server.heads)
