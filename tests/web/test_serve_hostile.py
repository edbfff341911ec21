"""The server in the hands of the world: bounds, tricks, and what it lets people see."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import re
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from orders import ORDERS
from ventil.adapters.sql import open_store
from ventil.engine.deferred import digest_of
from ventil.ports import Callback, ChunkRow, Run, RunState, Wait
from ventil.web import server
from ventil.web.answers import SECURE
from ventil.wiring import Workshop

RUN = replace(
    ORDERS,
    job="orders <script>alert(1)</script> -> x",
    provider="orders@127.0.0.1",
    series="orders@127.0.0.1/last-week",
    records=1,
    message='"><img src=x onerror=alert(1)>',
)


@dataclass
class Site:
    """A server on a state with one waiting record, whose token is `token`."""

    port: int
    database: str
    token: str

    async def raw(self, *pieces: bytes) -> tuple[int, dict[str, str], bytes]:
        """Send bytes as they are; status, headers and body of the answer."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            for piece in pieces:
                writer.write(piece)
            async with asyncio.timeout(60):
                text = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
                head = text.split("\r\n")
                headers = dict(line.lower().split(": ", 1) for line in head[1:] if line)
                length = int(headers.get("content-length", "0"))
                body = b"" if pieces[0][:4] == b"HEAD" else await reader.readexactly(length)
            return int(head[0].split()[1]), headers, body
        finally:
            writer.close()

    async def ask(
        self, method: str, path: str, body: bytes = b"", *headers: str, host: str = "127.0.0.1"
    ) -> tuple[int, dict[str, str], bytes]:
        """One request, with its length said."""
        lines = [f"{method} {path} HTTP/1.1", f"Host: {host}", *headers]
        if body or method == "POST":
            lines.append(f"Content-Length: {len(body)}")
        return await self.raw("\r\n".join([*lines, "", ""]).encode("latin-1") + body)

    def stored(self) -> bytes | None:
        """What the record was answered with."""
        store = open_store(self.database)
        answer = store.answer(RUN.id, "a", 0)
        store.close()
        return None if answer is None else answer.body


@pytest.fixture
def database(tmp_path: Path) -> str:
    """A state with one run, whose names are hostile."""
    return f"sqlite:///{tmp_path}/ventil.sqlite"


def serving(database: str, test: Callable[[Site], Awaitable[None]], **options: bool) -> None:
    """Run *test* against a server."""
    token = secrets.token_urlsafe(32)
    store = open_store(database)
    if not store.runs():
        store.create_run(RUN, ["a"], [ChunkRow(0, (("a",),), 0, 0, False, 1.0)])
    store.issue(RUN.id, "a", 0, digest_of(token))
    store.park(RUN.id, Wait("a", 0, 4e9, 4e9, False))
    store.close()

    async def run() -> None:
        stop = asyncio.Event()
        ready: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        serve = server.serve(
            Workshop.load({"database_url": database}),
            host="127.0.0.1",
            port=0,
            show_status=options.get("show_status", True),
            ready=ready.set_result,
            stop=stop,
        )
        task = asyncio.create_task(serve)
        await asyncio.wait([task, ready], return_when=asyncio.FIRST_COMPLETED)
        try:
            await test(Site(int(ready.result().rpartition(":")[2]), database, token))
        finally:
            stop.set()
            await task

    asyncio.run(run())


def test_an_answer_is_taken_once(database: str) -> None:
    """The second call is told so and changes nothing; every answer is guarded by headers."""

    async def test(site: Site) -> None:
        status, headers, body = await site.ask("POST", f"/callbacks/{site.token}", b"one")
        assert status == 200
        assert json.loads(body) == {"state": "taken"}
        assert {name.lower() for name in SECURE} <= headers.keys()
        assert (await site.ask("POST", f"/callbacks/{site.token}?x=1", b"two"))[0] == 200
        assert site.stored() == b"one"

    serving(database, test)


