"""`ventil changelog`: find, fetch and publish the changelogs of packages; parse one."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import App, Parameter

from ventil.cli.changelog_show import show
from ventil.cli.console import print_json, print_table, put
from ventil.cli.progress import reporter_for
from ventil.cli.runs import open_workshop
from ventil.cli.stats import (
    CatalogueFile,
    Config,
    Database,
    Json,
    MaxWait,
    Quiet,
    Refresh,
    Tolerate,
    bytes_of,
    duration,
    finish,
    share,
    tell_problems,
)
from ventil.errors import SourceError

if TYPE_CHECKING:
    from ventil.changelog.document import Document

Ecosystem = Annotated[
    str, Parameter(name="--ecosystem", help="Of plain names: npm, pypi, gem or cargo.")
]


def add_to(app: App) -> None:
    """Add the commands to the app."""
    group = App(name="changelog", help="Changelogs: run, find, show, parse.")
    group.command(run)
    group.command(find)
    group.command(show)
    group.command(parse)
    app.command(group)


def run(
    catalogue: CatalogueFile,
    *,
    output: Annotated[
        Path, Parameter(name=["--output", "-o"], help="The folder that the site goes to.")
    ] = Path("changelogs"),
    ecosystem: Ecosystem = "npm",
    period: Annotated[
        str,
        Parameter(name="--period", help="How often a package is looked at: day, week, month."),
    ] = "week",
    tolerate: Tolerate = "5%",
    max_wait: MaxWait = "30m",
    refresh: Refresh = False,
    database: Database = None,
    config: Config = None,
    json: Json = False,
    quiet: Quiet = False,
) -> int:
    """Find, fetch and publish the changelogs of a catalogue of packages.

    Each package is looked at once a week, and when its version in the catalogue changes;
    what has not changed since costs one conditional request. Every registry and code host
    is asked at its own pace. The same command goes on where an interrupted one stopped.

    Example: ventil changelog run catalog.json -o changelogs
    """
    from ventil.wiring import Asked
    from ventil.wiring import changelogs as job

    workshop = open_workshop(database, config)
    name, data = bytes_of(catalogue)
    asked = Asked(
        catalogue=name,
        data=data,
        output=output,
        period=period,
        tolerate=share(tolerate),
        max_wait_s=duration("--max-wait", max_wait),
        refresh=refresh,
        ecosystem=ecosystem,
    )
    packages = job.read(asked)
    if not quiet:
        tell_problems(packages)
    reporter = reporter_for(quiet=quiet)
    return finish(
        lambda: job.run(workshop, asked, packages, reporter), workshop, reporter, as_json=json
    )


def find(
    package: Annotated[str, Parameter(help="A name, or a package URL.")],
    *,
    ecosystem: Ecosystem = "npm",
    max_wait: MaxWait = "1m",
    database: Database = None,
    config: Config = None,
    json: Json = False,
) -> int:
    """Find the changelog of one package: what was tried, and why it settled on what it did.

    Nothing of it is stored, and the limits of every registry and code host are kept.

    Example: ventil changelog find pkg:pypi/requests
    """
    from ventil.wiring.changelogs import package_of
    from ventil.wiring.looking import look_up
    from ventil.wiring.loop import run

    workshop = open_workshop(database, config)
    document = run(
        look_up(
            workshop,
            package_of(package, ecosystem),
            reporter_for(quiet=False),
            max_wait_s=duration("--max-wait", max_wait),
        )
    )
    if json:
        print_json(_as_data(document))
    else:
        _tell(document)
    return 0 if document.status == "found" else 1


def _as_data(document: Document) -> Any:
    import json

    from ventil.changelog.document import encode

    return json.loads(encode(document))


def _tell(document: Document) -> None:
    put(f"{'package':9} {document.package.purl}")
    put(f"{'latest':9} {document.package.latest_version or 'not known'}")
    put(f"{'status':9} {document.status}")
    if document.why:
        put(f"{'why':9} {document.why}")
    if document.place is not None:
        put(f"{'place':9} {document.place.url or document.place.filename} "
            f"({document.place.how})")  # fmt: skip
    for number, step in enumerate(document.tried, 1):
        put(f"{'tried' if number == 1 else '':9} {number}. {step.how} {step.where or ''}: "
            f"{step.result}")  # fmt: skip
    if document.releases:
        newest = document.releases[0]
        put(f"{'releases':9} {len(document.releases)}, the first in the text is "
            f"{newest.version} ({newest.date or 'no date'})")  # fmt: skip


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
