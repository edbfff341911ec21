"""What must never be printed, and what must never reach a terminal or a request raw."""

from __future__ import annotations

import json

import pytest
from commandline import PROVIDER, Cli

from ventil.testing.raw_server import Exchange, RawServer

EVIL = "\x1b]0;owned\x07\x1b[2J\r"


def clean(text: str) -> bool:
    """Whether nothing in *text* can steer a terminal."""
    return not any(character in text for character in "\x1b\x07\r\x9b\u202e")


def test_a_password_in_a_url_is_refused_and_not_repeated(cli: Cli) -> None:
    """Neither by an error, nor by doctor."""
    cli.names("pack-1")
    cli.set(PROVIDER + "BASE_URL", "http://me:hunter2@127.0.0.1:9/x")
    for words in (("plan", "names.txt"), ("stats", "names.txt"), ("doctor",)):
        ended = cli(*words)
        assert ended.code in (1, 2)
        assert "must hold no secret" in ended.said
        assert "hunter2" not in ended.said


@pytest.mark.parametrize("value", ["hunter2", "env:HUNTER"])
def test_a_credential_is_never_shown(cli: Cli, value: str) -> None:
    """Not the value of the setting when it is a secret by mistake, and not what it names."""
    cli.names("pack-1")
    cli.set(PROVIDER + "CREDENTIAL", value)
    cli.set("HUNTER", "hunter2")
    for words in (
        ("plan", "names.txt"),
        ("doctor",),
        ("doctor", "--json"),
        ("providers", "show"),
        ("providers", "show", "--json"),
        ("stats", "names.txt"),
    ):
        assert "hunter2" not in cli(*words).said


def test_a_reason_cannot_steer_a_terminal_or_fake_a_line(cli: Cli) -> None:
    """What one person writes is shown to others as one line."""
    cli.names("pack-1")
    cli("providers", "pause", "npm-downloads", "--reason", f"{EVIL}\ntakes       0 s")
    said = cli("plan", "names.txt").out
    assert clean(said)
    assert not any(line.startswith("takes       0 s") for line in said.splitlines())
    for words in (("providers", "list"), ("providers", "show"), ("doctor",)):
        assert clean(cli(*words).said)


def test_unknown_words_on_the_command_line_are_shown_clean(cli: Cli) -> None:
    """An error repeats what was typed, without what steers terminals."""
    for words in ((EVIL,), ("stats", "x", f"--{EVIL}"), ("runs", "list", "--limit", EVIL)):
        ended = cli(*words)
        assert ended.code == 2
        assert clean(ended.said)


def test_what_a_provider_says_is_shown_clean(cli: Cli) -> None:
    """Error texts, package names, header fields of an answer: data, never commands."""

    def script(exchange: Exchange) -> None:
        if "bad" in exchange.target:
            body = json.dumps({"error": f"{EVIL}<b>no</b>"}).encode()
            exchange.answer(body, status="422 No", fields=(f"X-Evil: {EVIL[:-1]}",))
        else:
            body = json.dumps({"downloads": 1, "package": EVIL, "start": EVIL, "end": EVIL})
            exchange.answer(body.encode())

    with RawServer(script) as server:
        cli.ask(server.url)
        cli.names("@s/bad", "@s/other")
        said = cli("stats", "names.txt").said
        for words in (
            ("failures", "list"),
            ("failures", "show", "@s/bad"),
            ("failures", "show", "@s/other"),
            ("runs", "show"),
            ("runs", "list"),
        ):
            said += cli(*words).said
    assert clean(said)
    text = (cli.folder / "stats.report.json").read_text()
    assert clean(text)
    assert {r["key"] for r in json.loads(text)["records"]} == {"@s/bad", "@s/other"}


def test_names_that_would_change_a_request_are_never_sent(cli: Cli) -> None:
    """Line breaks, slashes, queries, fragments, escapes and dot segments stay at home."""
    evil = (
        "a\\r\\nX-Evil: 1", "..", ".", "@s/..", "@../x", "a/../../b", "a?x=1", "a#b", "a%2e%2e",
        "a%0d%0aX", "//evil.example/x", "a,b", "a b", "\ud800", "-/sim/reset/../x",
        "a\r\nGET /evil HTTP/1.1", "@s/x\nHost: evil",
    )  # fmt: skip

    with RawServer(lambda e: e.answer(b"{}", status="404 No")) as server:
        cli.ask(server.url)
        (cli.folder / "c.json").write_text(json.dumps([*evil, "good"]))
        cli("stats", "c.json")
        heads = list(server.heads)
    assert heads
    for head in heads:
        assert head.split(b"\r\n")[0].endswith(b"/last-week/good HTTP/1.1")
        assert b"evil" not in head.lower()


def test_the_request_says_who_asks(cli: Cli) -> None:
    """Program and contact, and nothing of the machine or its user."""
    with RawServer(lambda e: e.answer(b"{}", status="404 No")) as server:
        cli.ask(server.url)
        cli.set(PROVIDER + "CONTACT", "ops@example.org")
        cli.names("good")
        cli("stats", "names.txt")
    fields = dict(line.split(b": ", 1) for line in server.heads[0].split(b"\r\n")[1:])
    assert fields[b"User-Agent"].startswith(b"ventil/")
    assert b"mailto:ops@example.org" in fields[b"User-Agent"]
    assert set(fields) == {b"Host", b"User-Agent", b"Accept", b"Accept-Encoding"}
