"""What a release tells besides its version: body, marks, sections, names, JSON."""

from __future__ import annotations

import json

import pytest

from ventil.changelog import Section, parse, release_as_data

KEPT = """\
# Changelog

## [Unreleased]

### Added
- nobody has it yet

## [2.0.0-rc.1] - 2021-03-04

Some words.

### Added
- A door
  with a handle

### Fixed

- A window

### ⚠ BREAKING CHANGES
- No chimney

## [1.0.1] - 2020-03-01 [YANKED]

### Security
- A lock

## 1.0.0 (unreleased)

- First

[Unreleased]: https://example.org/compare/v2.0.0-rc.1...HEAD
[1.0.1]: https://example.org/1.0.1
"""


def test_bodies_are_the_source_below_the_heading() -> None:
    """A body ends before the next release, and links of versions are none of it."""
    found = parse(KEPT, "CHANGELOG.md")
    assert [r.version for r in found] == ["2.0.0-rc.1", "1.0.1", "1.0.0"]
    assert found[0].body.startswith("Some words.")
    assert found[0].body.endswith("- No chimney")
    assert found[1].body == "### Security\n- A lock"
    assert found[2].body == "- First"
    assert all(r.body in KEPT for r in found)


def test_marks() -> None:
    """Yanked, pre-release and unreleased are told from the heading."""
    rc, yanked, coming = parse(KEPT)
    assert (rc.yanked, rc.prerelease, rc.unreleased) == (False, True, False)
    assert (yanked.yanked, yanked.prerelease, yanked.unreleased) == (True, False, False)
    assert (coming.yanked, coming.prerelease, coming.unreleased) == (False, False, True)
    assert rc.normalised == "2.0.0rc1"


@pytest.mark.parametrize(
    "day", ["2026-XX-XX", "2026-??-??", "TBD", "not yet released", "in development"]
)
def test_what_is_not_out_has_no_date(day: str) -> None:
    """Placeholders are marks, never dates."""
    found = parse(f"1.1 ({day})\n---\n- b\n\n1.0 (2020-01-01)\n---\n- a\n", "CHANGES.rst")
    assert [(r.unreleased, r.date is None) for r in found] == [(True, True), (False, False)]


def test_spans_cover_headings_and_bodies() -> None:
    """Lines count from zero, and the line after the last is the end."""
    lines = KEPT.split("\n")
    first = parse(KEPT)[0]
    assert lines[first.span[0]] == "## [2.0.0-rc.1] - 2021-03-04"
    assert lines[first.span[1]] == "## [1.0.1] - 2020-03-01 [YANKED]"


def test_sections() -> None:
    """Sections have a kind that is the same in every changelog, and their source."""
    sections = parse(KEPT)[0].sections
    assert [s.kind for s in sections] == ["added", "fixed", "breaking"]
    assert sections[0] == Section("added", "Added", "- A door\n  with a handle")
    assert sections[1].text == "- A window"


@pytest.mark.parametrize(
    ("body", "kinds"),
    [
        ("**New features**\n\n* a\n\n**Bug fixes**\n\n* b", ["added", "fixed"]),
        (
            "Features\n~~~~~~~~\n\n- a\n\nDeprecations\n~~~~~~~~~~~~\n\n- b",
            ["added", "deprecated"],
        ),
        ("Backwards-incompatible changes:\n- a\n\nBugfixes:\n- b", ["breaking", "fixed"]),
        ("=== Removed\n* a\n=== Changed\n* b", ["removed", "changed"]),
        ("- a\n- b", []),
    ],
)
def test_sections_of_other_markups(body: str, kinds: list[str]) -> None:
    """Bold lines, underlined titles and lines with a colon open sections too."""
    text = f"1.1\n===\n\n{body}\n\n1.0\n===\n\n- a\n"
    assert [s.kind for s in parse(text, "CHANGES")[0].sections] == kinds


def test_a_heading_of_another_kind_ends_a_release() -> None:
    """What follows the list of releases is no part of the last."""
    text = "# Changes\n\n## 1.1\n- b\n\n## 1.0\n- a\n\n# Thanks to all\n\nJane\n"
    assert [r.body for r in parse(text)] == ["- b", "- a"]


