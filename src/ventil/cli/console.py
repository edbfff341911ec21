"""How things are said: data to stdout, all else to stderr, readable without colour."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Iterable, Sequence
from typing import Any


def say(text: str = "") -> None:
    """A line for the person, on stderr.

    A stderr that cannot be written to (its reader is gone, its disk is full) costs the
    line and not the run.
    """
    with contextlib.suppress(OSError):
        print(printable(text), file=sys.stderr, flush=True)


def say_error(message: str, *, hint: str | None = None) -> None:
    """An error, and what to do next on a line of its own."""
    lead = "error:"
    if colours(sys.stderr):
        lead = "\x1b[1;31merror:\x1b[0m"
    with contextlib.suppress(OSError):
        print(f"{lead} {printable(message)}", file=sys.stderr, flush=True)
    if hint:
        say(f"hint: {hint}")


def print_json(value: object) -> None:
    """Data for a script, on stdout; escaped where the encoding there lacks a letter."""
    text = json.dumps(value, ensure_ascii=False, indent=2)
    try:
        text.encode(getattr(sys.stdout, "encoding", None) or "utf-8")
    except UnicodeEncodeError:
        text = json.dumps(value, indent=2)
    sys.stdout.write(text + "\n")


def put(text: str = "") -> None:
    """One line of data for a person, on stdout."""
    print(printable(text).replace("\n", " "))


def print_table(heads: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Aligned columns on stdout; the last one is as long as it is."""
    table = [[printable(str(cell)).replace("\n", " ") for cell in row] for row in rows]
    widths = [
        max(len(head), *(len(row[i]) for row in table), 0) if table else len(head)
        for i, head in enumerate(heads)
    ]
    for row in [list(heads), *table]:
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=True)]
        print("  ".join(cells).rstrip())


def colours(stream: Any) -> bool:
    """Whether colours are welcome there: a terminal, and no NO_COLOR."""
    return bool(
        stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    )


def printable(text: str) -> str:
    """Without control characters: what was fetched must not write to a terminal."""
    return "".join(c if c == "\n" or c.isprintable() else "�" for c in text)


def number(value: int) -> str:
    """12,345."""
    return f"{value:,}"


def counted(value: int, word: str) -> str:
    """1 record, 12,345 records."""
    return f"{value:,} {word}{'' if value == 1 else 's'}"


def about(seconds: float) -> str:
    """A length of time as people say it: 45 s, 12 min, 3 h 20 min, 5 days."""
    if 0 < seconds < 0.95:
        return f"{max(0.1, seconds):.1f} s"
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    if seconds < 86_400:
        hours, minutes = divmod(round(seconds / 60), 60)
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    return f"{seconds / 86_400:.1f} days"
