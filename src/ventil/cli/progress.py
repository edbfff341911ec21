"""What a person sees of a run: a live line on a terminal, plain lines elsewhere, or nothing.

All of it goes to stderr. The live display shows how many are done, how fast, for how long
still, what is in flight, and what limits the run right now.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol

from ventil.cli.console import about, colours, counted, number, printable, say
from ventil.ports import Reporter, Run

if TYPE_CHECKING:
    from rich.live import Live

PLAIN_EVERY_S = 5.0
"""Seconds between two plain lines, when nothing else happens."""

_BAR = 32
_LEAST_BAR = 6
"""Columns of the bar, at most and at least; where there is less room there is none."""


class Display(Reporter, Protocol):
    """A reporter that may hold the terminal."""

    def close(self) -> None:
        """Give the terminal back; more may be said afterwards, as plain lines."""


def reporter_for(*, quiet: bool) -> Display:
    """The reporter for this stderr."""
    if quiet:
        return Silent()
    if sys.stderr.isatty():
        return Terminal()
    return Plain()


class Silent:
    """Says nothing. Errors are not its business."""

    def started(self, run: Run, *, resumed: bool, chunks: int) -> None:
        """Nothing."""

    def progress(self, snapshot: Mapping[str, Any]) -> None:
        """Nothing."""

    def note(self, text: str) -> None:
        """Nothing."""

    def ended(self, text: str) -> None:
        """Nothing."""

    def close(self) -> None:
        """Nothing."""


class Plain:
    """A line at the start, one every few seconds, and one when the limiting reason changes."""

    def __init__(self) -> None:
        self._last_s = float("-inf")
        self._last_reason: str | None = None

    def started(self, run: Run, *, resumed: bool, chunks: int) -> None:
        """The run begins."""
        say(opening(run, resumed=resumed))
        self._last_s = time.monotonic()

    def progress(self, snapshot: Mapping[str, Any]) -> None:
        """Where the run stands, twice a second."""
        now_s = time.monotonic()
        reason = _kind_of(snapshot["limited_by"])
        if now_s - self._last_s < PLAIN_EVERY_S and (
            reason == self._last_reason or reason in (None, "quota")
        ):
            return
        self._last_s, self._last_reason = now_s, reason
        say(line(snapshot))

    def note(self, text: str) -> None:
        """Something the person should know."""
        say(f"note: {text}")

    def ended(self, text: str) -> None:
        """The run is over; the last lines."""
        if text:
            say(text)

    def close(self) -> None:
        """Nothing is held."""


class Terminal:
    """A live display of three lines, redrawn in place."""

    def __init__(self) -> None:
        self._live: Live | None = None
        self._colours = colours(sys.stderr)

    def started(self, run: Run, *, resumed: bool, chunks: int) -> None:
        """The run begins."""
        from rich.console import Console
        from rich.live import Live

        say(opening(run, resumed=resumed))
        console = Console(stderr=True, no_color=not self._colours, highlight=False)
        self._live = Live(console=console, refresh_per_second=8, transient=True)
        self._live.start()

    def progress(self, snapshot: Mapping[str, Any]) -> None:
        """Where the run stands, twice a second."""
        if self._live is not None:
            self._live.update(_panel(snapshot, self._live.console.width))

    def note(self, text: str) -> None:
        """Something the person should know."""
        if self._live is not None:
            self._live.console.print(f"note: {printable(text)}", markup=False)
        else:
            say(f"note: {text}")

    def ended(self, text: str) -> None:
        """The run is over; the last lines."""
        self.close()
        if text:
            say(text)

    def close(self) -> None:
        """Take the live display away and show the cursor again."""
        if self._live is not None:
            self._live.stop()
            self._live = None


def opening(run: Run, *, resumed: bool) -> str:
    """The first line of a run."""
    left = run.records - run.settled_before
    what = f"run {run.id}: {counted(run.records, 'record')}, {run.period}"
    if run.settled_before:
        what += f", {number(run.settled_before)} settled before, {number(left)} to ask"
    return f"{what}{', resumed' if resumed else ''}"


def line(snapshot: Mapping[str, Any]) -> str:
    """One line that says it all."""
    parts = [f"{number(snapshot['done'])}/{number(snapshot['total'])}"]
    parts.append(f"{snapshot['rate']:.1f} records/s")
    if snapshot["eta_s"] is not None and snapshot["done"] < snapshot["total"]:
        parts.append(f"about {about(snapshot['eta_s'])} left")
    parts.append(f"{snapshot['in_flight']} in flight")
    trouble = [f"{snapshot[s]} {s}" for s in ("unknown", "suspect", "failed") if snapshot[s]]
    parts.extend(trouble)
    if snapshot["limited_by"]:
        parts.append(snapshot["limited_by"])
    return " · ".join(parts)


def _kind_of(limited_by: str | None) -> str | None:
    """The reason without its changing numbers."""
    if limited_by is None:
        return None
    return "".join(c for c in limited_by if not c.isdigit())


def _panel(snapshot: Mapping[str, Any], width: int) -> Any:
    """Three lines, none longer than the terminal is wide."""
    from rich.console import Group
    from rich.progress_bar import ProgressBar
    from rich.table import Table
    from rich.text import Text

    done, total = snapshot["done"], snapshot["total"]
    words = [f"{number(done)}/{number(total)}", f"{snapshot['rate']:.1f} records/s"]
    if snapshot["eta_s"] is not None and done < total:
        words.append(f"about {about(snapshot['eta_s'])} left")
    words.append(f"{snapshot['in_flight']} in flight")
    text = Text("  ".join(words), no_wrap=True, overflow="ellipsis")
    text.stylize("bold", 0, len(words[0]))
    room = min(_BAR, width - len(text) - 2)
    head: Any = text
    if room >= _LEAST_BAR:
        head = Table.grid(padding=(0, 2, 0, 0))
        head.add_row(ProgressBar(total=max(1, total), completed=done, width=room), text)
    counts = Text(no_wrap=True, overflow="ellipsis")
    for name, style in (
        ("ok", "green"),
        ("unknown", "cyan"),
        ("suspect", "yellow"),
        ("failed", "red"),
    ):
        if snapshot[name]:
            counts.append(f"{number(snapshot[name])} {name}  ", style=style)
    limited = snapshot["limited_by"]
    reason = Text("limited by  ", style="dim", no_wrap=True, overflow="ellipsis")
    said = " ".join(printable(limited).split()) if limited else None
    reason.append(said or "nothing: going as fast as it can")
    return Group(head, counts, reason)
