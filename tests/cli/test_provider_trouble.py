"""A provider that is down, lies, or attacks: a clear word, in time, with the carried values.

Each story has a good yesterday: the records have last good values. Then the trouble.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import gzip
import json
import socket
import sqlite3
import ssl
import time
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from commandline import NAMES, PROVIDER, Cli, Ended, Sim

from ventil.testing.raw_server import Exchange, RawServer

Script = Callable[[Exchange], object]
OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
BLOCK = b"x" * 65536
CERTIFICATE = Path(__file__).parent.parent / "adapters" / "self_signed.pem"


def names_of(exchange: Exchange) -> list[str]:
    """The packages asked about."""
    return exchange.target.split("/", 4)[4].split(",")


def honest(exchange: Exchange) -> None:
    """Answer as npm does."""
    today = dt.datetime.now(dt.UTC).date()
    days = {
        "start": str(today - dt.timedelta(days=7)),
        "end": str(today - dt.timedelta(days=1)),
    }
    names = names_of(exchange)
    entries = {n: {"downloads": NAMES[n], "package": n, **days} for n in names}
    value = entries if len(names) > 1 else entries[names[0]]
    exchange.answer(json.dumps(value).encode())


def forget_today(cli: Cli) -> None:
    """As if the day had passed: nothing is settled, the last good values are kept."""
    with contextlib.closing(sqlite3.connect(cli.folder / ".ventil/ventil.sqlite")) as db, db:
        db.execute("DELETE FROM sample")


def peak_kib() -> int:
    """The most memory resident since the last call; 0 where the system does not say."""
    status = Path("/proc/self/status")
    if not status.exists():
        return 0
    (line,) = (one for one in status.read_text().splitlines() if one.startswith("VmHWM"))
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")
    return int(line.split()[1])


class Story:
    """A provider that was honest yesterday and plays *script* today."""

    def __init__(self, cli: Cli) -> None:
        self.cli = cli
        self.script: Script = honest
        self.server = cli.open.enter_context(RawServer(lambda e: self.script(e)))
        cli.ask(self.server.url)
        cli.names(*NAMES)
        assert cli("stats", "names.txt", "--quiet").code == 0
        assert cli.stats() == NAMES
        forget_today(cli)
        self.asked = len(self.server.heads)

    def today(self, script: Script, *flags: str, within_s: float = 20.0) -> Ended:
        """Run the command again; whatever comes, the carried values are published."""
        self.script = script
        peak_kib()
        before_kib = peak_kib()
        began_s = time.monotonic()
        ended = self.cli("stats", "names.txt", "--tolerate", "0%", *flags)
        assert time.monotonic() - began_s < within_s
        assert peak_kib() - before_kib < 96 * 1024
        assert self.cli.stats() == NAMES
        return ended


@pytest.fixture
def story(cli: Cli) -> Story:
    """A provider that was honest yesterday."""
    return Story(cli)


def suspended(ended: Ended, *words: str) -> None:
    """The run never had an answer: exit 75, the cause in words, what to do next."""
    assert ended.code == 75, ended
    assert "suspended: npm-downloads has given no usable answer in 1 s: " in ended.err
    for word in words:
        assert word in ended.err, ended.err
    assert "hint: look at base_url and the network" in ended.err
    assert "the same command goes on from here" in ended.err
    assert f"{len(NAMES)} carried" in ended.err
    assert ended.err.isascii() or "\x1b" not in ended.err


# -- down ------------------------------------------------------------------------------------


def test_refused_connections(story: Story) -> None:
    """Host, port and cause are named; the run ends within reach_within."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        story.cli.set(PROVIDER + "BASE_URL", f"http://127.0.0.1:{port}")
        story.cli.patch.setattr("ventil.wiring.Workshop.provider_key", lambda *_: key(story))
        ended = story.today(honest)
    suspended(ended, f"cannot connect to 127.0.0.1:{port}: Connection refused")


def key(story: Story) -> str:
    """The provider key of the story, wherever the base URL points now."""
    return f"npm-downloads@127.0.0.1:{story.server.port}"


def test_an_unknown_host(story: Story) -> None:
    """The host is named."""
    story.cli.set(PROVIDER + "BASE_URL", "https://no-such-host.invalid")
    story.cli.set(PROVIDER + "I_HAVE_PERMISSION", "true")
    story.cli.patch.setattr("ventil.wiring.Workshop.provider_key", lambda *_: key(story))
    ended = story.today(honest)
    suspended(ended, "the host name no-such-host.invalid does not resolve")


