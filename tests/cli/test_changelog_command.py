"""`ventil changelog parse` prints the releases of a file."""

from __future__ import annotations

import json

from commandline import Cli

TEXT = """# Changes

## 1.1.0 (2026-11-02)

- more

## 1.0.0 (2026-10-01)

- first
"""


def test_releases_as_json(cli: Cli) -> None:
    """Version, date and body of each, newest first as they stand."""
    (cli.folder / "CHANGES.md").write_text(TEXT)
    ended = cli("changelog", "parse", "CHANGES.md", "--json")
    assert ended.code == 0
    releases = json.loads(ended.out)
    assert [(r["version"], r["date"]) for r in releases] == [
        ("1.1.0", "2026-11-02"),
        ("1.0.0", "2026-10-01"),
    ]
    assert releases[0]["body"].strip() == "- more"


def test_releases_as_a_table(cli: Cli) -> None:
    """A line a release."""
    (cli.folder / "CHANGES.md").write_text(TEXT)
    ended = cli("changelog", "parse", "CHANGES.md")
    assert ended.out.splitlines()[1].split()[:2] == ["1.1.0", "2026-11-02"]


def test_a_file_that_is_not_there(cli: Cli) -> None:
    """Is the user's to mend."""
    ended = cli("changelog", "parse", "nosuch.md")
    assert ended.code == 2
    assert "nosuch.md" in ended.err
