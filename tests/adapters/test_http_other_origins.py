"""Requests to another origin than the provider's own, and who learns the credential."""

from __future__ import annotations

import asyncio

from ventil.adapters.http import HttpTransport
from ventil.core.exchange import Fault, Request, Response
from ventil.testing.raw_server import Exchange, RawServer

SECRET = "Bearer it-is-me"


def answer(exchange: Exchange) -> None:
    """200 with the target as the body."""
    exchange.answer(exchange.target.encode())


async def send(url: str, *requests: Request) -> list[Response | Fault]:
    """The replies of a transport with a credential."""
    transport = HttpTransport(
        url, user_agent="test", timeout_s=5, connections=2, authorization=SECRET
    )
    try:
        return [await transport.send(request) for request in requests]
    finally:
        await transport.close()


def test_a_credential_goes_to_the_base_url_alone() -> None:
    """Another origin gets the same request without it."""
    with RawServer(answer) as own, RawServer(answer) as other:
        replies = asyncio.run(
            send(own.url, Request("/own"), Request("/other", origin=other.url))
        )
    assert [reply.body for reply in replies if isinstance(reply, Response)] == [
        b"/own",
        b"/other",
    ]
    assert [SECRET.encode() in head for head in own.heads] == [True]
    assert [SECRET.encode() in head for head in other.heads] == [False]
    assert b"/other" in other.heads[0]


def test_a_fault_names_the_other_origin() -> None:
    """Not the provider's own host, which is well."""
    with RawServer(answer) as own:
        [reply] = asyncio.run(send(own.url, Request("/x", origin="http://127.0.0.1:9")))
    assert isinstance(reply, Fault)
    assert "127.0.0.1:9" in reply.detail


def test_another_origin_must_be_public() -> None:
    """A name that leads to this machine is not asked, unless it is the provider itself."""
    with RawServer(lambda exchange: exchange.answer(b"inside")) as own:
        port = own.url.rpartition(":")[2]
        inside = Request("/x", origin=f"http://localhost:{port}")
        [refused] = asyncio.run(send(own.url, inside))
        assert isinstance(refused, Fault)
        assert refused.detail == "localhost leads to an address that is not public"
        [allowed] = asyncio.run(send(f"http://localhost:{port}", inside))
        assert isinstance(allowed, Response)