def test_https_to_a_port_that_speaks_none(story: Story) -> None:
    """Never a fall back to plain HTTP."""
    story.cli.set(PROVIDER + "BASE_URL", f"https://127.0.0.1:{story.server.port}")
    ended = story.today(honest)
    suspended(ended, "no TLS connection to 127.0.0.1")
    assert len(story.server.heads) == story.asked


def test_a_certificate_that_nobody_signed(story: Story) -> None:
    """The certificate is blamed, and nothing is sent."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATE)
    with RawServer(honest, tls=context) as server:
        story.cli.set(PROVIDER + "BASE_URL", server.url)
        story.cli.patch.setattr("ventil.wiring.Workshop.provider_key", lambda *_: key(story))
        ended = story.today(honest)
    suspended(ended, "no TLS connection", "certificate")
    assert server.heads == []


def test_down_with_nothing_to_carry(cli: Cli) -> None:
    """A former artefact is not replaced by an empty one."""
    cli.ask("http://127.0.0.1:9")  # the discard port
    cli.names(*NAMES)
    (cli.folder / "stats.json").write_text('{"packages":{"pack-1":1}}')
    ended = cli("stats", "names.txt")
    assert ended.code == 75
    assert "kept " in ended.err
    assert "published" not in ended.err
    assert (cli.folder / "stats.json").read_text() == '{"packages":{"pack-1":1}}'
    assert cli.report()["counts"]["failed"] == len(NAMES)


# -- hostile ---------------------------------------------------------------------------------


def pour(exchange: Exchange, data: bytes = BLOCK, *, most: int = 10 * 2**30) -> None:
    """Send *data* over and over until the client leaves."""
    sent = 0
    while sent < most and exchange.send(data):
        sent += len(data)
    exchange.close()


def huge(exchange: Exchange) -> None:
    """10 GB, and says so."""
    exchange.send(OK + b"Content-Length: 10737418240\r\n\r\n")
    pour(exchange)


def endless(exchange: Exchange) -> None:
    """A body without an end."""
    exchange.send(OK + b"Transfer-Encoding: chunked\r\n\r\n")
    pour(exchange, b"%x\r\n%s\r\n" % (len(BLOCK), BLOCK))


def bomb(exchange: Exchange) -> None:
    """64 MiB of blanks, packed."""
    packer = zlib.compressobj(1, zlib.DEFLATED, 31)
    packed = b"".join(packer.compress(b" " * 2**20) for _ in range(64)) + packer.flush()
    exchange.answer(packed, fields=("Content-Encoding: gzip",))


def trickle(exchange: Exchange) -> None:
    """A byte now and then."""
    exchange.send(OK + b"Content-Length: 100000\r\n\r\n")
    while exchange.send(b" "):
        exchange.pause(0.05)


def short(exchange: Exchange) -> None:
    """Less than announced."""
    exchange.send(OK + b'Content-Length: 1000\r\n\r\n{"pack-1"')
    exchange.close()


def html(exchange: Exchange) -> None:
    """A page of HTML with control characters, as 200."""
    exchange.answer(b"<html><title>\x1b[31mWelcome\x07</title></html>")


def redirect(exchange: Exchange) -> None:
    """To the metadata service of a cloud."""
    exchange.answer(
        b"", status="302 Found", fields=("Location: http://169.254.169.254/latest/",)
    )


def bad_gzip(exchange: Exchange) -> None:
    """Says gzip, is not."""
    exchange.answer(b"plain", fields=("Content-Encoding: gzip",))


def deep(exchange: Exchange) -> None:
    """JSON nested a million deep."""
    exchange.answer(b"[" * 1_000_000)


@pytest.mark.parametrize(
    ("script", "words"),
    [
        (huge, "the body is larger than 4096 KiB"),
        (endless, "the body is larger than 4096 KiB"),
        (bomb, "the body is larger than 4096 KiB"),
        (trickle, "no complete answer within 0.5 s"),
        (lambda e: e.wait_gone(9), "no complete answer within 0.5 s"),
        (lambda e: e.reset(), "reset by peer"),
        (short, "the answer was cut off"),
        (html, "200 with a page of HTML"),
        (redirect, "302"),
        (bad_gzip, "no valid gzip"),
        (deep, "garbled answer"),
        (lambda e: e.send(b"SSH-2.0-OpenSSH\r\n\r\n") and e.close(), "did not answer in HTTP"),
        (lambda e: e.answer(b"\xff\xfe\x00"), "garbled answer"),
        (lambda e: e.answer(b""), "an empty body"),
        (lambda e: e.answer(b"{}", status="500 Oops"), "500"),
    ],
    ids=[
        "huge", "endless", "bomb", "trickle", "hang", "reset", "short", "html", "redirect",
        "bad gzip", "deep", "ssh", "binary", "empty", "500",
    ],
)  # fmt: skip
def test_an_answer_that_is_none(story: Story, script: Script, words: str) -> None:
    """Bounded in time and memory, named, and yesterday's values are published."""
    story.cli.set(PROVIDER + "TIMEOUT", "500ms" if "within" in words else "20s")
    suspended(story.today(script), words)


