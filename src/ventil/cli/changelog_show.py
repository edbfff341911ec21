"""`ventil changelog show`: what changed in a package between two versions."""

from __future__ import annotations

import difflib
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from ventil.cli.console import counted, print_json, printable, say
from ventil.cli.stats import Json
from ventil.errors import SourceError

if TYPE_CHECKING:
    from ventil.changelog.document import Document
    from ventil.changelog.notes import Notes


def show(
    package: Annotated[
        str | None, Parameter(help="A name, or a package URL; not with --file.")
    ] = None,
    *,
    start: Annotated[
        str | None, Parameter(name="--from", help="The version that you have; left out.")
    ] = None,
    end: Annotated[
        str | None, Parameter(name="--to", help="The version that you want; included.")
    ] = None,
    site: Annotated[
        Path, Parameter(name="--site", help="The folder that a run has published.")
    ] = Path("changelogs"),
    file: Annotated[
        str | None, Parameter(name="--file", help="A changelog of any form; - for stdin.")
    ] = None,
    ecosystem: Annotated[
        str | None,
        Parameter(
            name="--ecosystem", help="Of the name and its versions: npm, pypi, gem, cargo."
        ),
    ] = None,
    prereleases: Annotated[
        bool, Parameter(name="--prereleases", negative="", help="Tell of pre-releases too.")
    ] = False,
    unreleased: Annotated[
        bool, Parameter(name="--unreleased", negative="", help="Tell what is not out yet, too.")
    ] = False,
    html: Annotated[
        bool, Parameter(name="--html", negative="", help="A page of safe HTML on stdout.")
    ] = False,
    json: Json = False,
) -> int:
    """Tell what changed between two versions: the notes on the way, merged by kind.

    What breaks and what is about security comes first. With neither --from nor --to it
    tells of the newest release. Versions are ordered as their ecosystem orders them; one
    that the changelog does not know is named with its nearest neighbours.

    Example: ventil changelog show react --from 18.2 --to 19
    """
    from ventil.changelog.notes import notes_between
    from ventil.changelog.render.pages import notes_page

    if (package is None) == (file is None):
        raise SourceError(
            "name a package, or a changelog with --file"
            if file is None
            else "give a package or --file, not both",
            hint="ventil changelog show react --from 18.2 --to 19",
        )
    if file is not None:
        document = _of_file(file, ecosystem or "npm")
    else:
        document = _of_site(site, str(package), ecosystem)
    if not document.releases:
        say(
            f"{document.package.name}: no releases"
            + (f": {document.why}" if document.why else "")
        )
        return 1
    if start is None and end is None:
        document = _newest(document, prereleases=prereleases, unreleased=unreleased)
    try:
        notes = notes_between(
            document, start, end, prereleases=prereleases, unreleased=unreleased
        )
    except ValueError as error:
        raise SourceError(
            f"{document.package.name}: {error}", hint="--from is the older, --to the newer"
        ) from error
    for gap in notes.missing:
        say(f"note: {gap}")
    if notes.left_out:
        say(
            f"note: left out {', '.join(notes.left_out[:10])}"
            + (f" and {len(notes.left_out) - 10} more" if len(notes.left_out) > 10 else "")
            + " (--prereleases, --unreleased)"
        )
    if json:
        print_json(_as_data(document, notes))
    elif html:
        sys.stdout.write(notes_page(document, notes).decode())
    else:
        _tell(document, notes)
    return 0


def _newest(document: Document, *, prereleases: bool, unreleased: bool) -> Document:
    """The document with nothing but its newest release of those asked for."""
    import msgspec

    from ventil.changelog.document import newest_first

    listed = newest_first(document.releases)
    fit = [
        r
        for r in listed
        if (unreleased or not r.unreleased) and (prereleases or not r.prerelease)
    ]
    return msgspec.structs.replace(document, releases=tuple((fit or listed)[:1]))