def test_what_is_no_token(database: str) -> None:
    """Wrong characters, tricks with the path, other methods: 404 or 405, and no change."""

    async def test(site: Site) -> None:
        good = site.token
        for path in (
            "/callbacks/", "/callbacks", f"/callbacks/{good}/", f"/callbacks//{good}",
            f"/callbacks/../callbacks/{good}", f"//callbacks/{good}", f"/CALLBACKS/{good}",
            f"/callbacks/%2e%2e/{good}", f"/callbacks/{good}%00", f"/callbacks/{good}%0d%0a",
            f"/callbacks/{good[:-1]}", f"/callbacks/{'a' * 5000}", "/callbacks/'%20OR%201=1",
            f"/callbacks/{good}é", "/../../etc/passwd", "/templates/status.html",
        ):  # fmt: skip
            status, _, _ = await site.ask("POST", path, b"x")
            assert status in (400, 404), path
        for method in ("GET", "PUT", "DELETE", "OPTIONS", "TRACE", "PATCH", "HEAD"):
            status, headers, _ = await site.raw(
                f"{method} /callbacks/{good} HTTP/1.1\r\nHost: x\r\n\r\n".encode()
            )
            assert (status, headers["allow"]) == (405, "post")
        assert site.stored() is None

    serving(database, test)