def test_lies_about_single_records_cost_those_alone(story: Story) -> None:
    """Other packages' numbers, negative ones, texts, clipped days: carried and named."""

    def liar(exchange: Exchange) -> None:
        if len(names_of(exchange)) > 1:
            good = Captured()
            honest(good.of(exchange))
            value = json.loads(good.body)
            lies = {
                "pack-1": {"downloads": -5},
                "pack-2": {"downloads": "1002"},
                "pack-3": {"package": "pack-4"},
                "pack-4": {"start": "2020-01-01"},
                "pack-6": {"downloads": 10**400},
            }
            for name, lie in lies.items():
                value.get(name, {}).update(lie)
            value.pop("pack-5", None)
            value["__proto__"] = value["constructor"] = {"downloads": 1}
            exchange.answer(json.dumps(value).encode())
        else:
            honest(exchange)

    ended = story.today(liar)
    assert ended.code == 3, ended
    assert "more records without an answer than tolerated (0%)" in ended.err
    assert story.cli.of_report() == {f"pack-{n}": "carried" for n in range(1, 7)}
    for entry in story.cli.report()["records"]:
        assert entry["detail"]
        assert entry["as_of"]


class Captured:
    """Takes the body of an answer instead of sending it."""

    body = b""

    def of(self, exchange: Exchange) -> Exchange:
        taken = Exchange(None, exchange.head, exchange.number)  # type: ignore[arg-type]
        taken.answer = self.take  # type: ignore[method-assign]
        return taken

    def take(self, body: bytes, **_: object) -> bool:
        self.body = body
        return True


def test_gzip_is_understood(story: Story) -> None:
    """An honest provider that packs its answers."""

    def packed(exchange: Exchange) -> None:
        good = Captured()
        honest(good.of(exchange))
        exchange.answer(gzip.compress(good.body), fields=("Content-Encoding: gzip",))

    assert story.today(packed).code == 0
    assert story.cli.of_report() == {}


# -- throttles, and a run that goes on -------------------------------------------------------


def test_a_ban_longer_than_the_patience_suspends_and_the_same_command_goes_on(
    cli: Cli, world: Sim
) -> None:
    """Exit 75 with the time; nothing is sent during the ban; afterwards it finishes."""
    cli.set(PROVIDER + "COOLDOWN", "1h")
    cli.set("VENTIL_RUN__CHUNK_SIZE", "4")
    from ventil.sim.npm import Ban, Scenario

    world.play(Scenario(ban=Ban(seconds=3600, at=2, times=1)))
    ended = cli("stats", "names.txt", "--max-wait", "5s", "--json")
    assert ended.code == 75
    assert ended.json["state"] == "suspended"
    assert "cooldown until" in ended.err
    assert "429 without Retry-After" in ended.err
    assert "--max-wait" in ended.err
    sent = world.report().requests
    ended = cli("stats", "names.txt", "--max-wait", "0s")
    assert ended.code == 75
    assert world.report().requests == sent, "a running cooldown is honoured by the next start"
    assert "cooldown" in cli("plan", "names.txt").out
    assert "cooldown" in cli("providers", "list").out
    with contextlib.closing(sqlite3.connect(cli.folder / ".ventil/ventil.sqlite")) as db, db:
        db.execute("UPDATE provider SET state = NULL")
    world.play("calm")
    assert cli("stats", "names.txt").code == 0
    assert cli.stats() == NAMES