def test_sections_on_the_level_of_releases_belong_to_them() -> None:
    """Sloppy levels do not cut a body short."""
    text = "## 1.1\n## Features\n- b\n## Bug Fixes\n- c\n## 1.0\n## Features\n- a\n"
    assert [r.body for r in parse(text)] == [
        "## Features\n- b\n## Bug Fixes\n- c",
        "## Features\n- a",
    ]


def test_sections_above_the_level_of_releases_belong_to_them_too() -> None:
    """Where sections stand higher than releases, no level says anything."""
    text = (
        "### 1.1\n- a\n## Features\n- b\n## Fix for kettles\n- c\n"
        "### 1.0\n- a\n## Bugfixes\n- d\n### 0.9\n- e\n"
    )
    assert [r.body for r in parse(text, "CHANGELOG.md")] == [
        "- a\n## Features\n- b\n## Fix for kettles\n- c",
        "- a\n## Bugfixes\n- d",
        "- e",
    ]


def test_names_of_packages() -> None:
    """A name in the heading is told apart from the version."""
    text = (
        "## @acme/pot@2.1.0\n- b\n## @acme/cup 1.4.1\n- a\n"
        "## @acme/pot@2.0.0\n- a\n## @acme/cup 1.4\n- a"
    )
    assert [(r.name, r.version) for r in parse(text, "CHANGELOG.md")] == [
        ("@acme/pot", "2.1.0"),
        ("@acme/cup", "1.4.1"),
        ("@acme/pot", "2.0.0"),
        ("@acme/cup", "1.4"),
    ]


def test_json() -> None:
    """A release as data is what JSON can hold, with every field."""
    data = json.loads(json.dumps(release_as_data(parse(KEPT)[0])))
    assert data["version"] == "2.0.0-rc.1"
    assert data["date"] == "2021-03-04"
    assert data["span"] == [7, 22]
    assert [s["kind"] for s in data["sections"]] == ["added", "fixed", "breaking"]


README = """\
# Teapot 2.1

Pours tea.

## Installation

Needs Python 3.8 or 3.9:

* 3.8
* 3.9

    pip install teapot==2.1.0

## Usage

### 1.1 Boiling
Water.
### 1.2 Pouring
Tea.

## Supported versions

| Version | Supported |
|---------|-----------|
| 2.1.x   | yes       |
| 2.0.x   | no        |

## License

Apache License, Version 2.0, January 2004
"""

LICENCE = """\
                    GNU TEAPOT PUBLIC LICENSE
                       Version 3, 29 June 2007

 Everyone is permitted to copy. All rights reserved, without warranty of any kind.

  TERMS AND CONDITIONS

  0. Definitions.
  1. Source.
1.1. "Contributor" shall mean each.
1.2. "Version" shall mean that of Version 2.
1.3. "Larger Work" means more.

 Redistributions of source code must say so, under the terms of this License.
"""


@pytest.mark.parametrize("name", ["README.md", "docs/readme.rst", "README-2.1.md", None])
def test_a_readme_has_no_releases(name: str | None) -> None:
    """Versions in a README are no releases, under its own name or none."""
    assert parse(README, name) == []


@pytest.mark.parametrize(
    "name", ["LICENSE", "COPYING.txt", "LICENSE_GPL.txt", "GPL-3.0.txt", None]
)
def test_a_licence_has_no_releases(name: str | None) -> None:
    """Numbered clauses and the licence's own version are no releases."""
    assert parse(LICENCE, name) == []


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n\n",
        ".. include:: ../CHANGES.rst\n",
        "# Changelog\n\nSee the releases page.\n",
        "Release notes\n=============\n\n.. toctree::\n   :maxdepth: 2\n\n"
        "   releases/v1.1.0\n   releases/v1.0.0\n",
        "- [1.1.0](#110)\n- [1.0.0](#100)\n",
        "commit 0123456789012345678901234567890123456789\nDate: 2020-01-01\n\n    1.0\n\n" * 6,
        "2020-01-19  Jane Doe  <jane@example.org>\n\n\t* pot.c (pour): Tilt.\n\n" * 3,
    ],
)
def test_texts_without_releases(text: str) -> None:
    """Pointers to other places, lists of contents and logs of commits have none."""
    assert parse(text, "CHANGELOG") == []
