"""The command reference says what the commands say, and the docs name commands that exist."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from ventil.cli.main import app

ROOT = Path(__file__).resolve().parent.parent.parent
COMMANDS = {
    *("changelog", "db", "demo", "doctor", "failures", "plan"),
    *("providers", "runs", "serve", "sim", "stats", "worker"),
}
GROUPS = ("changelog", "db", "failures", "providers", "runs")


def test_the_page_is_current() -> None:
    """`make docs` was run after the last change of a command."""
    checked = subprocess.run(
        [sys.executable, ROOT / "scripts" / "cli_reference.py", "--check"],
        capture_output=True,
        text=True,
        env={"PYTHONPATH": str(ROOT / "src")},
        check=False,
    )
    assert checked.returncode == 0, checked.stderr


def test_every_command_is_on_the_page_with_an_example() -> None:
    """A command without an example is not finished; a group has those of its commands."""
    text = (ROOT / "docs" / "reference" / "commands.md").read_text(encoding="utf-8")
    sections = re.split(r"^#{2,3} (?=ventil )", text, flags=re.M)[1:]
    assert {s.split()[1] for s in sections} == COMMANDS
    for section in sections:
        title = section.splitlines()[0]
        if title.split()[1:] not in [
            ["changelog"],
            ["db"],
            ["runs"],
            ["failures"],
            ["providers"],
        ]:
            assert "Example: ventil" in section, title


PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_commands_in_the_docs_exist(page: Path) -> None:
    """Every `ventil VERB` that a page shows in code is a command with those words."""
    text = page.read_text(encoding="utf-8")
    blocks = "\n".join(re.findall(r"^```(?:console|sh|shell)?\n(.*?)^```", text, re.M | re.S))
    inline = "\n".join(re.findall(r"`(ventil [^`\n]+)`", text))
    for words in re.findall(r"(?:^|\$ )(?:\.venv/bin/)?ventil ((?:[a-z]+ ?)+)", blocks, re.M):
        _exists(words.split())
    for words in re.findall(r"^ventil ((?:[a-z]+ ?)+)", inline, re.M):
        _exists(words.split())


def _exists(words: list[str]) -> None:
    assert words[0] in COMMANDS, f"ventil {words[0]}"
    if words[0] in {"runs", "failures", "providers", "changelog"} and len(words) > 1:
        assert words[1] in app[words[0]], f"ventil {words[0]} {words[1]}"
