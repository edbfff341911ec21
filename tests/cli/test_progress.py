"""The live display: what it says, on terminals of any width, with and without colour."""

from __future__ import annotations

import io
from typing import Any

import pytest
from rich.console import Console

from ventil.cli.console import about, counted
from ventil.cli.progress import Plain, Silent, Terminal, _panel, line, reporter_for

SNAPSHOT: dict[str, Any] = {
    "done": 123_456,
    "total": 226_974,
    "ok": 120_000,
    "unknown": 3_000,
    "suspect": 400,
    "failed": 56,
    "settled_before": 0,
    "rate": 1234.5,
    "eta_s": 12_000.0,
    "in_flight": 10,
    "limited_by": "npm-downloads: cooldown until 14:05 UTC, 429 without Retry-After",
}


def drawn(snapshot: dict[str, Any], width: int, *, colour: bool = False) -> list[str]:
    """The lines of the display on a terminal of that width."""
    console = Console(
        file=io.StringIO(), width=width, force_terminal=True, no_color=not colour, height=24,
        color_system="standard",
    )  # fmt: skip
    with console.capture() as captured:
        console.print(_panel(snapshot, width))
    return captured.get().splitlines()


@pytest.mark.parametrize("width", [10, 20, 40, 60, 80, 200])
def test_three_lines_on_any_terminal(width: int) -> None:
    """Nothing wraps, so that redrawing in place does not smear."""
    import re

    lines = [re.sub(r"\x1b\[[0-9;]*m", "", text) for text in drawn(SNAPSHOT, width)]
    assert len(lines) == 3
    assert all(len(text) <= width for text in lines)
    if width >= 80:
        assert "123,456/226,974" in lines[0]
        assert "about 3 h 20 min left" in lines[0]
        assert "10 in flight" in lines[0]
        assert "120,000 ok" in lines[1]
        assert "56 failed" in lines[1]
        assert "cooldown until 14:05 UTC, 429 without Retry-After" in lines[2]


def test_colour_carries_no_meaning_of_its_own() -> None:
    """Without colour the words are the same."""
    import re

    plain = [re.sub(r"\x1b\[[0-9;]*m", "", t) for t in drawn(SNAPSHOT, 80, colour=True)]
    without = [re.sub(r"\x1b\[[0-9;]*m", "", t) for t in drawn(SNAPSHOT, 80)]
    assert plain[1:] == without[1:]
    assert "\x1b[31m" not in "".join(drawn(SNAPSHOT, 80))


def test_what_the_provider_says_cannot_draw() -> None:
    """Escapes and markup in a reason are shown, not obeyed."""
    evil = {**SNAPSHOT, "limited_by": "\x1b[2J[bold red]x[/]\r\n\x07"}
    text = "".join(drawn(evil, 80))
    assert "\x1b[2J" not in text
    assert "\x07" not in text
    assert "[bold red]x" in text
    assert len(drawn(evil, 80)) == 3


def test_a_line_says_it_all() -> None:
    """The plain form, for logs."""
    assert line(SNAPSHOT) == (
        "123,456/226,974 · 1234.5 records/s · about 3 h 20 min left · 10 in flight · "
        "3000 unknown · 400 suspect · 56 failed · "
        "npm-downloads: cooldown until 14:05 UTC, 429 without Retry-After"
    )


def test_the_start_and_the_end_of_a_run_have_no_nonsense() -> None:
    """No estimate before there is a rate, none when all is done."""
    start = {**SNAPSHOT, "done": 0, "rate": 0.0, "eta_s": None, "limited_by": None}
    assert "left" not in line(start)
    end = {**SNAPSHOT, "done": 226_974, "eta_s": 0.0}
    assert "left" not in line(end)
    assert "going as fast as it can" in "".join(drawn(start, 80))


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0 s"),
        (0.01, "0.1 s"),
        (0.5, "0.5 s"),
        (0.99, "1 s"),
        (45, "45 s"),
        (100, "2 min"),
        (5399, "90 min"),
        (5400, "1 h 30 min"),
        (7200, "2 h"),
        (86_400 * 5, "5.0 days"),
    ],
)
def test_lengths_of_time(seconds: float, words: str) -> None:
    """As people say them."""
    assert about(seconds) == words


def test_counts_of_things() -> None:
    """One record, two records."""
    assert counted(1, "record") == "1 record"
    assert counted(12_345, "record") == "12,345 records"


def test_the_display_fits_the_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    """Quiet: none. A terminal: live. Anything else: plain lines."""
    assert isinstance(reporter_for(quiet=True), Silent)
    assert isinstance(reporter_for(quiet=False), Plain)
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    assert isinstance(reporter_for(quiet=False), Terminal)