def test_bodies_have_bounds(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Too large, said or not; too slow; broken off; packed: refused, and the token stays."""
    monkeypatch.setattr(server, "MOST_BODY_BYTES", 100_000)
    monkeypatch.setattr(server, "BODY_S", 60.0)

    async def test(site: Site) -> None:
        path = f"/callbacks/{site.token}"
        head = f"POST {path} HTTP/1.1\r\nHost: x\r\n"
        chunked = (head + "Transfer-Encoding: chunked\r\n\r\n").encode()
        said = (head + "Content-Length: 1000000000\r\n\r\n").encode()
        assert (await site.raw(said))[0] == 413
        assert (await site.raw(chunked, *[b"4000\r\n" + b"x" * 0x4000 + b"\r\n"] * 7))[0] == 413
        with monkeypatch.context() as hasty:
            hasty.setattr(server, "BODY_S", 0.1)
            assert (await site.raw(chunked, b"3\r\nabc\r\n"))[0] == 408
        assert (await site.raw(chunked, b"zz\r\n"))[0] == 400
        both = head + "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n"
        assert (await site.raw(both.encode()))[0] == 400  # a smuggler's
        assert (await site.ask("POST", path, b"x", "Content-Encoding: gzip"))[0] == 415
        assert site.stored() is None
        assert (await site.ask("POST", path, b"x" * 100_000))[0] == 200

    serving(database, test)


def slowly(token: str) -> bytes:
    """The beginning of a call whose body never comes."""
    head = f"POST /callbacks/{token} HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nabc"
    return head.encode()


def test_slow_callers_do_not_keep_quick_ones_out(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Seventy bodies that do not come, each to a token that is awaited: others are served.

    The slow ones have hours: it is no deadline that makes room.
    """
    monkeypatch.setattr(server, "BODY_S", 7200.0)
    monkeypatch.setattr(server, "HEAD_S", 7200.0)
    tokens = [secrets.token_urlsafe(32) for _ in range(70)]

    async def test(site: Site) -> None:
        store = open_store(site.database)
        for number, token in enumerate(tokens):
            store.issue(RUN.id, f"slow {number}", 0, digest_of(token))
        store.close()
        slow = []
        for token in tokens:
            reader, writer = await asyncio.open_connection("127.0.0.1", site.port)
            writer.write(slowly(token))
            slow.append((reader, writer))
        for reader, _ in slow[:6]:  # the first to come make room for the last
            async with asyncio.timeout(60):
                assert (await reader.readline()).startswith(b"HTTP/1.1 503")
        assert (await site.ask("POST", f"/callbacks/{site.token}", b"quick"))[0] == 200
        assert (await site.ask("GET", "/healthz"))[0] == 200
        assert site.stored() == b"quick"
        for _, writer in slow:
            writer.close()

    serving(database, test)


def test_an_unknown_token_is_refused_before_its_body(database: str) -> None:
    """Nobody without a token makes the server wait; the body need never come."""

    async def test(site: Site) -> None:
        store = open_store(site.database)
        store.issue(RUN.id, "b", 0, digest_of("o" * 43))
        store.issue(RUN.id, "b", 1, digest_of("p" * 43))
        store.call(digest_of("o" * 43), b"", "", 1.0)
        store.close()
        for _ in range(100):  # more than there are places
            assert (await site.raw(slowly("n" * 43)))[0] == 404
        assert (await site.raw(slowly("o" * 43)))[0] == 200
        assert (await site.ask("POST", f"/callbacks/{site.token}", b"x"))[0] == 200

    serving(database, test)


def test_a_head_that_does_not_come(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who connects and says nothing, or a letter at a time, is hung up on; so is who is idle
    after an answer.
    """
    monkeypatch.setattr(server, "HEAD_S", 0.2)

    async def test(site: Site) -> None:
        for words in (b"", b"POST /callb", b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"):
            reader, writer = await asyncio.open_connection("127.0.0.1", site.port)
            writer.write(words)
            async with asyncio.timeout(60):
                assert (b"200 OK" in await reader.read()) == words.startswith(b"GET")
            writer.close()

    serving(database, test)


def test_connections_have_a_bound(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """One too many closes the one that has said nothing for longest; no caller is refused."""
    monkeypatch.setattr(server, "HEAD_S", 7200.0)
    monkeypatch.setattr(server, "MOST_CONNECTIONS", 20)

    async def test(site: Site) -> None:
        idle = [await asyncio.open_connection("127.0.0.1", site.port) for _ in range(30)]
        assert (await site.ask("POST", f"/callbacks/{site.token}", b"x"))[0] == 200
        async with asyncio.timeout(60):
            for reader, _ in idle[:10]:
                assert await reader.read() == b""
        for _, writer in idle:
            writer.close()

    serving(database, test)


def test_who_asks_before_the_body_is_told_to_go_on(database: str) -> None:
    """`Expect: 100-continue` is answered when the token is known, and refused when not."""

    async def test(site: Site) -> None:
        for token, first in ((site.token, b"HTTP/1.1 100"), ("n" * 43, b"HTTP/1.1 404")):
            reader, writer = await asyncio.open_connection("127.0.0.1", site.port)
            head = f"POST /callbacks/{token} HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n"
            writer.write(f"{head}Expect: 100-continue\r\n\r\n".encode())
            async with asyncio.timeout(60):
                assert (await reader.readline()).startswith(first)
                if first.endswith(b"100"):
                    await reader.readline()
                    writer.write(b"one")
                    assert (await reader.readline()).startswith(b"HTTP/1.1 200")
            writer.close()
        assert site.stored() == b"one"

    serving(database, test)


def test_two_calls_race(database: str) -> None:
    """Twenty callers of one token at once: one is taken, nineteen are told so."""

    async def test(site: Site) -> None:
        path = f"/callbacks/{site.token}"
        bodies = [f"{number}".encode() for number in range(20)]
        told = await asyncio.gather(*(site.ask("POST", path, body) for body in bodies))
        assert [status for status, _, _ in told] == [200] * 20
        taken = [json.loads(body) == {"state": "taken"} for _, _, body in told]
        assert taken.count(True) == 1
        assert site.stored() == bodies[taken.index(True)]

    serving(database, test)


def test_nothing_is_said_of_what_is_not_understood(
    database: str, capfd: pytest.CaptureFixture[str]
) -> None:
    """Not to the log, where a token would stand for ever, nor back to the caller."""

    async def test(site: Site) -> None:
        good = f"POST /callbacks/{site.token}"
        for words in (
            f"{good} HTTP/1.1\r\nHost: x\r\nContent-Length: nine\r\n\r\n",
            f"{good} HTTP/9.9\r\n\r\n",
            f"{good}\x00 HTTP/1.1\r\nHost: x\r\n\r\n",
            f"{good} HTTP/1.1\r\nHo st: {site.token}\r\n\r\n",
            f"{good}{'a' * 20_000} HTTP/1.1\r\nHost: x\r\n\r\n",
        ):
            reader, writer = await asyncio.open_connection("127.0.0.1", site.port)
            writer.write(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
            async with asyncio.timeout(60):
                await reader.readuntil(b'{"ok": true}\n')
                writer.write(words.encode("latin-1"))
                said = (await reader.read()).decode()
            writer.close()
            assert said.split()[1] == "400", said
            assert site.token not in said
            assert "aiohttp" not in said
            assert all(name in said for name in SECURE)
        status, _, _ = await site.ask(
            "POST", f"/callbacks/{site.token}", b"x", "Content-Type: te\xffxt"
        )
        assert status == 200

    serving(database, test)
    assert capfd.readouterr() == ("", "")


def test_the_page_shows_and_does_not_act(database: str) -> None:
    """Names from elsewhere are text there; style is allowed by its hash, scripts are not."""

    async def test(site: Site) -> None:
        status, headers, body = await site.ask("GET", "/")
        text = body.decode()
        assert status == 200
        assert "<script>" not in text
        assert "&lt;script&gt;" in text
        found = re.search(r"<style>(.*?)</style>", text, re.S)
        assert found is not None
        allowed = base64.b64encode(hashlib.sha256(found[1].encode()).digest()).decode()
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert f"'sha256-{allowed}'".lower() in policy
        status, _, body = await site.ask("GET", "/status.json")
        [run] = json.loads(body)["runs"]
        assert (status, run["waiting"], run["state"]) == (200, 1, "running")
        assert site.token not in text + body.decode()
        assert (await site.ask("POST", "/"))[0] == 405

    serving(database, test)


def test_who_may_look(database: str) -> None:
    """Nobody who got here by a foreign name; and nobody at all when it is turned off."""

    async def ours(site: Site) -> None:
        for host in ("localhost", "127.0.0.1:80", "[::1]:8124"):
            assert (await site.ask("GET", "/", host=host))[0] == 200
        for host in (
            "evil.example",
            "127.0.0.1.evil.example",
            "localhost.evil",
            "[",
            "",
            "a b",
        ):
            assert (await site.ask("GET", "/status.json", host=host))[0] in (400, 421), host

    async def off(site: Site) -> None:
        assert (await site.ask("GET", "/"))[0] == 404
        assert (await site.ask("GET", "/status.json"))[0] == 404
        assert (await site.ask("GET", "/healthz", host="evil.example"))[0] == 200

    serving(database, ours)
    serving(database, off, show_status=False)


@pytest.mark.parametrize("state", [RunState.CANCELLED, RunState.SUPERSEDED, RunState.FAILED])
def test_a_run_that_is_over_takes_nothing(database: str, state: RunState) -> None:
    """410; and again open when it is resumed."""

    async def test(site: Site) -> None:
        store = open_store(site.database)
        store.update_run(RUN.id, state=state)
        assert (await site.ask("POST", f"/callbacks/{site.token}", b"x"))[0] == 410
        store.update_run(RUN.id, state=RunState.RUNNING)
        assert (await site.ask("POST", f"/callbacks/{site.token}", b"x"))[0] == 200
        assert store.call(digest_of("other"), b"", "", 1.0) is Callback.UNKNOWN
        store.close()

    serving(database, test)


def test_the_run_is_as_it_was(database: str) -> None:
    """Nobody but a token's holder changed anything by asking."""
    before: list[Run] = []

    async def test(site: Site) -> None:
        store = open_store(site.database)
        before.extend(store.runs())
        for path in ("/", "/status.json", "/healthz", "/nothing"):
            await site.ask("GET", path)
        assert store.runs() == before
        store.close()

    serving(database, test)
