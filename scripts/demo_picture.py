"""Draw docs/demo.svg: what a person sees of `ventil demo` on a terminal.

The demo runs in a pseudo-terminal of 100 columns; a terminal emulator (pyte) keeps its
screen, which is taken while the run waits out a ban and again at its end.

    make picture
"""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import tempfile
import termios
from pathlib import Path

import pyte
from rich.console import Console
from rich.text import Text

COLUMNS, LINES = 116, 40
PICTURE = Path(__file__).resolve().parent.parent / "docs" / "demo.svg"
COLOURS = {"default": "#d0d0d0", "brown": "yellow"}


def record() -> tuple[list[Text], list[Text]]:
    """The screen during the ban, and the last one."""
    screen = pyte.Screen(COLUMNS, LINES)
    stream = pyte.ByteStream(screen)
    banned: list[Text] = []
    with tempfile.TemporaryDirectory() as folder:
        leader, follower = pty.openpty()
        fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", LINES, COLUMNS, 0, 0))
        process = subprocess.Popen(
            [sys.executable, "-m", "ventil.cli.main", "demo"],
            cwd=folder,
            stdin=follower,
            stdout=follower,
            stderr=follower,
            env={**os.environ, "TERM": "xterm-256color", "COLUMNS": str(COLUMNS)},
        )
        os.close(follower)
        while True:
            try:
                data = os.read(leader, 65536)
            except OSError:
                break
            if not data:
                break
            stream.feed(data)
            if not banned and any("cooldown until" in line for line in screen.display):
                banned = shown(screen)
        process.wait()
        if process.returncode != 0:
            raise SystemExit(f"the demo ended with {process.returncode}")
        last = shown(screen)
        return banned, [_without(line, os.path.realpath(folder)) for line in last]


def shown(screen: pyte.Screen) -> list[Text]:
    """The lines of a screen with their colours, without the empty ones at its end."""
    lines = []
    for row in range(LINES):
        text = Text()
        for column in range(COLUMNS):
            cell = screen.buffer[row][column]
            colour = COLOURS.get(cell.fg, cell.fg)
            colour = f"#{colour}" if re.fullmatch("[0-9a-f]{6}", colour) else colour
            text.append(cell.data, f"{'bold ' if cell.bold else ''}{colour}")
        text.rstrip()
        lines.append(text)
    while lines and not lines[-1].plain:
        lines.pop()
    return lines


def _without(line: Text, folder: str) -> Text:
    """The line without the temporary folder's name."""
    if folder not in line.plain and not line.plain.startswith("ventil-demo"):
        return line
    return Text(line.plain.replace(f"{folder}/", ""), "#d0d0d0")


def main() -> None:
    """Write the picture."""
    banned, last = record()
    console = Console(record=True, width=COLUMNS, file=open(os.devnull, "w"))  # noqa: SIM115
    console.print(Text("$ ventil demo", "bold"))
    for line in banned:
        console.print(line, no_wrap=True, crop=True)
    console.print()
    console.print(Text("… and half a minute later", "dim"))
    console.print()
    for line in last[len(banned) - 3 :]:
        console.print(line, no_wrap=True, crop=True)
    svg = console.export_svg(title="ventil demo", unique_id="demo")
    # The fonts would be fetched from a foreign host; any monospaced one will do.
    svg = re.sub(r"@font-face \{.*?\}\s*", "", svg, flags=re.DOTALL)
    svg = svg.replace("Fira Code", "DejaVu Sans Mono, Menlo, Consolas")
    PICTURE.write_text("\n".join(line.rstrip() for line in svg.splitlines()) + "\n")


if __name__ == "__main__":
    main()