def _of_file(file: str, ecosystem: str) -> Document:
    from ventil.changelog.decoding import decode
    from ventil.changelog.document import Document, PackageId, entries_in
    from ventil.changelog.render import link_targets, markup_of

    try:
        data = sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
    except OSError as error:
        raise SourceError(
            f"{file}: {error.strerror}", hint="give a file's path, or -"
        ) from error
    name = None if file == "-" else Path(file).name
    text = decode(data)
    markup = markup_of(text, name)
    return Document(
        package=PackageId(purl="", ecosystem=ecosystem, name=name or "stdin"),
        status="found",
        markup=markup,
        links=link_targets(text, markup),
        releases=entries_in(data, name),
    )


def _of_site(site: Path, package: str, ecosystem: str | None) -> Document:
    from ventil.changelog.document import decode, package_of
    from ventil.changelog.render.addresses import folder_of

    name, kinds = package, [ecosystem or ""]
    if package.startswith("pkg:"):
        try:
            known = package_of(package)
        except ValueError as error:
            raise SourceError(f"{package}: {error}") from error
        name, kinds = known.name, [known.ecosystem]
    elif ecosystem is None:
        kinds = sorted(p.name for p in site.iterdir() if p.is_dir()) if site.is_dir() else []
        kinds.sort(key=lambda kind: kind != "npm")
    places = [site / folder_of(kind, name) / "changelog.json" for kind in kinds]
    found = [place for place in places if place.is_file()]
    if not found:
        near = difflib.get_close_matches(name, _names(site), n=1)
        raise SourceError(
            f"{name}: no changelog of it in {site}",
            hint=f"did you mean {near[0]}?"
            if near
            else "run `ventil changelog run` first, or give --site or --file",
        )
    if len(found) > 1:
        kind = found[0].relative_to(site).parts[0]
        say(f"note: {name} is in {len(found)} ecosystems; this is the one of {kind}")
    try:
        return decode(found[0].read_bytes())
    except (OSError, ValueError) as error:
        raise SourceError(f"{found[0]}: {error}", hint="publish it anew") from error


def _names(site: Path) -> list[str]:
    """What the folders of the site are called; plain names are their own."""
    return [
        folder.relative_to(site).as_posix().partition("/")[2]
        for pattern in ("*/*", "*/@*/*")
        for folder in site.glob(pattern)
        if (folder / "changelog.json").is_file()
    ]


def _tell(document: Document, notes: Notes) -> None:
    name = document.package.name
    versions = [r.version for r in notes.releases]
    span = f"{versions[-1]} to {versions[0]}" if len(versions) > 1 else "".join(versions)
    print(
        printable(f"# {name}: {counted(len(versions), 'release')}" + (f", {span}" * bool(span)))
    )
    for group in notes.groups:
        print(f"\n## {group.title}")
        for note in group.notes:
            when = f" ({note.date})" if note.date else ""
            text = re.sub(r"\n(?:[ \t]*\r?\n){2,}", "\n\n", note.text.strip())
            print(printable(f"\n### {note.version}{when}\n\n{text}"))


def _as_data(document: Document, notes: Notes) -> dict[str, Any]:
    return {
        "package": document.package.purl or document.package.name,
        "from": notes.start,
        "to": notes.end,
        "markup": notes.markup,
        "releases": [
            {"version": r.version, "date": r.date.isoformat() if r.date else None}
            for r in notes.releases
        ],
        "groups": [
            {
                "kind": group.kind,
                "title": group.title,
                "notes": [
                    {
                        "version": note.version,
                        "date": note.date.isoformat() if note.date else None,
                        "title": note.title,
                        "text": note.text,
                    }
                    for note in group.notes
                ],
            }
            for group in notes.groups
        ],
        "missing": [
            {"version": gap.version, "below": gap.below, "above": gap.above}
            for gap in notes.missing
        ],
        "left_out": list(notes.left_out),
    }
