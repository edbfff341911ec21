"""`ventil changelog`: split a changelog into its releases."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from ventil.cli.console import print_json, print_table
from ventil.cli.stats import Json
from ventil.errors import SourceError


def add_to(app: App) -> None:
    """Add the commands to the app."""
    group = App(name="changelog", help="Changelogs: parse.")
    group.command(parse)
    app.command(group)


def parse(
    file: Annotated[str, Parameter(help="A changelog of any form; - for stdin.")],
    *,
    json: Json = False,
) -> int:
    """Split a changelog into releases with version, date and body.

    Markdown, reStructuredText, AsciiDoc, RDoc, Textile or plain text, whatever the ending
    says. A README or a licence yields nothing.

    Example: ventil changelog parse CHANGELOG.md --json
    """
    from ventil.changelog import parse as releases_of
    from ventil.changelog import release_as_data

    try:
        data = sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
    except OSError as error:
        raise SourceError(
            f"{file}: {error.strerror}", hint="give a file's path, or -"
        ) from error
    found = releases_of(data, None if file == "-" else Path(file).name)
    if json:
        print_json([release_as_data(release) for release in found])
        return 0
    print_table(
        ("version", "date", "lines", "title"),
        [
            (
                release.version,
                release.date or "-",
                f"{release.span[0]}-{release.span[1]}",
                release.title,
            )
            for release in found
        ],
    )
    return 0
