"""Whatever a provider sends, the transport ends in bounded time and memory, and says why."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import resource
import socket
import ssl
import time
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

from ventil.adapters.http import HttpTransport
from ventil.core.exchange import Fault, FaultKind, Reply, Request, Response
from ventil.testing.raw_server import Exchange, RawServer

OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
BLOCK = b"x" * 65536
MOST_GROWTH_KIB = 64 * 1024
"""A body may take 4 MiB; an unbounded one takes hundreds within the timeout."""


def peak_kib(*, reset: bool = True) -> int:
    """The most memory resident so far; where Linux lets us, since the last reset."""
    status = Path("/proc/self/status")
    if not status.exists():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    if reset:
        with contextlib.suppress(OSError):
            Path("/proc/self/clear_refs").write_text("5")
    (line,) = (one for one in status.read_text().splitlines() if one.startswith("VmHWM"))
    return int(line.split()[1])


def ask(
    url: str,
    *requests: Request,
    timeout_s: float = 20.0,
    pause_s: float = 0.0,
) -> list[Reply]:
    """The replies to requests sent one after the other through one transport."""

    async def story() -> list[Reply]:
        transport = HttpTransport(url, user_agent="test", timeout_s=timeout_s, connections=2)
        replies = []
        try:
            for number, request in enumerate(requests or (Request("/x"),)):
                if number and pause_s:
                    await asyncio.sleep(pause_s)
                replies.append(await transport.send(request))
        finally:
            await transport.close()
        return replies

    return asyncio.run(story())


def fault(
    script: Callable[[Exchange], object], *, timeout_s: float = 20.0
) -> tuple[Fault, RawServer]:
    """The fault that one request meets; fails when memory grew or time ran."""
    before_kib = peak_kib()
    began_s = time.monotonic()
    with RawServer(script) as server:
        (reply,) = ask(server.url, timeout_s=timeout_s)
    assert isinstance(reply, Fault), reply
    assert time.monotonic() - began_s < timeout_s + 5
    grown_kib = peak_kib(reset=False) - before_kib
    assert grown_kib < MOST_GROWTH_KIB
    assert "\n" not in reply.detail
    assert reply.detail.isprintable()
    return reply, server


def pour(exchange: Exchange, data: bytes = BLOCK, *, most: int = 10 * 2**30) -> int:
    """Send *data* over and over until the client leaves; how much went out."""
    sent = 0
    while sent < most and exchange.send(data):
        sent += len(data)
    exchange.close()
    return sent


def chunk(data: bytes) -> bytes:
    """One chunk of a chunked body."""
    return b"%x\r\n%s\r\n" % (len(data), data)


# -- bodies without an end -------------------------------------------------------------------


def test_ten_gigabytes_announced_are_not_read() -> None:
    """A Content-Length over the bound ends the exchange before the body."""
    sent: list[int] = []

    def script(exchange: Exchange) -> None:
        exchange.send(OK + b"Content-Length: %d\r\n\r\n" % (10 * 2**30))
        sent.append(pour(exchange))

    found, _ = fault(script)
    assert found.kind is FaultKind.TOO_LARGE
    assert "4096 KiB" in found.detail


@pytest.mark.parametrize("framing", ["chunked", "until it closes"])
def test_an_endless_body_ends_at_the_bound(framing: str) -> None:
    """Without an announced length the body is counted as it comes."""
    chunked = framing == "chunked"

    def script(exchange: Exchange) -> None:
        head = (
            b"Transfer-Encoding: chunked\r\n\r\n" if chunked else b"Connection: close\r\n\r\n"
        )
        exchange.send(OK + head)
        pour(exchange, chunk(BLOCK) if chunked else BLOCK)

    found, _ = fault(script)
    assert found.kind is FaultKind.TOO_LARGE


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
def test_a_decompression_bomb_ends_at_the_bound(encoding: str) -> None:
    """256 MiB of zeros packed into one is counted unpacked."""
    packer = zlib.compressobj(1, zlib.DEFLATED, 31 if encoding == "gzip" else 15)
    packed = b"".join(packer.compress(b"0" * 2**20) for _ in range(256)) + packer.flush()

    def script(exchange: Exchange) -> None:
        exchange.answer(packed, fields=(f"Content-Encoding: {encoding}",))

    found, _ = fault(script)
    assert found.kind is FaultKind.TOO_LARGE


def test_endless_bytes_after_the_packed_body_are_not_kept() -> None:
    """What follows the end of the gzip stream neither counts as the body nor piles up."""
    packed = gzip.compress(b'{"small": 1}')

    def script(exchange: Exchange) -> None:
        exchange.send(OK + b"Content-Encoding: gzip\r\nConnection: close\r\n\r\n" + packed)
        pour(exchange)

    found, _ = fault(script)
    assert found.kind in (FaultKind.TOO_LARGE, FaultKind.ENCODING)


def test_an_endless_packed_body_that_unpacks_to_nothing_ends() -> None:
    """Packed bytes count too: empty blocks unpack to nothing for ever."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    start = packer.flush(zlib.Z_SYNC_FLUSH)
    empty = packer.flush(zlib.Z_FULL_FLUSH) or b"\x00\x00\x00\xff\xff"

    def script(exchange: Exchange) -> None:
        exchange.send(OK + b"Content-Encoding: gzip\r\nConnection: close\r\n\r\n" + start)
        pour(exchange, empty * (65536 // len(empty)))

    began_s = time.monotonic()
    found, _ = fault(script)
    assert found.kind is FaultKind.TOO_LARGE
    assert time.monotonic() - began_s < 10


def test_a_body_packed_twice_is_refused() -> None:
    """Only what was asked for is unpacked, and once."""
    packed = gzip.compress(gzip.compress(b"{}"))

    def script(exchange: Exchange) -> None:
        exchange.answer(packed, fields=("Content-Encoding: gzip, gzip",))

    found, _ = fault(script)
    assert found.kind is FaultKind.ENCODING
    assert "gzip, gzip" in found.detail


def test_an_encoding_that_was_not_asked_for_is_refused() -> None:
    """Its name reaches the message printable and short."""

    def script(exchange: Exchange) -> None:
        exchange.answer(b"{}", fields=("Content-Encoding: \x1b[31mbr" + "x" * 500,))

    found, _ = fault(script)
    assert len(found.detail) < 200


def test_a_body_that_is_not_what_it_says_is_an_encoding_fault() -> None:
    """Plain text called gzip does not decode."""
    found, _ = fault(lambda e: e.answer(b"plain text", fields=("Content-Encoding: gzip",)))
    assert found.kind is FaultKind.ENCODING


def test_a_packed_body_that_was_cut_is_broken() -> None:
    """Half a gzip stream is not a short answer."""
    packed = gzip.compress(b"{" + b" " * 5000 + b"}")
    found, _ = fault(lambda e: e.answer(packed[:-9], fields=("Content-Encoding: gzip",)))
    assert found.kind is FaultKind.BROKEN


# -- heads without an end --------------------------------------------------------------------


@pytest.mark.parametrize(
    "line",
    [b"X-Long: " + b"y" * 65000, b"X-Many: 1\r\n" * 5000],
    ids=["one field", "many fields"],
)
def test_an_endless_head_ends(line: bytes) -> None:
    """Header fields are bounded as the body is."""

    def script(exchange: Exchange) -> None:
        exchange.send(OK)
        pour(exchange, line, most=2**30)

    began_s = time.monotonic()
    found, _ = fault(script)
    assert found.kind is FaultKind.BROKEN
    assert time.monotonic() - began_s < 10


def test_informational_answers_for_ever_end_with_the_timeout() -> None:
    """103 after 103 is no answer."""

    def script(exchange: Exchange) -> None:
        while exchange.send(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"):
            exchange.pause(0.01)  # few enough to be read as they come

    found, _ = fault(script, timeout_s=1.0)
    assert found.kind is FaultKind.TIMEOUT


@pytest.mark.parametrize(
    "data",
    [
        b"SSH-2.0-OpenSSH_9.6\r\n\r\n",
        b"HTTP/1.1 abc\r\n\r\n",
        b"\x00\xff" * 500,
        b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nabcdef",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzzz\r\n",
        b"HTTP/1.1 200 \x1b[2J\r\nBad\x1b Name: 1\r\n\r\n",
    ],
)
def test_what_is_not_http_is_broken(data: bytes) -> None:
    """The message names the host and repeats nothing that was sent."""

    def script(exchange: Exchange) -> None:
        exchange.send(data)
        exchange.close()

    found, _ = fault(script)
    assert found.kind is FaultKind.BROKEN
    assert "\x1b" not in found.detail


# -- too slow, too short, gone ---------------------------------------------------------------


def test_a_trickle_ends_with_the_timeout() -> None:
    """The timeout is for the whole exchange: a byte now and then does not extend it."""

    def script(exchange: Exchange) -> None:
        exchange.send(OK + b"Content-Length: 100000\r\n\r\n")
        while exchange.send(b"x"):
            exchange.pause(0.05)

    found, _ = fault(script, timeout_s=0.6)
    assert found.kind is FaultKind.TIMEOUT
    assert "0.6 s" in found.detail


def test_a_hang_ends_with_the_timeout() -> None:
    """No answer at all."""
    found, _ = fault(lambda e: e.wait_gone(30), timeout_s=0.4)
    assert found.kind is FaultKind.TIMEOUT


def test_a_reset_is_a_connection_fault() -> None:
    """The host is named."""
    found, server = fault(lambda e: e.reset())
    assert found.kind is FaultKind.CONNECT
    assert f"127.0.0.1:{server.port}" in found.detail


def test_a_refused_connection_is_named() -> None:
    """Host, port and the system's own word for it."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        (reply,) = ask(f"http://127.0.0.1:{port}")
    assert isinstance(reply, Fault)
    assert reply.kind is FaultKind.CONNECT
    assert f"127.0.0.1:{port}" in reply.detail
    assert "refused" in reply.detail.lower()


def test_less_than_announced_is_broken() -> None:
    """A body that ends before its Content-Length is not a short answer."""

    def script(exchange: Exchange) -> None:
        exchange.send(OK + b'Content-Length: 1000\r\n\r\n{"downloads": 1')
        exchange.close()

    found, _ = fault(script)
    assert found.kind is FaultKind.BROKEN


@pytest.mark.parametrize("when", ["with the first", "while idle"])
def test_more_than_announced_is_never_the_next_answer(when: str) -> None:
    """A second answer that nobody asked for does not answer the next request."""
    smuggled = b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nsmuggled"

    def script(exchange: Exchange) -> None:
        if exchange.number > 1:
            exchange.answer(b"second")
        elif when == "with the first":
            exchange.send(OK + b"Content-Length: 5\r\n\r\nfirst" + smuggled)
        else:
            exchange.answer(b"first")
            exchange.pause(0.1)
            exchange.send(smuggled)

    with RawServer(script) as server:
        replies = ask(server.url, Request("/1"), Request("/2"), pause_s=0.2)
    assert isinstance(replies[0], Response)
    assert replies[0].body == b"first"
    second = replies[1]
    assert isinstance(second, Fault) or second.body == b"second"


def test_a_peer_that_answers_unasked_for_ever_is_dropped() -> None:
    """What it sends on an idle connection does not pile up."""

    def script(exchange: Exchange) -> None:
        exchange.answer(b"first")
        if exchange.number == 1:
            pour(exchange, b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n" * 1000)

    before_kib = peak_kib()
    with RawServer(script) as server:
        replies = ask(server.url, Request("/1"), Request("/2"), pause_s=1.0)
    grown_kib = peak_kib(reset=False) - before_kib
    assert grown_kib < MOST_GROWTH_KIB
    assert [r.body for r in replies if isinstance(r, Response)] == [b"first", b"first"]


# -- names and trust -------------------------------------------------------------------------


def test_an_unknown_host_is_named() -> None:
    """`.invalid` never resolves (RFC 6761)."""
    (reply,) = ask("http://no-such-host.invalid:81")
    assert isinstance(reply, Fault)
    assert reply.kind is FaultKind.DNS
    assert "no-such-host.invalid" in reply.detail


def test_tls_to_a_port_without_it_is_a_tls_fault() -> None:
    """https to a plain server: never a fall back to plain."""
    with RawServer(lambda e: e.answer(b"{}")) as server:
        (reply,) = ask(server.url.replace("http:", "https:"))
    assert isinstance(reply, Fault)
    assert reply.kind is FaultKind.TLS
    assert not any(b"GET " in head for head in server.heads)


def test_a_certificate_nobody_signed_is_refused() -> None:
    """The message says that it is the certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(Path(__file__).parent / "self_signed.pem")
    with RawServer(lambda e: e.answer(b"{}"), tls=context) as server:
        (reply,) = ask(server.url)
    assert isinstance(reply, Fault)
    assert reply.kind is FaultKind.TLS
    assert "certificate" in reply.detail
    assert server.heads == []


@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "307 Temp", "308 Perm"])
def test_a_redirect_is_handed_on_and_never_followed(status: str) -> None:
    """Also not to an address inside: what it points to is never asked."""
    with RawServer(lambda e: e.answer(b"secret")) as inside:
        where = f"Location: {inside.url}/latest/meta-data/"
        with RawServer(lambda e: e.answer(b"", status=status, fields=(where,))) as server:
            (reply,) = ask(server.url)
        assert inside.connections == 0
    assert isinstance(reply, Response)
    assert reply.status == int(status[:3])
    assert reply.headers["location"].startswith(inside.url)


def test_nothing_of_an_answer_is_sent_back() -> None:
    """Cookies are not kept."""

    def script(exchange: Exchange) -> None:
        exchange.answer(b"{}", fields=("Set-Cookie: id=1; Path=/", "WWW-Authenticate: Basic"))

    with RawServer(script) as server:
        ask(server.url, Request("/1"), Request("/2"))
    assert len(server.heads) == 2
    assert b"cookie" not in server.heads[1].lower()
    assert b"authorization" not in server.heads[1].lower()


def test_a_netrc_is_not_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What the machine knows of a host is not told to it."""
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login me password hunter2\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    monkeypatch.setenv("HOME", str(tmp_path))
    with RawServer(lambda e: e.answer(b"{}")) as server:
        ask(server.url)
    assert b"authorization" not in server.heads[0].lower()


@pytest.mark.parametrize(
    "request_",
    [
        Request("/downloads/x\r\nX-Evil: 1"),
        Request("/downloads/x HTTP/1.1\r\nHost: evil\r\n\r\nGET /y"),
        Request("/x", headers={"X-A": "1\r\nX-Evil: 1"}),
        Request("/x", headers={"X-A\r\nX-Evil": "1"}),
    ],
)
def test_line_breaks_cannot_add_to_a_request(request_: Request) -> None:
    """Whatever gets into a target or a field, one request with one head goes out, or none."""
    with RawServer(lambda e: e.answer(b"{}")) as server:
        ask(server.url, request_)
    assert len(server.heads) <= 1
    for head in server.heads:
        lines = head.lower().split(b"\r\n")
        assert not any(line.startswith((b"x-evil", b"host: evil")) for line in lines)


def test_a_target_cannot_name_another_host() -> None:
    """The base URL says where requests go; a target that begins like a host does not."""
    with RawServer(lambda e: e.answer(b"evil")) as other:
        with RawServer(lambda e: e.answer(b"{}")) as server:
            ask(server.url, Request(f"//127.0.0.1:{other.port}/x"))
            for target in (f"@127.0.0.1:{other.port}/x", ".evil/x", f":{other.port}/"):
                with pytest.raises(ValueError, match="does not begin with /"):
                    ask(server.url, Request(target))
        assert other.connections == 0


# -- proxies ---------------------------------------------------------------------------------


def test_a_proxy_of_the_environment_is_used_but_never_for_loopback(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its password reaches no message."""
    with RawServer(lambda e: e.answer(b"via proxy")) as proxy:
        address = f"http://user:hunter2@127.0.0.1:{proxy.port}"
        monkeypatch.setenv("http_proxy", address)
        monkeypatch.delenv("no_proxy", raising=False)
        monkeypatch.delenv("NO_PROXY", raising=False)
        (through,) = ask("http://provider.invalid:81", Request("/1"))
        with RawServer(lambda e: e.answer(b"direct")) as server:
            (direct,) = ask(server.url, Request("/2"))
        monkeypatch.setenv("no_proxy", "provider.invalid")
        (bypassed,) = ask("http://provider.invalid:81", Request("/3"))
    (gone,) = ask_through_closed_proxy(monkeypatch)
    assert isinstance(through, Response)
    assert through.body == b"via proxy"
    assert proxy.targets == ["http://provider.invalid:81/1"]
    assert isinstance(direct, Response)
    assert direct.body == b"direct"
    assert isinstance(bypassed, Fault)
    assert bypassed.kind is FaultKind.DNS
    assert isinstance(gone, Fault)
    assert "hunter2" not in gone.detail
    assert "proxy" in gone.detail


def ask_through_closed_proxy(monkeypatch: pytest.MonkeyPatch) -> list[Reply]:
    """What comes of a proxy that is not there."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        monkeypatch.setenv("http_proxy", f"http://user:hunter2@127.0.0.1:{port}")
        monkeypatch.delenv("no_proxy", raising=False)
        return ask("http://provider.invalid:81")
