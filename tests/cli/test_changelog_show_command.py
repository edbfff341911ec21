"""`ventil changelog show` tells what changed between two versions."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from commandline import Cli

from ventil.changelog.document import Document, entries_in, package_of
from ventil.changelog.render.pages import Site
from ventil.publish.changelogs import publish_package

TEXT = """# Changes

## 2.0.0 (2026-11-02)

### Breaking

- no handle <script>alert(1)</script>

## 2.0.0-rc.1

- nearly

## 1.1.0 (2026-05-01)

### Security

- a hole

## 1.0.0 (2026-01-02)

- first
"""


@pytest.fixture
def site(cli: Cli) -> Path:
    """A published site with a pot of npm, and one of gem."""
    folder = cli.folder / "changelogs"
    for purl in ("pkg:npm/pot", "pkg:gem/pot", "pkg:npm/%40acme/kettle"):
        document = Document(
            package=package_of(purl),
            status="found",
            markup="markdown",
            releases=entries_in(TEXT, "CHANGELOG.md"),
        )
        publish_package(folder, document, Site())
    nothing = Document(package=package_of("pkg:npm/jar"), status="none", why="none found")
    publish_package(folder, nothing, Site())
    return folder


@pytest.mark.usefixtures("site")
def test_notes_between_two_versions_of_a_published_package(cli: Cli) -> None:
    """What breaks comes first; what was left out is said, not on stdout."""
    ended = cli("changelog", "show", "pkg:npm/pot", "--from", "1.0", "--to", "2")
    assert ended.code == 0
    heads = [line for line in ended.out.splitlines() if line.startswith("#")]
    assert heads == [
        "# pot: 2 releases, 1.1.0 to 2.0.0",
        "## Breaking changes",
        "### 2.0.0 (2026-11-02)",
        "## Security",
        "### 1.1.0 (2026-05-01)",
    ]
    assert "left out 2.0.0-rc.1" in ended.err


@pytest.mark.usefixtures("site")
def test_as_json(cli: Cli) -> None:
    """For a script, with what is missing."""
    ended = cli("changelog", "show", "@acme/kettle", "--from", "1.0.5", "--json")
    told = json.loads(ended.out)
    assert [r["version"] for r in told["releases"]] == ["2.0.0", "1.1.0"]
    assert told["missing"] == [{"version": "1.0.5", "below": "1.0.0", "above": "1.1.0"}]
    assert told["groups"][0]["kind"] == "breaking"
    assert "1.0.5 is not in the changelog; nearest: 1.0.0 and 1.1.0" in ended.err


def test_a_file_as_a_page(cli: Cli) -> None:
    """No site is needed; the page is safe."""
    (cli.folder / "CHANGELOG.md").write_text(TEXT)
    ended = cli("changelog", "show", "--file", "CHANGELOG.md", "--from", "1.1.0", "--html")
    assert ended.code == 0
    assert ended.out.startswith("<!doctype html>")
    assert "no handle" in ended.out
    assert "<script" not in ended.out


def test_the_newest_alone(cli: Cli) -> None:
    """When no range is asked for."""
    (cli.folder / "CHANGELOG.md").write_text(TEXT)
    ended = cli("changelog", "show", "--file", "CHANGELOG.md")
    assert ended.out.splitlines()[0] == "# CHANGELOG.md: 1 release, 2.0.0"


@pytest.mark.usefixtures("site")
def test_a_name_in_two_ecosystems(cli: Cli) -> None:
    """npm's, unless another is asked for; it is said."""
    ended = cli("changelog", "show", "pot")
    assert "2 ecosystems" in ended.err
    assert cli("changelog", "show", "pot", "--ecosystem", "gem").err == ""


@pytest.mark.usefixtures("site")
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["pott"], "did you mean pot?"),
        (["pot", "--from", "2", "--to", "1"], "2 is newer than 1"),
        (["pot", "--from", "new"], "no version"),
        ([], "name a package"),
        (["pot", "--file", "x"], "not both"),
        (["--file", "nosuch.md"], "nosuch.md"),
        (["pkg:"], "pkg:"),
        (["../../etc/passwd"], "no changelog of it"),
    ],
)
def test_what_is_wrong_is_the_users_to_mend(cli: Cli, arguments: list[str], said: str) -> None:
    """With the nearest name, or what to do."""
    ended = cli("changelog", "show", *arguments)
    assert ended.code == 2
    assert said in ended.err
    assert ended.out == ""


@pytest.mark.usefixtures("site")
def test_a_package_without_a_changelog(cli: Cli) -> None:
    """Says why."""
    ended = cli("changelog", "show", "jar")
    assert ended.code == 1
    assert "none found" in ended.err
